/** The manifest of a run, `run.json`: everything that decides its result. */
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { RobustlyError } from '../errors.js'
import type { EvaluationSpec } from '../evaluate/spec.js'
import { settledSchema } from '../model/endpoint/schema.js'
import { printable } from '../printable.js'
import { constraintSpecSchema } from '../threat/constraints-file.js'
import { fileProblem } from './files.js'

const numbers = z.array(z.number())
const hash = z.string().regex(/^[0-9a-f]{64}$/)
const index = z.int().min(0)

const space = z.object({
  mean: numbers.optional(),
  std: numbers.optional(),
  layout: z.enum(['NCHW', 'NHWC']).optional(),
  scale: z.number().optional(),
  channels: z.enum(['rgb', 'bgr']).optional(),
})

const specSchema = z.object({
  model: z.object({
    path: z.string(),
    sha256: hash,
    allowHardlinks: z.boolean().optional(),
    endpoint: settledSchema.optional(),
    surrogates: z.enum(['on', 'off']).optional(),
  }),
  surrogateModels: z
    .array(
      z.object({ path: z.string(), sha256: hash, space: space.optional(), allowHardlinks: z.boolean().optional() }),
    )
    .min(1)
    .optional(),
  data: z.object({
    path: z.string(),
    sha256: hash,
    range: z.tuple([index, index]).refine(([start, end]) => start < end, 'the range is empty'),
    space,
  }),
  threat: z.object({
    norm: z.enum(['Linf', 'L2', 'L1', 'L0']),
    epsilon: z.number().min(0),
    epsilonText: z.string(),
    box: z.tuple([z.number(), z.number()]).nullable(),
    constraints: constraintSpecSchema.optional(),
  }),
  suite: z.string(),
  attacks: z.array(z.object({ name: z.string(), options: z.unknown() })),
  mode: z.enum(['cascade', 'individual']),
  seed: index,
  draws: z.int().min(1).optional(),
})

const manifestSchema = z.object({
  format: z.literal(1),
  tool: z.object({ name: z.literal('robustly'), version: z.string() }),
  created: z.string(),
  spec: specSchema,
})

export interface Manifest {
  readonly format: 1
  readonly tool: { readonly name: 'robustly'; readonly version: string }
  /** ISO 8601, UTC. */
  readonly created: string
  readonly spec: EvaluationSpec
}

/** A manifest larger than this is none. */
const largest = 16 * 2 ** 20

/** Reads `run.json` of a folder. Throws `run-unreadable`. */
export function readManifest(folder: string): Manifest {
  const path = join(folder, 'run.json')
  const fail = (message: string): never => {
    throw new RobustlyError('run-unreadable', `${printable(folder)} is not a run folder: ${message}`, {
      hint: 'Give the folder that "robustly evaluate" wrote.',
    })
  }
  let text = ''
  try {
    if (statSync(path).size > largest) fail('run.json is too large')
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if (error instanceof RobustlyError) throw error
    fail(`run.json cannot be read: ${fileProblem(error)}`)
  }
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    fail('run.json is not JSON')
  }
  const checked = manifestSchema.safeParse(value)
  if (checked.success) return checked.data as Manifest
  const issue = checked.error.issues[0]!
  return fail(`run.json: ${printable(issue.path.join('.'), 80)}: ${printable(issue.message)}`)
}

/** Everything that must be equal for two runs to be the same one, by its name for people. */
const identity: readonly (readonly [string, (spec: EvaluationSpec) => unknown])[] = [
  ['model (sha256)', spec => spec.model.sha256],
  ['surrogates', spec => spec.model.surrogates ?? 'on'],
  ['surrogate models (sha256)', spec => spec.surrogateModels?.map(({ sha256 }) => sha256) ?? null],
  ['how data enter surrogate models', spec => spec.surrogateModels?.map(({ space }) => space ?? {}) ?? null],
  ['data (sha256)', spec => spec.data.sha256],
  ['samples', spec => spec.data.range.join(':')],
  ['mean', spec => spec.data.space.mean ?? null],
  ['std', spec => spec.data.space.std ?? null],
  ['layout', spec => spec.data.space.layout ?? null],
  ['scale', spec => spec.data.space.scale ?? 1],
  ['channels', spec => spec.data.space.channels ?? 'rgb'],
  ['norm', spec => spec.threat.norm],
  ['epsilon', spec => spec.threat.epsilonText],
  ['box', spec => spec.threat.box],
  ['constraints', spec => spec.threat.constraints ?? null],
  ['suite', spec => spec.suite],
  ['attacks', spec => spec.attacks],
  ['individual', spec => spec.mode === 'individual'],
  ['seed', spec => spec.seed],
  ['draws', spec => spec.draws ?? 1],
]

/** What differs between the run that is there and the one asked for, one phrase each. */
export function mismatch(there: EvaluationSpec, asked: EvaluationSpec): string[] {
  return identity.flatMap(([name, of]) => {
    const [before, now] = [of(there), of(asked)].map(canonical)
    return before === now ? [] : [`${name} was ${printable(before!, 120)} and is now ${printable(now!, 120)}`]
  })
}

/** JSON with sorted keys: options that were read from a file compare equal to options that were given. */
function canonical(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) =>
    inner !== null && typeof inner === 'object' && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  )
}
