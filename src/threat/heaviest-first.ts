/**
 * The L1 step onto a hyperplane: the features of largest weight move first, each as far as the box allows, until the gain is used
 * up. Selection in linear time on average, without a sort: a histogram, then quickselect inside one bucket.
 */

import type { Bounds } from './hyperplane.js'

/** Bounds and scratch space. */
export interface SelectionSpace {
  /** Lowest values, then highest: the sign bit of a slope chooses by arithmetic, for signs of gradients defeat branch prediction. */
  readonly bounds: Float32Array
  readonly weights: Float64Array
  readonly rooms: Float64Array
  readonly buckets: Float64Array
  readonly tied: Movable
}

/** The features among which the selection ends: |w|, room and position of the first `count`. */
interface Movable {
  readonly weights: Float64Array
  readonly rooms: Float64Array
  readonly index: Int32Array
  count: number
}

export function selectionSpace({ low, high }: Bounds): SelectionSpace {
  const features = low.length
  const floats = () => new Float64Array(features)
  const bounds = new Float32Array(2 * features)
  bounds.set(low)
  bounds.set(high, features)
  return {
    bounds,
    weights: floats(),
    rooms: floats(),
    buckets: new Float64Array(Math.min(1024, features)),
    tied: { weights: floats(), rooms: floats(), index: new Int32Array(features), count: 0 },
  }
}

/** The step of `stepOntoHyperplane`. */
export function stepHeaviestFirst(
  { bounds, weights, rooms, buckets, tied }: SelectionSpace,
  point: Float32Array,
  normal: Float32Array,
  value: number,
  out: Float64Array,
): number {
  const bits = new Int32Array(normal.buffer, normal.byteOffset, normal.length)
  const flip = value > 0 ? 0 : -1
  const reach = measure(point, normal, bits, flip, bounds, weights, rooms)
  const length = heaviestFirst(weights, rooms, buckets, tied, Math.min(Math.abs(value), reach), out)
  turn(out, bits, flip)
  return length
}

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
