/**
 * Steps onto a hyperplane in Linf and L2, where one parameter t shares the step out among the features: feature i moves by
 * min(t u_i, room_i), with u_i = 1 in Linf and |w_i| in L2. Few features lie so near the box that they reach it: only these are looked at
 * one by one to find t, all others count as one.
 */
import { listNear, type Workspace } from '../tensor/kernels.js'
import type { Bounds } from './hyperplane.js'

/** Bounds and scratch space of a series of steps. Fastest when they are of about the same length. */
export interface SharingSpace extends Bounds {
  /** L2: features move in proportion to their weight. Linf: all alike. */
  readonly byWeight: boolean
  /** Of the features near the box, the slope of their gain and the t at which they reach it: the first `count`. After `solve` those that do. */
  readonly slopes: Float64Array
  readonly ends: Float64Array
  count: number
  /** The slope of the gain of all other features together. */
  rest: number
  /** The t of the last step: where the search for the next begins. It decides how long that takes, not where it ends. */
  last: number
  /** A sum that a loop gives back. */
  readonly sums: Float64Array
}

/** The lists lie in the workspace, if there is one. */
export function sharingSpace(norm: 'Linf' | 'L2', { low, high }: Bounds, memory?: Workspace): SharingSpace {
  const doubles = memory?.doubles ?? ((length: number) => new Float64Array(length))
  return {
    low,
    high,
    byWeight: norm === 'L2',
    slopes: doubles(low.length),
    ends: doubles(low.length),
    count: 0,
    rest: 0,
    last: 0,
    sums: new Float64Array(1),
  }
}

/** A t that takes every feature of some weight to its bound. */
const allTheWay = Number.MAX_VALUE

/** The step of `stepOntoHyperplane`. */
export function stepShared(
  space: SharingSpace,
  point: Float32Array,
  normal: Float32Array,
  value: number,
  out: Float64Array,
): number {
  const { low, high, byWeight } = space
  const t = solve(space, point, normal, value)
  for (let i = 0; i < out.length; i++) {
    const weight = Math.abs(normal[i])
    const rises = normal[i] < 0 === value > 0
    const room = rises ? high[i] - point[i] : point[i] - low[i]
    const move = weight === 0 ? 0 : Math.min(room, byWeight ? t * weight : t)
    out[i] = rises ? move : -move
  }
  return lengthOf(space, t)
}

/** How much longer than the last a step may be without listing features again. */
const margin = 1.5

/** The t at which the moves from the point gain |value|, as far as the box allows. Leaves the features listed that reach it. */
export function solve(space: SharingSpace, point: Float32Array, normal: Float32Array, value: number): number {
  const { low, high, byWeight, slopes, ends, sums } = space
  let t = space.last
  for (;;) {
    // Features that can reach the box only at a larger t are not listed.
    const bound = margin * space.last
    space.count = listNear(point, normal, low, high, value, bound, byWeight, slopes, ends, sums)
    space.rest = sums[0]
    t = root(slopes, ends, space.count, space.rest, Math.abs(value), t)
    if (t === allTheWay) break
    space.last = t
    // Not up to the bound itself, where rounding decides what is near.
    if (t <= 0.999 * bound || t === 0) break
  }
  const listed = space.count
  space.count = 0
  for (let k = 0; k < listed; k++) {
    if (ends[k] < t) {
      slopes[space.count] = slopes[k]
      ends[space.count++] = ends[k]
    } else space.rest += slopes[k]
  }
  return t
}

/** Length of the step that `solve` found. */
export function lengthOf({ byWeight, slopes, ends, count, rest }: SharingSpace, t: number): number {
  const far = rest > 0 ? t : 0
  let longest = far
  let square = far * far * rest
  for (let k = 0; k < count; k++) {
    longest = Math.max(longest, ends[k])
    square += ends[k] * ends[k] * slopes[k]
  }
  return byWeight ? Math.sqrt(square) : longest
}

/**
 * The t with rest t + sum of slope_k min(t, end_k) = gain. Newton's method on a concave function: from its second value on every t
 * stays at or below the root, so that features that have reached the box at t will have done so at the root; it ends when no
 * further one does.
 */
function root(
  slopes: Float64Array,
  ends: Float64Array,
  count: number,
  rest: number,
  gain: number,
  start: number,
): number {
  let t = start
  for (let full = -1, first = true; ; first = false) {
    let reached = 0
    let left = gain
    let slope = rest
    for (let k = 0; k < count; k++) {
      if (ends[k] > t) slope += slopes[k]
      else {
        left -= slopes[k] * ends[k]
        reached++
      }
    }
    if (reached === full) return t
    full = reached
    if (slope > 0) t = Math.max(first ? 0 : t, left / slope)
    else if (left > 0) return allTheWay
    else if (first) {
      // It started beyond all of them.
      full = -1
      t = 0
    } else return t
  }
}
