/** Linf: every feature may change by at most epsilon. */
import type { Random } from '../../random.js'
import { ascendLinf, farthest } from '../../tensor/kernels.js'
import { type Box, boxBounds, clampToBox, type Norm, type Region } from '../norm.js'

export const linf: Norm = {
  name: 'Linf',

  distance(a, b) {
    const largest = farthest(a, b)
    return Number.isNaN(largest) ? Number.POSITIVE_INFINITY : largest
  },

  region(center, epsilon, box: Box) {
    const bounds = boxBounds(center, box)
    if (epsilon === Number.POSITIVE_INFINITY) return { center, epsilon, ...bounds }
    const low = new Float32Array(center.length)
    const high = new Float32Array(center.length)
    for (let i = 0; i < center.length; i++) {
      low[i] = Math.max(bounds.low[i], inward(center[i], -epsilon))
      high[i] = Math.min(bounds.high[i], inward(center[i], epsilon))
    }
    return { center, epsilon, low, high }
  },

  project: clampToBox,

  step(point, gradient, size, out) {
    for (let i = 0; i < point.length; i++) {
      const slope = gradient[i]
      out[i] = slope > 0 ? point[i] + size : slope < 0 ? point[i] - size : point[i]
    }
  },

  ascend({ point, previous, gradient, size, momentum }, { low, high }, out) {
    ascendLinf(point, previous, gradient, low, high, out, size, momentum)
  },

  /** x + epsilon t / max|t| with t uniform in the cube: on the sphere, as AutoAttack starts. */
  sample: (random, region, out) => sampleSphere(random, region, out),
}

/** x + epsilon scale t / max|t| with t uniform in the cube; without scales all are 1. */
export function sampleSphere(random: Random, region: Region, out: Float32Array, scales?: Float64Array): void {
  let largest = 0
  for (let i = 0; i < out.length; i++) {
    out[i] = 2 * random.uniform() - 1
    largest = Math.max(largest, Math.abs(out[i]))
  }
  const factor = largest > 0 ? region.epsilon / largest : 0
  for (let i = 0; i < out.length; i++) out[i] = region.center[i] + out[i] * factor * (scales?.[i] ?? 1)
  clampToBox(out, region)
}

const bits = new DataView(new ArrayBuffer(4))

/** The float32 nearest to x + offset that is at most |offset| away from x in exact arithmetic. */
function inward(x: number, offset: number): number {
  const rounded = Math.fround(x + offset)
  if (Math.abs(rounded - x) <= Math.abs(offset) || !Number.isFinite(rounded)) return rounded
  return neighbour(rounded, x)
}

/** The float32 next to `value` in the direction of `towards`. */
export function neighbour(value: number, towards: number): number {
  if (value === 0) return towards > 0 ? 2 ** -149 : -(2 ** -149)
  bits.setFloat32(0, value)
  const grows = towards > value === value > 0
  bits.setInt32(0, bits.getInt32(0) + (grows ? 1 : -1))
  return bits.getFloat32(0)
}
