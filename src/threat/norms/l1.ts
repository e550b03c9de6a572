/** L1: the absolute changes sum to at most epsilon. */
import { selectLargest } from '../../tensor/select.js'
import { boxBounds, clampToBox, composedAscent, type Norm, pullInside, type Region } from '../norm.js'

export const l1: Norm = {
  name: 'L1',

  distance(a, b) {
    let sum = 0
    for (let i = 0; i < a.length; i++) sum += Math.abs(a[i] - b[i])
    return Number.isNaN(sum) ? Number.POSITIVE_INFINITY : sum
  },

  region: (center, epsilon, box) => ({ center, epsilon, ...boxBounds(center, box) }),

  /**
   * The nearest point moves each feature by clip(|d| - lambda, 0, room), lambda >= 0 the least for which the moves sum to at most
   * epsilon: exact on ball and box together, as in Croce and Hein, "Mind the box" (ICML 2021).
   */
  project(point, region) {
    const { center, epsilon, low, high } = region
    const sums = new Float64Array(2)
    survey(point, center, low, high, sums)
    const [all, outside] = sums
    if (all > epsilon) {
      const lambda = threshold(point, region)
      // A little more, for rounding to float32 not to lead outside.
      const length = shrink(point, center, lambda + 2 ** -23 * (epsilon / point.length), low, high)
      if (length > epsilon) pullInside(l1, point, region)
    } else if (outside > 0) clampToBox(point, region)
  },

  /**
   * Steps of equal size along the signs of the `features` steepest slopes, summing to `size`. One feature is the steepest
   * direction; a few make progress sooner (SLIDE: Tramer and Boneh, NeurIPS 2019; the default is its 1 %).
   */
  step(point, gradient, size, out, features = Math.ceil(point.length / 100)) {
    const slopes = new Float32Array(gradient.length)
    for (let i = 0; i < slopes.length; i++) slopes[i] = Math.abs(gradient[i])
    const least = Math.max(selectLargest(slopes, Math.max(1, Math.min(features, slopes.length))), 2 ** -149)
    let count = 0
    for (let i = 0; i < slopes.length; i++) if (slopes[i] >= least) count++
    const move = count > 0 ? size / count : 0
    if (out !== point) out.set(point)
    for (let i = 0; i < out.length; i++) {
      const slope = gradient[i]
      if (Math.abs(slope) >= least) out[i] += slope > 0 ? move : -move
    }
  },

  ascend: (move, region, out) => ascent(move, region, out),

  /** x + t with t normal, then the projection: as AutoAttack starts. */
  sample(random, region, out) {
    for (let i = 0; i < out.length; i++) out[i] = region.center[i] + random.normal()
    l1.project(out, region)
  },
}

const ascent = composedAscent(l1)

/** sums: the L1 distance of clip(p) to the center, added up as `distance` does, and how many features lie outside of the box. */
function survey(
  point: Float32Array,
  center: Float32Array,
  low: Float32Array,
  high: Float32Array,
  sums: Float64Array,
): void {
  let all = 0
  let outside = 0
  for (let i = 0; i < point.length; i++) {
    const x = point[i]
    if (x < low[i] || x > high[i]) {
      all += Math.abs((x < low[i] ? low[i] : high[i]) - center[i])
      outside++
    } else all += Math.abs(x - center[i])
  }
  sums[0] = all
  sums[1] = outside
}

/** Draws every feature towards the center by lambda and clips it; gives the distance to the center. */
function shrink(
  point: Float32Array,
  center: Float32Array,
  lambda: number,
  low: Float32Array,
  high: Float32Array,
): number {
  let sum = 0
  for (let i = 0; i < point.length; i++) {
    const x = center[i]
    const difference = point[i] - x
    const size = Math.abs(difference) - lambda
    if (!(size > 0)) {
      point[i] = x
      continue
    }
    const moved = difference > 0 ? x + size : x - size
    const value = Math.fround(moved < low[i] ? low[i] : moved > high[i] ? high[i] : moved)
    point[i] = value
    sum += Math.abs(value - x)
  }
  return sum
}

/**
 * The lambda with sum clip(|d| - lambda, 0, room) = epsilon. The sum falls with lambda and is linear between the breakpoints
 * |d| - room and |d|. Each turn evaluates it at one breakpoint inside the bracket, drops that side of the bracket which does not hold
 * epsilon, and with it the features that have no breakpoint left inside: linear time on average.
 */
function threshold(point: Float32Array, { center, epsilon, low, high }: Region): number {
  const moves = new Float64Array(point.length)
  const starts = new Float64Array(point.length)
  let count = collect(point, center, low, high, moves, starts)
  let below = 0
  let above = Number.POSITIVE_INFINITY
  // Of dropped features: those that give all their room or nothing at any lambda of the bracket, and those that give |d| - lambda.
  let full = 0
  let linear = 0
  let slope = 0
  for (let turn = 0; count > 0; turn++) {
    const pivot = pivotOf(moves, starts, count, below, above, turn)
    let sum = full + linear - slope * pivot
    for (let k = 0; k < count; k++) {
      if (moves[k] > pivot) sum += moves[k] - Math.max(pivot, starts[k])
    }
    if (sum > epsilon) below = pivot
    else above = pivot
    let kept = 0
    for (let k = 0; k < count; k++) {
      const move = moves[k]
      const start = starts[k]
      if (start >= above) full += move - start
      else if (move <= below) continue
      else if (start <= below && move >= above) {
        linear += move
        slope++
      } else {
        moves[kept] = move
        starts[kept++] = start
      }
    }
    count = kept
  }
  return slope > 0 ? Math.min(above, Math.max(below, (full + linear - epsilon) / slope)) : above
}

/** Lists the features that differ from the center: |d|, and the lambda at which they leave the box's edge. Gives their number. */
function collect(
  point: Float32Array,
  center: Float32Array,
  low: Float32Array,
  high: Float32Array,
  moves: Float64Array,
  starts: Float64Array,
): number {
  let count = 0
  for (let i = 0; i < point.length; i++) {
    const difference = point[i] - center[i]
    if (difference === 0) continue
    const room = Math.abs((difference > 0 ? high[i] : low[i]) - center[i])
    // Features at the edge give nothing at any lambda.
    if (room === 0) continue
    const move = Math.abs(difference)
    moves[count] = move
    starts[count++] = Math.max(0, move - room)
  }
  return count
}

/** A breakpoint inside the bracket: of a feature in the middle of the list, which is as good as a random one. */
function pivotOf(
  moves: Float64Array,
  starts: Float64Array,
  count: number,
  below: number,
  above: number,
  turn: number,
): number {
  const k = (count >> 1) ^ (turn & 1 && count > 1 ? 1 : 0)
  const inside = (value: number) => value > below && value < above
  const [first, second] = turn & 1 ? [moves[k], starts[k]] : [starts[k], moves[k]]
  return inside(first) ? first : second
}
