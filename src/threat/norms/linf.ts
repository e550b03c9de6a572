/** Linf: every feature may change by at most epsilon. */
import { type Box, boxBounds, clampToBox, type Norm } from '../norm.js'

export const linf: Norm = {
  name: 'Linf',

  distance(a, b) {
    let largest = 0
    for (let i = 0; i < a.length; i++) {
      const difference = Math.abs(a[i] - b[i])
      // The negation keeps NaN: a point with NaN is infinitely far.
      if (!(difference <= largest)) largest = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference
    }
    return largest
  },

  region(center, epsilon, box: Box) {
    const bounds = boxBounds(center, box)
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

  /**
   * All in one pass and without branches, for the signs of gradients are as good as random to a branch predictor:
   * sign from the bits, and clip(v) = (|v - low| + low + high - |v - high|) / 2, whose float64 rounding vanishes in float32.
   */
  ascend({ point, previous, gradient, size, momentum }, { low, high }, out) {
    const patterns = new Int32Array(gradient.buffer, gradient.byteOffset, gradient.length)
    const rest = 1 - momentum
    for (let i = 0; i < out.length; i++) {
      const magnitude = patterns[i] << 1
      const sign = (patterns[i] >> 31) | ((magnitude | -magnitude) >>> 31)
      const x = point[i]
      const l = low[i]
      const h = high[i]
      const both = l + h
      const stepped = x + size * sign
      const inside = (Math.abs(stepped - l) + both - Math.abs(stepped - h)) * 0.5
      // x + m (inside - x) + (1 - m) (x - previous)
      const moved = momentum * inside + rest * (x + x - previous[i])
      out[i] = (Math.abs(moved - l) + both - Math.abs(moved - h)) * 0.5
    }
  },

  /** x + epsilon t / max|t| with t uniform in the cube: on the sphere, as AutoAttack starts. */
  sample(random, region, out) {
    let largest = 0
    for (let i = 0; i < out.length; i++) {
      out[i] = 2 * random.uniform() - 1
      largest = Math.max(largest, Math.abs(out[i]))
    }
    const scale = largest > 0 ? region.epsilon / largest : 0
    for (let i = 0; i < out.length; i++) out[i] = region.center[i] + out[i] * scale
    clampToBox(out, region)
  },
}

const bits = new DataView(new ArrayBuffer(4))

/** The float32 nearest to x + offset that is at most |offset| away from x in exact arithmetic. */
function inward(x: number, offset: number): number {
  const rounded = Math.fround(x + offset)
  if (Math.abs(rounded - x) <= Math.abs(offset) || !Number.isFinite(rounded)) return rounded
  return neighbour(rounded, x)
}

/** The float32 next to `value` in the direction of `towards`. */
function neighbour(value: number, towards: number): number {
  if (value === 0) return towards > 0 ? 2 ** -149 : -(2 ** -149)
  bits.setFloat32(0, value)
  const grows = towards > value === value > 0
  bits.setInt32(0, bits.getInt32(0) + (grows ? 1 : -1))
  return bits.getFloat32(0)
}
