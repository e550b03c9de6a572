/** L2: the Euclidean length of the change is at most epsilon. */
import { addScaled, clippedSquares, distanceSquared, shrinkTowards, sumOfSquares } from '../../tensor/kernels.js'
import { boxBounds, clampToBox, composedAscent, type Norm, pullInside, type Region } from '../norm.js'

export const l2: Norm = {
  name: 'L2',

  distance(a, b) {
    const sum = distanceSquared(a, b)
    return Number.isNaN(sum) ? Number.POSITIVE_INFINITY : Math.sqrt(sum)
  },

  region: (center, epsilon, box) => ({ center, epsilon, ...boxBounds(center, box) }),

  /**
   * The nearest point z has z = clip(x + (p - x) / (1 + lambda)) with the least lambda >= 0 for which ||z - x|| <= epsilon:
   * s = 1 / (1 + lambda) is found on ||clip(x + s d) - x||² = epsilon², which grows with s and is quadratic between the points
   * where features reach the box.
   */
  project(point, region) {
    const { center, epsilon, low, high } = region
    const { all, free, outside } = clippedSquares(point, center, low, high)
    if (!(Math.sqrt(all) > epsilon)) {
      if (outside > 0) clampToBox(point, region)
      return
    }
    const scale = outside > 0 ? scaleFor(point, region, free, outside) : epsilon / Math.sqrt(all)
    // A little less, for rounding to float32 not to lead outside.
    const square = shrinkTowards(point, center, low, high, scale * (1 - 2 ** -23))
    if (Math.sqrt(square) > epsilon) pullInside(l2, point, region)
  },

  step(point, gradient, size, out) {
    const sum = sumOfSquares(gradient)
    addScaled(point, gradient, sum > 0 ? size / Math.sqrt(sum) : 0, out)
  },

  ascend: (move, region, out) => ascent(move, region, out),

  /** x + epsilon t / ||t|| with t normal, then the projection: as AutoAttack starts. */
  sample(random, region, out) {
    let sum = 0
    for (let i = 0; i < out.length; i++) {
      out[i] = random.normal()
      sum += out[i] * out[i]
    }
    const scale = sum > 0 ? region.epsilon / Math.sqrt(sum) : 0
    for (let i = 0; i < out.length; i++) out[i] = region.center[i] + out[i] * scale
    l2.project(out, region)
  },
}

const ascent = composedAscent(l2)

/**
 * The s in (0, 1) with clipped length epsilon. With the features that clip at s held, the rest must make up the length:
 * s' = sqrt((epsilon² - held²) / free²). Since features only start to clip as s grows, s rises to the answer, and stops when
 * no further feature clips. Only features that clip at s = 1 are looked at one by one; `free` is the squared length of the others.
 */
function scaleFor(point: Float32Array, { center, epsilon, low, high }: Region, free: number, outside: number): number {
  const differences = new Float64Array(outside)
  const rooms = new Float64Array(outside)
  for (let i = 0, k = 0; i < point.length; i++) {
    if (!(point[i] < low[i] || point[i] > high[i])) continue
    differences[k] = Math.abs(point[i] - center[i])
    rooms[k++] = Math.abs((point[i] < low[i] ? low[i] : high[i]) - center[i])
  }
  let s = 0
  for (;;) {
    let held = 0
    let moving = free
    for (let k = 0; k < outside; k++) {
      if (differences[k] * s > rooms[k]) held += rooms[k] * rooms[k]
      else moving += differences[k] * differences[k]
    }
    const next = moving > 0 ? Math.min(1, Math.sqrt(Math.max(0, epsilon * epsilon - held) / moving)) : 1
    if (next <= s * (1 + 1e-12)) return next > s ? next : s
    s = next
  }
}
