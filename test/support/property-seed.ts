/**
 * Property tests draw the same cases in every run, so that a commit is green or not. To look for new cases:
 * `PROPERTY_SEED=$RANDOM npx vitest run`.
 */
import fc from 'fast-check'

fc.configureGlobal({ seed: Number(process.env.PROPERTY_SEED ?? 1) })
