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
  step(point: Float32Array, normal: Float32Array, value: number, bounds: Bounds, out: Float64Array): void
}

/** A projector for points of so many features: holds its scratch space. */
export function hyperplaneProjector(norm: HyperplaneNorm, features: number): HyperplaneProjector {
  const weights = new Float64Array(features)
  const rooms = new Float64Array(features)
  const index = new Int32Array(features)
  const share = shares[norm]

  return {
    step(point, normal, value, { low, high }, out) {
      const away = value > 0 ? 1 : -1
      let count = 0
      let reach = 0
      out.fill(0)
      if (value === 0) return
      for (let i = 0; i < features; i++) {
        const slope = normal[i] * away
        if (slope === 0) continue
        const room = slope > 0 ? point[i] - low[i] : high[i] - point[i]
        if (!(room > 0)) continue
        weights[count] = Math.abs(slope)
        rooms[count] = room
        index[count++] = i
        reach += Math.abs(slope) * room
      }
      if (reach <= Math.abs(value)) for (let k = 0; k < count; k++) out[index[k]] = rooms[k]
      else share({ weights, rooms, index, count }, Math.abs(value), out)
      for (let i = 0; i < features; i++) if (normal[i] * away > 0) out[i] = -out[i]
    },
  }
}

/** The features that can move: |w|, room and position of the first `count`. May be reordered. */
interface Movable {
  readonly weights: Float64Array
  readonly rooms: Float64Array
  readonly index: Int32Array
  count: number
}

/** Writes the moves m >= 0 that gain exactly `gain`, which is in reach. */
type Share = (movable: Movable, gain: number, out: Float64Array) => void

const shares: { readonly [N in HyperplaneNorm]: Share } = {
  Linf(movable, gain, out) {
    const t = newton(movable, gain, () => 1)
    const { rooms, index, count } = movable
    for (let k = 0; k < count; k++) out[index[k]] = Math.min(t, rooms[k])
  },
  L2(movable, gain, out) {
    const t = newton(movable, gain, weight => weight)
    const { weights, rooms, index, count } = movable
    for (let k = 0; k < count; k++) out[index[k]] = Math.min(t * weights[k], rooms[k])
  },
  L1: heaviestFirst,
}

/**
 * The t with sum |w_i| min(t speed_i, room_i) = gain. Newton's method from the left on a concave function: every iterate stays at or
 * below the root, so that a feature that has reached the box at t will have done so at the root; it is swapped behind the active ones,
 * and each pass goes over the active ones only.
 */
function newton({ weights, rooms, index, count }: Movable, gain: number, speed: (weight: number) => number): number {
  let active = count
  let left = gain
  let t = 0
  for (;;) {
    let slope = 0
    for (let k = 0; k < active; k++) slope += weights[k] * speed(weights[k])
    t = left / slope
    const before = active
    for (let k = 0; k < active; ) {
      if (t * speed(weights[k]) < rooms[k]) {
        k++
        continue
      }
      left -= weights[k] * rooms[k]
      swap(weights, k, --active)
      swap(rooms, k, active)
      swap(index, k, active)
    }
    if (active === before) return t
    // Only rounding can use up all features although the gain is in reach: then all of them move all the way.
    if (active === 0 || left <= 0) return active === 0 ? Number.POSITIVE_INFINITY : t
  }
}

/** Quickselect on the weights, by gain: each pass partitions and keeps the side in which the gain is used up. */
function heaviestFirst({ weights, rooms, index, count }: Movable, gain: number, out: Float64Array): void {
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
