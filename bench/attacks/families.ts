/** The families of the attack table, in the order of docs/attacks.md: by what they see, what they search for and what they need. */
import type { Attack } from '../../src/attacks/attack.js'
import { suites } from '../../src/evaluate/suite.js'

export interface Family {
  readonly title: string
  readonly text: string
  readonly holds: (attack: Attack) => boolean
}

const transferring = new Set(
  [...suites.values()].filter(suite => suite.needsSurrogates).flatMap(suite => suite.attacks.map(({ name }) => name)),
)

/** Made for surrogates: measured on one. */
export const transfers = ({ name }: Attack): boolean => transferring.has(name)

/** The first family that holds an attack is its own. */
export const families: readonly Family[] = [
  {
    title: 'Universal',
    text: 'One perturbation for all samples, found on the first samples of the run, by the *queries once*, and then tried on each.',
    holds: ({ preparation }) => preparation !== undefined,
  },
  {
    title: 'Transfer',
    text: 'Crafted on surrogates (`--surrogate FILE`) and judged on the target, of which nothing is asked on the way. Without surrogates they run on the model itself.',
    holds: transfers,
  },
  {
    title: 'Noise',
    text: 'Random perturbations without a search: the baseline that every attack must beat.',
    holds: ({ family }) => family === 'noise',
  },
  {
    title: 'White-box, inside epsilon',
    text: 'See gradients; search for any misclassified point no further than epsilon.',
    holds: ({ access, kind }) => access === 'gradients' && kind === 'budget',
  },
  {
    title: 'White-box, minimum distance',
    text: 'See gradients; search for the nearest misclassified point. Runs of these alone give distances and the whole security curve.',
    holds: ({ access, kind }) => access === 'gradients' && kind === 'minimum',
  },
  {
    title: 'Scores',
    text: 'See the scores of the classes, as a service gives them.',
    holds: ({ access }) => access === 'scores',
  },
  {
    title: 'Labels',
    text: 'See the predicted class only.',
    holds: ({ access }) => access === 'labels',
  },
]

/** The order in which families are shown. */
export const shown: readonly string[] = [
  'White-box, inside epsilon',
  'White-box, minimum distance',
  'Scores',
  'Labels',
  'Transfer',
  'Noise',
  'Universal',
]

/** Throws when no family holds the attack. */
export function familyOf(attack: Attack): string {
  const family = families.find(({ holds }) => holds(attack))
  if (family === undefined) throw new Error(`attack ${attack.name} belongs to no family of the document`)
  return family.title
}
