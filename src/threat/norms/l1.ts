/** L1: the absolute changes sum to at most epsilon. */
import { selectLargest } from '../../tensor/select.js'
import { boxBounds, clampToBox, composedAscent, type Norm, pullInside } from '../norm.js'

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
    const { center, epsilon } = region
    const moves = new Float64Array(point.length)
    const rooms = new Float64Array(point.length)
    let total = 0
    for (let i = 0; i < point.length; i++) {
      const difference = point[i] - center[i]
      moves[i] = Math.abs(difference)
      rooms[i] = Math.abs((difference > 0 ? region.high[i] : region.low[i]) - center[i])
      total += Math.min(moves[i], rooms[i])
    }
    if (total > epsilon) {
      const lambda = threshold(moves, rooms, epsilon)
      for (let i = 0; i < point.length; i++) {
        const move = Math.min(rooms[i], Math.max(0, moves[i] - lambda))
        point[i] = point[i] > center[i] ? center[i] + move : center[i] - move
      }
    }
    clampToBox(point, region)
    pullInside(l1, point, region)
  },

  /**
   * Steps of equal size along the signs of the `features` steepest slopes, summing to `size`. One feature is the steepest
   * direction; a few make progress sooner (SLIDE: Tramer and Boneh, NeurIPS 2019; the default is its 1 %).
   */
  step(point, gradient, size, out, features = Math.ceil(point.length / 100)) {
    const slopes = Float32Array.from(gradient, Math.abs)
    const least = Math.max(selectLargest(slopes, Math.max(1, Math.min(features, slopes.length))), 2 ** -149)
    let count = 0
    for (let i = 0; i < gradient.length; i++) if (Math.abs(gradient[i]) >= least) count++
    const move = count > 0 ? size / count : 0
    for (let i = 0; i < point.length; i++) {
      const slope = gradient[i]
      out[i] = Math.abs(slope) >= least ? point[i] + (slope > 0 ? move : -move) : point[i]
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

/**
 * The lambda with sum clip(|d| - lambda, 0, room) = epsilon. The sum falls with lambda and is linear between the breakpoints
 * |d| - room and |d|, so the piece that holds epsilon is found by bisection over the sorted breakpoints.
 */
function threshold(moves: Float64Array, rooms: Float64Array, epsilon: number): number {
  const breakpoints = new Float64Array(2 * moves.length)
  for (let i = 0; i < moves.length; i++) {
    breakpoints[2 * i] = Math.max(0, moves[i] - rooms[i])
    breakpoints[2 * i + 1] = moves[i]
  }
  breakpoints.sort()
  let below = 0
  let above = breakpoints.length - 1
  // Invariant: the sum at `below` (or at lambda 0) exceeds epsilon, the sum at `above` does not.
  while (above - below > 1) {
    const middle = (below + above) >> 1
    if (movedAt(moves, rooms, breakpoints[middle]) > epsilon) below = middle
    else above = middle
  }
  const left = movedAt(moves, rooms, breakpoints[below]) > epsilon ? breakpoints[below] : 0
  const right = left === breakpoints[below] ? breakpoints[above] : breakpoints[below]
  const [high, low] = [movedAt(moves, rooms, left), movedAt(moves, rooms, right)]
  return high === low ? right : left + ((high - epsilon) / (high - low)) * (right - left)
}

function movedAt(moves: Float64Array, rooms: Float64Array, lambda: number): number {
  let sum = 0
  for (let i = 0; i < moves.length; i++) sum += Math.min(rooms[i], Math.max(0, moves[i] - lambda))
  return sum
}
