/** What minimum-distance attacks share: the nearest misclassified point seen, and a bisection that brings it to the boundary. */
import { z } from 'zod'
import type { Region } from '../threat/norm.js'
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

export const bisections = z
  .int()
  .min(0)
  .max(50)
  .default(10)
  .describe('label queries of the bisection between the point found and the input at the end')

/** Bisects the segment from the nearest point to the input: takes back what an attack overshot. For norms that scale with the segment. */
export function* bisect(sample: Sample, nearest: Nearest, queries: number): Steps<'labels', void> {
  const far = nearest.point?.slice()
  if (far === undefined) return
  const { input } = sample
  const point = new Float32Array(input.length)
  let low = 0
  let high = 1
  for (let query = 0; query < queries; query++) {
    const share = (low + high) / 2
    for (let i = 0; i < point.length; i++) point[i] = input[i] + share * (far[i] - input[i])
    const { label } = yield* askLabel(point)
    if (nearest.offer(point, label)) high = share
    else low = share
  }
}
