/**
 * The shortest way from a point onto a hyperplane inside the box, for each norm: the step of FAB (Croce and Hein, ICML 2020) and of
 * attacks that linearise a model. Linear time on average, without a sort.
 *
 * To lower v = w.x + c towards zero, feature i moves against sign(v) w_i by m_i, at most room_i (its way to the box), and gains
 * |w_i| m_i; the moves must gain |v|. What differs is how the norm shares out the moves:
 *   Linf  m_i = min(t, room_i)            L2  m_i = min(t |w_i|, room_i)            L1  features of largest |w_i| first, each all its room
 * For Linf and L2 the gain grows with t, concave and linear between the t where features reach the box.
 */
import type { NormName } from './norm.js'

export interface Bounds {
  readonly low: Float32Array
  readonly high: Float32Array
}

/** Norms in which the way has a closed form. */
export type HyperplaneNorm = Exclude<NormName, 'L0'>

/** Bounds with the scratch space of the steps inside them. */
export interface HyperplaneSpace {
  readonly norm: HyperplaneNorm
  /**
   * Lowest values, then highest: the sign bit of a slope chooses between them by arithmetic, for signs of gradients defeat branch
   * prediction.
   */
  readonly bounds: Float32Array
  readonly weights: Float64Array
  readonly rooms: Float64Array
  readonly buckets: Float64Array
  readonly tied: Movable
}

/** The features among which L1 chooses last: |w|, room and position of the first `count`. */
interface Movable {
  readonly weights: Float64Array
  readonly rooms: Float64Array
  readonly index: Int32Array
  count: number
}

export function hyperplaneSpace(norm: HyperplaneNorm, { low, high }: Bounds): HyperplaneSpace {
  const features = low.length
  const floats = () => new Float64Array(features)
  const bounds = new Float32Array(2 * features)
  bounds.set(low)
  bounds.set(high, features)
  return {
    norm,
    bounds,
    weights: floats(),
    rooms: floats(),
    buckets: new Float64Array(Math.min(1024, features)),
    tied: { weights: floats(), rooms: floats(), index: new Int32Array(features), count: 0 },
  }
}

/**
 * Writes to `out` the shortest step d with value + normal.d = 0 and point + d in the bounds; where the box does not reach the
 * hyperplane, the step to the corner nearest to it. Features of zero weight stay. The point must lie in the bounds.
 * @param value value of the linear function at the point
 * @returns the step's length in the norm
 */
export function stepOntoHyperplane(
  space: HyperplaneSpace,
  point: Float32Array,
  normal: Float32Array,
  value: number,
  out: Float64Array,
): number {
  const bits = new Int32Array(normal.buffer, normal.byteOffset, normal.length)
  const flip = value > 0 ? 0 : -1
  const reach = measure(point, normal, bits, flip, space.bounds, space.weights, space.rooms)
  const length = shares[space.norm](space, Math.min(Math.abs(value), reach), out)
  turn(out, bits, flip)
  return length
}

// The loops stand in functions of their own that take arrays: V8 compiles them while they run, and would not keep that code for a
// function that also reads objects before its first loop.

/** Fills in weights and rooms; gives the most that all moves together gain. */
function measure(
  point: Float32Array,
  normal: Float32Array,
  bits: Int32Array,
  flip: number,
  bounds: Float32Array,
  weights: Float64Array,
  rooms: Float64Array,
): number {
  const features = weights.length
  let reach = 0
  for (let i = 0; i < features; i++) {
    const rises = (bits[i] ^ flip) >>> 31
    const weight = Math.abs(normal[i])
    const room = weight > 0 ? Math.abs(point[i] - bounds[i + features * rises]) : 0
    weights[i] = weight
    rooms[i] = room
    reach += weight * room
  }
  return reach
}

/** Gives the moves their signs. */
function turn(moves: Float64Array, bits: Int32Array, flip: number): void {
  for (let i = 0; i < moves.length; i++) moves[i] *= 2 * ((bits[i] ^ flip) >>> 31) - 1
}

/** Writes the moves m >= 0 that gain exactly `gain`, at most all that the rooms allow. Features without weight have no room. Returns their length. */
type Share = (space: HyperplaneSpace, gain: number, out: Float64Array) => number

const shares: { readonly [N in HyperplaneNorm]: Share } = {
  Linf: ({ weights, rooms }, gain, out) => equally(weights, rooms, gain, out),
  L2: ({ weights, rooms }, gain, out) => byWeight(weights, rooms, gain, out),
  L1: ({ weights, rooms, buckets, tied }, gain, out) => heaviestFirst(weights, rooms, buckets, tied, gain, out),
}

/**
 * The t with sum w_i min(t, room_i) = gain. Newton's method from the left on a concave function: every iterate stays at or below the
 * root, so that features that have reached the box at t will have done so at the root; it ends when no further one does.
 */
function equally(weights: Float64Array, rooms: Float64Array, gain: number, out: Float64Array): number {
  let t = 0
  for (let full = -1; ; ) {
    let reached = 0
    let left = gain
    let slope = 0
    for (let i = 0; i < weights.length; i++) {
      if (rooms[i] > t) slope += weights[i]
      else {
        left -= weights[i] * rooms[i]
        reached++
      }
    }
    if (slope === 0 || reached === full) break
    full = reached
    t = Math.max(t, left / slope)
  }
  let longest = 0
  for (let i = 0; i < out.length; i++) {
    const move = Math.min(t, rooms[i])
    out[i] = move
    if (move > longest) longest = move
  }
  return longest
}

/** The same for moves min(t w_i, room_i). */
function byWeight(weights: Float64Array, rooms: Float64Array, gain: number, out: Float64Array): number {
  let t = 0
  for (let full = -1; ; ) {
    let reached = 0
    let left = gain
    let slope = 0
    for (let i = 0; i < weights.length; i++) {
      const weight = weights[i]
      const room = rooms[i]
      if (room > t * weight) slope += weight * weight
      else {
        left -= weight * room
        reached++
      }
    }
    if (slope === 0 || reached === full) break
    full = reached
    t = Math.max(t, left / slope)
  }
  let square = 0
  for (let i = 0; i < out.length; i++) {
    const move = Math.min(t * weights[i], rooms[i])
    out[i] = move
    square += move * move
  }
  return Math.sqrt(square)
}

/** Selects the weight at which the gain is used up: a histogram of gains over the weights finds its bucket, quickselect the place inside. */
function heaviestFirst(
  weights: Float64Array,
  rooms: Float64Array,
  buckets: Float64Array,
  tied: Movable,
  gain: number,
  out: Float64Array,
): number {
  const features = weights.length
  let heaviest = 0
  for (let i = 0; i < features; i++) if (weights[i] > heaviest) heaviest = weights[i]
  const scale = heaviest > 0 ? (buckets.length - 1) / heaviest : 0
  buckets.fill(0)
  for (let i = 0; i < features; i++) {
    if (rooms[i] > 0) buckets[(weights[i] * scale) | 0] += weights[i] * rooms[i]
  }
  let bucket = buckets.length - 1
  let left = gain
  while (bucket > 0 && buckets[bucket] <= left) left -= buckets[bucket--]
  let count = 0
  for (let i = 0; i < features; i++) {
    const at = (weights[i] * scale) | 0
    out[i] = at > bucket ? rooms[i] : 0
    if (at !== bucket || rooms[i] === 0) continue
    tied.weights[count] = weights[i]
    tied.rooms[count] = rooms[i]
    tied.index[count++] = i
  }
  tied.count = count
  quickselect(tied, left, out)
  let length = 0
  for (let i = 0; i < features; i++) length += out[i]
  return length
}

/** By weight, on gains: each pass partitions into three and keeps the side in which the gain is used up. */
function quickselect({ weights, rooms, index, count }: Movable, gain: number, out: Float64Array): void {
  let low = 0
  let high = count
  let left = gain
  while (low < high) {
    const pivot = median(weights[low], weights[(low + high) >> 1], weights[high - 1])
    // [low, heavier) weighs more than the pivot, [heavier, equal) the same, [lighter, high) less.
    let heavier = low
    let equal = low
    let lighter = high
    let heavyGain = 0
    while (equal < lighter) {
      const weight = weights[equal]
      const to = weight > pivot ? heavier++ : weight < pivot ? --lighter : equal
      if (weight > pivot) heavyGain += weight * rooms[equal]
      if (to !== equal) {
        swap(weights, to, equal)
        swap(rooms, to, equal)
        swap(index, to, equal)
      }
      if (weight >= pivot) equal++
    }
    if (heavyGain > left) {
      high = heavier
      continue
    }
    for (let k = low; k < heavier; k++) out[index[k]] = rooms[k]
    left -= heavyGain
    for (let k = heavier; k < lighter; k++) {
      const move = Math.min(rooms[k], left / pivot)
      out[index[k]] = move
      if (move < rooms[k]) return
      left -= move * pivot
    }
    low = lighter
  }
}

function swap(values: Float64Array | Int32Array, i: number, j: number): void {
  const value = values[i]
  values[i] = values[j]
  values[j] = value
}

function median(a: number, b: number, c: number): number {
  return Math.max(Math.min(a, b), Math.min(Math.max(a, b), c))
}
