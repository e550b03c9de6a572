/** What minimum-distance attacks share: the nearest misclassified point seen, and the queries that bring it closer at the end. */
import { z } from 'zod'
import type { NormName, Region } from '../threat/norm.js'
import { regionOf, type ThreatModel } from '../threat/threat.js'
import { askLabel, type Sample, type Steps } from './attack.js'

export interface Nearest {
  /** A copy of the nearest misclassified point offered so far. */
  readonly point: Float32Array | undefined
  /** Its distance in the threat model's norm; Infinity before there is one. */
  readonly distance: number
  /** Takes note of a point that the model gave this label; says whether it is misclassified. */
  offer(point: Float32Array, label: number): boolean
}

export function nearestTo(sample: Sample, { norm }: ThreatModel): Nearest {
  let best: Float32Array | undefined
  let distance = Number.POSITIVE_INFINITY
  return {
    get point() {
      return best
    },
    get distance() {
      return distance
    },
    offer(point, label) {
      if (label === sample.label) return false
      const here = norm.distance(point, sample.input)
      if (here < distance) {
        best ??= new Float32Array(point.length)
        best.set(point)
        distance = here
      }
      return true
    },
  }
}

/** The box alone, as a region around the sample without a radius: where a minimum-distance attack may go. */
export function boxOf(sample: Sample, threat: ThreatModel): Region {
  return regionOf({ ...threat, epsilon: Number.POSITIVE_INFINITY }, sample.input)
}

/** The corner of the box farthest from the sample: no adversarial example is further away. */
export function farCorner({ center, low, high }: Region): Float32Array {
  return center.map((x, i) => (x - low[i] > high[i] - x ? low[i] : high[i]))
}

export const refinements = z
  .int()
  .min(0)
  .max(10_000)
  .default(10)
  .describe(
    'label queries at the end that bring the point found closer: bisection towards the input; for L0 features restored one by one',
  )

/** Brings the nearest point closer with so many label queries. */
export function* refine(sample: Sample, threat: ThreatModel, nearest: Nearest, queries: number): Steps<'labels', void> {
  const found = nearest.point?.slice()
  if (found !== undefined) yield* refinement[threat.norm.name](sample.input, found, nearest, queries)
}

type Refinement = (input: Float32Array, found: Float32Array, nearest: Nearest, queries: number) => Steps<'labels', void>

const refinement: { readonly [N in NormName]: Refinement } = { Linf: bisect, L2: bisect, L1: bisect, L0: restore }

/** Bisects the segment from the point to the input, along which these norms shrink in proportion. */
function* bisect(...[input, found, nearest, queries]: Parameters<Refinement>): Steps<'labels', void> {
  const point = new Float32Array(input.length)
  let low = 0
  let high = 1
  for (let query = 0; query < queries; query++) {
    const share = (low + high) / 2
    for (let i = 0; i < point.length; i++) point[i] = input[i] + share * (found[i] - input[i])
    const { label } = yield* askLabel(point)
    if (nearest.offer(point, label)) high = share
    else low = share
  }
}

/** Restores changed features, the least changed first, where the point stays misclassified without the change. */
function* restore(...[input, found, nearest, queries]: Parameters<Refinement>): Steps<'labels', void> {
  const change = (i: number) => Math.abs(found[i] - input[i])
  const changed = Array.from(found.keys())
    .filter(i => change(i) > 0)
    .sort((i, j) => change(i) - change(j) || i - j)
  for (const i of changed.slice(0, queries)) {
    const kept = found[i]
    found[i] = input[i]
    const { label } = yield* askLabel(found)
    if (!nearest.offer(found, label)) found[i] = kept
  }
}
