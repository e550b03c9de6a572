/**
 * Steps onto a hyperplane in Linf and L2, where one parameter t shares the step out among the features: feature i moves by
 * min(t u_i, room_i), with u_i = 1 in Linf and |w_i| in L2. Few features lie so near the box that they reach it: only these are looked at
 * one by one, all others count as one.
 */
import { listNear, type Workspace } from '../tensor/kernels.js'
import type { Bounds } from './hyperplane.js'

/** Bounds and scratch space of a series of steps. Fastest when they are of about the same length. */
export interface SharingSpace extends Bounds {
  /** L2: features move in proportion to their weight. Linf: all alike. */
  readonly byWeight: boolean
  /** The features near the box, with the slope of their gain and the t at which they reach it: the first `count`. After `solve` those that do. */
  readonly near: Int32Array
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

/** The list lies in the workspace, if there is one. */
export function sharingSpace(norm: 'Linf' | 'L2', { low, high }: Bounds, memory?: Workspace): SharingSpace {
  const features = low.length
  return {
    low,
    high,
    byWeight: norm === 'L2',
    near: memory?.ints(features) ?? new Int32Array(features),
    slopes: new Float64Array(features),
    ends: new Float64Array(features),
    count: 0,
    rest: 0,
    last: 0,
    sums: new Float64Array(1),
  }
}

/** A t that takes every feature of some weight to its bound. */
export const allTheWay = Number.MAX_VALUE

/** The step of `stepOntoHyperplane`. */
export function stepShared(
  space: SharingSpace,
  point: Float32Array,
  normal: Float32Array,
  value: number,
  out: Float64Array,
): number {
  survey(space, point, normal, value)
  const t = solve(space, point, normal, value)
  const spread = space.byWeight ? spreadWeights : spreadSigns
  spread(normal, uniformMove(value, t), out)
  for (let k = 0; k < space.count; k++) {
    const i = space.near[k]
    out[i] = moveOf(space, i, point[i], normal[i], value, t)
  }
  return lengthOf(space, point, normal, value, t)
}

/** How much longer than the last a step may be without listing features again. */
const margin = 1.5

/** Features that can reach the box only at a larger t are not listed. */
const boundOf = ({ last }: SharingSpace) => margin * last

/** Lists the features that could reach the box in a step not much longer than the last. */
export function survey(space: SharingSpace, point: Float32Array, normal: Float32Array, value: number): void {
  const { low, high, near, byWeight, sums } = space
  space.count = listNear(point, normal, low, high, value, boundOf(space), byWeight, near, sums)
  space.rest = sums[0]
}

/**
 * The t at which the moves from the point gain |value|, as far as the box allows. Takes the features near the box as listed and leaves
 * those that reach it.
 */
export function solve(space: SharingSpace, point: Float32Array, normal: Float32Array, value: number): number {
  const { byWeight, near, slopes, ends } = space
  const gain = Math.abs(value)
  let t = space.last
  for (;;) {
    const bound = boundOf(space)
    for (let k = 0; k < space.count; k++) {
      const i = near[k]
      const weight = Math.abs(normal[i])
      const unit = byWeight ? weight : 1
      slopes[k] = weight * unit
      ends[k] = weight > 0 ? roomOf(space, i, point[i], normal[i], value) / unit : Number.POSITIVE_INFINITY
    }
    t = root(slopes, ends, space.count, space.rest, gain, t)
    if (t === allTheWay) break
    space.last = t
    // Not up to the bound itself, where rounding decides what is near.
    if (t <= 0.999 * bound || t === 0) break
    survey(space, point, normal, value)
  }
  const listed = space.count
  space.count = 0
  for (let k = 0; k < listed; k++) {
    if (ends[k] < t) near[space.count++] = near[k]
    else space.rest += slopes[k]
  }
  return t
}

/** The way of a feature to the box when the linear function is to go from its value to zero. */
function roomOf({ low, high }: SharingSpace, i: number, x: number, weight: number, value: number): number {
  return weight < 0 === value > 0 ? high[i] - x : x - low[i]
}

/** The move at t of a feature at x. */
export function moveOf(space: SharingSpace, i: number, x: number, weight: number, value: number, t: number): number {
  if (weight === 0) return 0
  const room = roomOf(space, i, x, weight, value)
  const move = Math.min(room, space.byWeight ? t * Math.abs(weight) : t)
  return weight < 0 === value > 0 ? move : -move
}

/** Factor of the weights, or of their signs, in the moves of features that are not listed. */
export function uniformMove(value: number, t: number): number {
  // At the last t, those that are not listed have no weight.
  return t === allTheWay ? 0 : value > 0 ? -t : t
}

/** Length of the step at t. */
export function lengthOf(
  space: SharingSpace,
  point: Float32Array,
  normal: Float32Array,
  value: number,
  t: number,
): number {
  const { byWeight, near, count, rest } = space
  const far = rest > 0 ? t : 0
  let longest = far
  let square = far * far * rest
  for (let k = 0; k < count; k++) {
    const i = near[k]
    const move = Math.abs(moveOf(space, i, point[i], normal[i], value, t))
    longest = Math.max(longest, move)
    square += move * move
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

// The loops over all features stand in functions of their own that take arrays, which V8 compiles best; and they have no branches on
// the signs of gradients, which defeat branch prediction.

/** t sign(w): by the bits 1, -1 or 0. */
function spreadSigns(normal: Float32Array, t: number, out: Float64Array): void {
  const bits = new Int32Array(normal.buffer, normal.byteOffset, normal.length)
  for (let i = 0; i < out.length; i++) {
    const magnitude = bits[i] << 1
    out[i] = t * ((bits[i] >> 31) | ((magnitude | -magnitude) >>> 31))
  }
}

function spreadWeights(normal: Float32Array, t: number, out: Float64Array): void {
  for (let i = 0; i < out.length; i++) out[i] = t * normal[i]
}
