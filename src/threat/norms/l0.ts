/** L0: at most epsilon features may change, each anywhere in the box. */
import { boxBounds, clampToBox, composedAscent, type Norm } from '../norm.js'
import { l2 } from './l2.js'

export const l0: Norm = {
  name: 'L0',

  distance(a, b) {
    let count = 0
    for (let i = 0; i < a.length; i++) {
      if (Number.isNaN(a[i]) || Number.isNaN(b[i])) return Number.POSITIVE_INFINITY
      if (a[i] !== b[i]) count++
    }
    return count
  },

  region: (center, epsilon, box) => ({ center, epsilon: Math.floor(epsilon), ...boxBounds(center, box) }),

  /**
   * The nearest point keeps the changes that save most: moving feature i to its clipped value c instead of leaving it
   * at x saves (p - x)² - (p - c)². The first of equals is kept.
   */
  project(point, region) {
    const { center, epsilon, low, high } = region
    const savings = new Float64Array(point.length)
    let changed = 0
    for (let i = 0; i < point.length; i++) {
      const difference = point[i] - center[i]
      const clipped = point[i] < low[i] ? low[i] : point[i] > high[i] ? high[i] : point[i]
      const rest = point[i] - clipped
      savings[i] = difference * difference - rest * rest
      if (clipped !== center[i]) changed++
    }
    clampToBox(point, region)
    if (changed <= epsilon) return
    const order = Array.from(savings.keys()).sort((i, j) => savings[j] - savings[i] || i - j)
    for (const i of order.slice(epsilon)) point[i] = center[i]
  },

  /** No steepest direction exists in L0; attacks ascend as in L2 and project (Croce and Hein, ICCV 2019). */
  step: l2.step,

  ascend: (move, region, out) => ascent(move, region, out),

  /** `epsilon` features, drawn without repetition, take uniform values of the box (of the unit box where it is infinite). */
  sample(random, region, out) {
    const { center, epsilon, low, high } = region
    out.set(center)
    const order = Uint32Array.from(center, (_, i) => i)
    for (let k = 0; k < Math.min(epsilon, order.length); k++) {
      const at = k + random.integer(order.length - k)
      const i = order[at]
      order[at] = order[k]
      const from = Number.isFinite(low[i]) ? low[i] : center[i] - 1
      const to = Number.isFinite(high[i]) ? high[i] : center[i] + 1
      out[i] = from + (to - from) * random.uniform()
    }
    clampToBox(out, region)
  },
}

const ascent = composedAscent(l0)
