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

export interface HyperplaneProjector {
  /**
   * Writes to `out` the shortest step d with value + normal.d = 0 and point + d in the bounds; where the box does not reach the
   * hyperplane, the step to the corner nearest to it. Features of zero weight stay. The point must lie in the bounds.
   * @param value value of the linear function at the point
   */
  step(point: Float32Array, normal: Float32Array, value: number, out: Float64Array): void
}

/** A projector inside these bounds: holds its scratch space. */
export function hyperplaneProjector(norm: HyperplaneNorm, { low, high }: Bounds): HyperplaneProjector {
  const features = low.length
  const movable: Movable = {
    weights: new Float64Array(features),
    rooms: new Float64Array(features),
    index: new Int32Array(features),
    count: 0,
  }
  const share = shares[norm](features)
  // Both bounds in one array: the sign bit of the slope chooses by arithmetic, for signs of gradients defeat branch prediction.
  const bounds = new Float32Array(2 * features)
  bounds.set(low)
  bounds.set(high, features)

  return {
    step(point, normal, value, out) {
      out.fill(0)
      if (value === 0) return
      const bits = new Int32Array(normal.buffer, normal.byteOffset, features)
      const flip = value > 0 ? 0 : -1
      const { weights, rooms, index } = movable
      let count = 0
      let reach = 0
      for (let i = 0; i < features; i++) {
        const rises = (bits[i] ^ flip) >>> 31
        const weight = Math.abs(normal[i])
        const room = Math.abs(point[i] - bounds[i + features * rises])
        if (!(weight > 0 && room > 0)) continue
        weights[count] = weight
        rooms[count] = room
        index[count++] = i
        reach += weight * room
      }
      movable.count = count
      if (reach <= Math.abs(value)) for (let k = 0; k < count; k++) out[index[k]] = rooms[k]
      else share(movable, Math.abs(value), out)
      for (let i = 0; i < features; i++) out[i] *= 2 * ((bits[i] ^ flip) >>> 31) - 1
    },
  }
}

/** The features that can move: |w|, room and position of the first `count`. May be reordered and overwritten. */
interface Movable {
  readonly weights: Float64Array
  readonly rooms: Float64Array
  readonly index: Int32Array
  count: number
}

/** Writes the moves m >= 0 that gain exactly `gain`, which is in reach. */
type Share = (movable: Movable, gain: number, out: Float64Array) => void

/** By norm, for so many features at most. */
const shares: { readonly [N in HyperplaneNorm]: (features: number) => Share } = {
  Linf(features) {
    const ones = new Float64Array(features).fill(1)
    return (movable, gain, out) => newton(movable, ones, gain, out)
  },
  L2(features) {
    const speeds = new Float64Array(features)
    return (movable, gain, out) => {
      speeds.set(movable.weights)
      newton(movable, speeds, gain, out)
    }
  },
  L1(features) {
    const buckets = new Float64Array(Math.min(1024, features))
    return (movable, gain, out) => heaviestFirst(movable, buckets, gain, out)
  },
}

/**
 * The t with sum |w_i| min(t speed_i, room_i) = gain. Newton's method from the left on a concave function: every iterate stays at or
 * below the root, so that a feature that has reached the box at t will have done so at the root; it takes its room and leaves, and
 * each pass goes over the rest only.
 */
function newton(
  { weights, rooms, index, count }: Movable,
  speeds: Float64Array,
  gain: number,
  out: Float64Array,
): void {
  let active = count
  let left = gain
  let slope = 0
  for (let k = 0; k < active; k++) slope += weights[k] * speeds[k]
  let t = left / slope
  for (;;) {
    let kept = 0
    slope = 0
    for (let k = 0; k < active; k++) {
      const speed = speeds[k]
      const room = rooms[k]
      const weight = weights[k]
      if (t * speed < room) {
        speeds[kept] = speed
        rooms[kept] = room
        weights[kept] = weight
        index[kept++] = index[k]
        slope += weight * speed
      } else {
        out[index[k]] = room
        left -= weight * room
      }
    }
    if (kept === active || kept === 0) break
    active = kept
    // Below the last t only by rounding.
    t = Math.max(t, left / slope)
  }
  if (active > 0) for (let k = 0; k < active; k++) out[index[k]] = Math.min(t * speeds[k], rooms[k])
}

/**
 * Selects the weight at which the gain is used up: a histogram of gains over the weights finds its bucket, quickselect the place inside.
 */
function heaviestFirst(movable: Movable, buckets: Float64Array, gain: number, out: Float64Array): void {
  const { weights, rooms, index, count } = movable
  let heaviest = 0
  for (let k = 0; k < count; k++) if (weights[k] > heaviest) heaviest = weights[k]
  const top = buckets.length - 1
  const scale = top / heaviest
  buckets.fill(0)
  for (let k = 0; k < count; k++) buckets[(weights[k] * scale) | 0] += weights[k] * rooms[k]
  let bucket = top
  let left = gain
  while (bucket > 0 && buckets[bucket] <= left) left -= buckets[bucket--]
  let within = 0
  for (let k = 0; k < count; k++) {
    const at = (weights[k] * scale) | 0
    if (at < bucket) continue
    if (at > bucket) {
      out[index[k]] = rooms[k]
      continue
    }
    weights[within] = weights[k]
    rooms[within] = rooms[k]
    index[within++] = index[k]
  }
  movable.count = within
  quickselect(movable, left, out)
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
