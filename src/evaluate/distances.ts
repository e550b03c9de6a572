/**
 * How far one has to go: the distances of a run in which attacks of minimum distance went to their end on every sample, and the whole
 * security curve that follows from them, robust accuracy against epsilon. Every distance is of a verified misclassified point, so
 * it bounds the true distance from above, and the curve the true robust accuracy.
 */
import { attacks } from '../attacks/index.js'
import type { NormName } from '../threat/norm.js'
import type { SampleRecord } from './record.js'
import type { EvaluationSpec } from './spec.js'

export interface Distances {
  readonly norm: NormName
  /** The least epsilon at which no more than half of all samples are robust; null when more than half were never broken. */
  readonly median: number | null
  /** The least epsilon at which this share of all samples is not robust any more, null when so many were never broken. */
  readonly quantiles: readonly { readonly share: number; readonly distance: number | null }[]
  /** Points of the step function: the share of all samples that are robust at this epsilon, by rising epsilon. */
  readonly curve: readonly { readonly epsilon: number; readonly robust: number }[]
  /** The attacks of minimum distance, each for itself. */
  readonly attacks: readonly AttackDistances[]
  /** Samples that no attack of the run broke at any distance. */
  readonly withoutDistance: number
}

export interface AttackDistances {
  readonly name: string
  /** Samples for which it has a distance, those that were wrong to begin with left out. */
  readonly found: number
  readonly median: number | null
  /** Share of what there is to gain between doing nothing and the best of the run on every sample; null where one attack ran alone. */
  readonly optimality: number | null
}

const shares = [0.1, 0.25, 0.5, 0.75, 0.9] as const
const longestCurve = 200

type DistanceSpec = Pick<EvaluationSpec, 'attacks' | 'mode' | 'threat'>

/** Takes the records of a run; `result` is undefined for runs that stop at epsilon, where distances say little. */
export function startDistances(spec: DistanceSpec): {
  add(record: SampleRecord): void
  result(): Distances | undefined
} {
  const minimum = spec.attacks.map(({ name }) => name).filter(name => attacks.get(name)?.kind === 'minimum')
  const best: number[] = []
  const byAttack = new Map(minimum.map((name): [string, number[]] => [name, []]))
  const applies = spec.mode === 'individual' && minimum.length > 0
  return {
    add(record) {
      if (!applies) return
      best.push(distanceOf(record, spec.threat.epsilon))
      const wrong = record.verdict === 'unknown' || record.prediction !== record.label
      for (const [name, list] of byAttack) {
        const attempt = record.attempts.find(({ attack }) => attack === name)
        list.push(wrong ? 0 : (attempt?.distance ?? Number.POSITIVE_INFINITY))
      }
    },
    result() {
      if (!applies || best.length === 0) return undefined
      const sorted = Float64Array.from(best).sort()
      return {
        norm: spec.threat.norm,
        median: quantile(sorted, 0.5),
        quantiles: shares.map(share => ({ share, distance: quantile(sorted, share) })),
        curve: curveOf(sorted, spec.threat.epsilon),
        attacks: Array.from(byAttack, ([name, list]) => ({
          name,
          found: list.filter(distance => distance > 0 && distance < Number.POSITIVE_INFINITY).length,
          median: quantile(Float64Array.from(list).sort(), 0.5),
          optimality: byAttack.size > 1 ? optimality(list, best) : null,
        })),
        withoutDistance: sorted.filter(distance => distance === Number.POSITIVE_INFINITY).length,
      }
    },
  }
}

/**
 * The smallest distance at which a sample is known not to be robust: 0 when it is misclassified as it is, and when it has no
 * verdict, as it is then robust nowhere. Agrees with the verdict at epsilon.
 */
function distanceOf(record: SampleRecord, epsilon: number): number {
  if (record.verdict === 'unknown' || record.prediction !== record.label) return 0
  const all = record.attempts.map(({ distance }) => distance ?? Number.POSITIVE_INFINITY)
  const least = Math.min(record.distance ?? Number.POSITIVE_INFINITY, ...all)
  if (record.verdict === 'broken') return Math.min(least, epsilon)
  return least > epsilon ? least : epsilon + Math.max(epsilon * Number.EPSILON, Number.MIN_VALUE)
}

function quantile(sorted: Float64Array, share: number): number | null {
  const at = sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]!
  return Number.isFinite(at) ? at : null
}

/** The step function at 0, at epsilon and where it falls; of more falls than fit, as many as do, evenly. */
function curveOf(sorted: Float64Array, epsilon: number): Distances['curve'] {
  const falls = [...new Set(sorted)].filter(distance => distance > 0 && distance < Number.POSITIVE_INFINITY)
  const most = longestCurve - 2
  const kept =
    falls.length <= most
      ? falls
      : Array.from({ length: most }, (_, i) => falls[Math.round((i * (falls.length - 1)) / (most - 1))]!)
  const points = [...new Set([0, epsilon, ...kept])].sort((a, b) => a - b)
  let broken = 0
  return points.map(point => {
    while (broken < sorted.length && sorted[broken]! <= point) broken++
    return { epsilon: point, robust: (sorted.length - broken) / sorted.length }
  })
}

/**
 * 1 - (area - area*) / (clean accuracy d - area*), with areas under the curves of an attack and of the best of all, up to the largest
 * distance d of the best (Cinà et al., AttackBench, AAAI 2025).
 */
function optimality(distances: readonly number[], best: readonly number[]): number | null {
  const largest = best.reduce((most, each) => (Number.isFinite(each) ? Math.max(most, each) : most), 0)
  const area = (list: readonly number[]) => list.reduce((sum, each) => sum + Math.min(each, largest), 0)
  const least = area(best)
  const nothing = best.filter(each => each > 0).length * largest
  if (!(nothing > least)) return null
  return 1 - (area(distances) - least) / (nothing - least)
}
