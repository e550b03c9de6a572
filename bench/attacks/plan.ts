/** What is still to be measured, on how many images, and what that takes: from the attack table and from what was measured before. */
import { basename } from 'node:path'
import type { Attack } from '../../src/attacks/attack.js'
import type { NormName } from '../../src/threat/norm.js'
import { transfers } from './families.js'
import { type Entry, epsilons, robust, standard } from './measured.js'

/** One run of the command line. */
export interface Job {
  readonly attack: Attack
  readonly norm: NormName
  /** Paths. */
  readonly model: string
  readonly surrogate: string | null
  readonly samples: number
  /** Queries that an image took before; undefined when it was never measured. */
  readonly known: Entry['queries'] | undefined
}

export interface Wish {
  /** Images at most. */
  readonly samples: number
  /** Queries of a job at most: what an image takes more of them gets fewer images. */
  readonly queries: number
}

/** Seconds: of a query by its kind, and of what else a run takes. */
export interface Cost {
  readonly forward: number
  readonly gradient: number
  readonly start: number
}

/** What the entries do not hold yet, or hold of fewer images or with other options; the cheapest first, the unknown last. */
export function missingJobs(attacks: readonly Attack[], entries: readonly Entry[], wish: Wish): Job[] {
  return attacks
    .flatMap(attack => attack.norms.flatMap(norm => settingsOf(attack).map(setting => ({ attack, norm, ...setting }))))
    .map(place => {
      const before = entries.find(entry => isAt(entry, place))
      const known = perImageOf(place, entries)
      return { ...place, known, samples: samplesFor(known, wish), before }
    })
    .filter(({ attack, norm, samples, before }) => {
      const isMeasured =
        before !== undefined &&
        before.stale === undefined &&
        before.samples >= samples &&
        before.epsilon === epsilons[norm] &&
        JSON.stringify(before.options) === JSON.stringify(attack.options.parse({}))
      return !isMeasured
    })
    .map(({ before: _, ...job }) => job)
    .sort((a, b) => rows(a) - rows(b))
}

/** Whether the entry is what measuring the job gives. */
export function isAt(entry: Entry, job: Pick<Job, 'norm' | 'model' | 'surrogate'> & { attack: Pick<Attack, 'name'> }) {
  const { attack, norm, model, surrogate } = job
  return (
    entry.attack === attack.name &&
    entry.norm === norm &&
    entry.model === basename(model) &&
    entry.surrogate === (surrogate === null ? null : basename(surrogate))
  )
}

export function settingsOf(attack: Attack): readonly Pick<Job, 'model' | 'surrogate'>[] {
  if (!transfers(attack)) return [{ model: robust, surrogate: null }]
  return [
    { model: robust, surrogate: standard },
    { model: standard, surrogate: robust },
  ]
}

/** From the same measurement, else from another of this attack. */
function perImageOf(place: Parameters<typeof isAt>[1], entries: readonly Entry[]): Entry['queries'] | undefined {
  const own = entries.filter(({ attack, attempted }) => attack === place.attack.name && attempted > 0)
  const entry = own.find(each => isAt(each, place)) ?? own.find(({ norm }) => norm === place.norm) ?? own[0]
  if (entry === undefined) return undefined
  const { queries, attempted } = entry
  return { forward: queries.forward / attempted, gradient: queries.gradient / attempted }
}

const levels = [1, 2, 4, 10, 20, 40, 100, 200, 400, 1000, 2000, 4000, 10_000]
/** Of an attack that was never measured: enough to know what it takes. */
const first = 4

function samplesFor(known: Entry['queries'] | undefined, { samples, queries }: Wish): number {
  if (known === undefined) return Math.min(first, samples)
  const most = queries / Math.max(1, known.forward + known.gradient)
  return most >= samples ? samples : (levels.findLast(level => level <= Math.min(most, samples)) ?? 1)
}

function rows({ known, samples }: Job): number {
  return known === undefined ? Number.POSITIVE_INFINITY : samples * (known.forward + known.gradient)
}

/** Undefined when it was never measured. */
export function secondsOf({ known, samples }: Job, { forward, gradient, start }: Cost): number | undefined {
  return known && start + samples * (known.forward * forward + known.gradient * gradient)
}
