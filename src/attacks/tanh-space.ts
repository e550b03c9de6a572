/**
 * The change of variables of Carlini and Wagner: x = middle + half * tanh(a) fills the box and never leaves it. Features without
 * finite bounds stay as they are.
 */
import type { Region } from '../threat/norm.js'

export interface TanhSpace {
  /** The variables at the region's center, drawn in by a millionth where it lies at the edge, for tanh to have a slope. */
  readonly center: Float64Array
  /** Writes the point of these variables. */
  point(variables: Float64Array, out: Float32Array): void
  /** Turns a gradient to the point into one to the variables, in place. */
  pullBack(variables: Float64Array, gradient: Float64Array): void
}

export function tanhSpace({ center, low, high }: Region): TanhSpace {
  const half = Float64Array.from(center, (_, i) => (high[i] - low[i]) / 2)
  const middle = Float64Array.from(center, (_, i) => (high[i] + low[i]) / 2)
  const variables = Float64Array.from(center, (x, i) =>
    !Number.isFinite(half[i]) ? x : half[i] === 0 ? 0 : Math.atanh(((x - middle[i]) / half[i]) * (1 - 1e-6)),
  )
  return {
    center: variables,
    point(from, out) {
      for (let i = 0; i < out.length; i++) {
        out[i] = Number.isFinite(half[i]) ? middle[i] + half[i] * Math.tanh(from[i]) : from[i]
      }
    },
    pullBack(from, gradient) {
      for (let i = 0; i < gradient.length; i++) {
        if (Number.isFinite(half[i])) gradient[i] *= half[i] * (1 - Math.tanh(from[i]) ** 2)
      }
    },
  }
}
