/** L2: the Euclidean length of the change is at most epsilon. */
import { boxBounds, clampToBox, composedAscent, type Norm, pullInside, type Region } from '../norm.js'

export const l2: Norm = {
  name: 'L2',

  distance(a, b) {
    let sum = 0
    for (let i = 0; i < a.length; i++) {
      const difference = a[i] - b[i]
      sum += difference * difference
    }
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
    if (clippedLength(point, region, 1) > epsilon) {
      const scale = scaleFor(point, region)
      for (let i = 0; i < point.length; i++) {
        const value = center[i] + (point[i] - center[i]) * scale
        point[i] = value < low[i] ? low[i] : value > high[i] ? high[i] : value
      }
      pullInside(l2, point, region)
    } else {
      clampToBox(point, region)
      pullInside(l2, point, region)
    }
  },

  step(point, gradient, size, out) {
    let sum = 0
    for (let i = 0; i < gradient.length; i++) sum += gradient[i] * gradient[i]
    const scale = sum > 0 ? size / Math.sqrt(sum) : 0
    for (let i = 0; i < point.length; i++) out[i] = point[i] + gradient[i] * scale
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

/** ||clip(x + s (p - x)) - x||. */
function clippedLength(point: Float32Array, { center, low, high }: Region, s: number): number {
  let sum = 0
  for (let i = 0; i < point.length; i++) {
    const value = center[i] + (point[i] - center[i]) * s
    const difference = (value < low[i] ? low[i] : value > high[i] ? high[i] : value) - center[i]
    sum += difference * difference
  }
  return Math.sqrt(sum)
}

/**
 * The s in (0, 1) with clipped length epsilon. With the features that clip at s held, the rest must make up the length:
 * s' = sqrt((epsilon² - held²) / free²). Since features only start to clip as s grows, s rises to the answer, and stops when
 * no further feature clips: a handful of passes.
 */
function scaleFor(point: Float32Array, { center, epsilon, low, high }: Region): number {
  let s = 0
  for (;;) {
    let held = 0
    let free = 0
    for (let i = 0; i < point.length; i++) {
      const difference = point[i] - center[i]
      const room = difference > 0 ? high[i] - center[i] : low[i] - center[i]
      if (difference !== 0 && Math.abs(difference) * s > Math.abs(room)) held += room * room
      else free += difference * difference
    }
    const next = free > 0 ? Math.min(1, Math.sqrt(Math.max(0, epsilon * epsilon - held) / free)) : 1
    if (next <= s * (1 + 1e-12)) return next > s ? next : s
    s = next
  }
}
