/** The ends of the box, for attacks that jump to them. */
import type { Region } from '../threat/norm.js'

export interface Extremes {
  readonly low: Float32Array
  readonly high: Float32Array
}

/** The box around a region; where it is infinite, one less and one more than the center. */
export function extremesOf({ center, low, high }: Region): Extremes {
  return {
    low: low.map((value, i) => (Number.isFinite(value) ? value : center[i] - 1)),
    high: high.map((value, i) => (Number.isFinite(value) ? value : center[i] + 1)),
  }
}
