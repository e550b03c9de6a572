/**
 * The loops over features that gradient attacks spend their time in, as WebAssembly with SIMD: steps in float32, sums in float64.
 * Arrays of a workspace lie in the module's memory and are used where they are; all others are copied through it.
 */
import { binary } from './kernels.generated.js'

/** As much of the standard's interface as is used here. */
declare const WebAssembly: {
  readonly Memory: new (descriptor: { initial: number }) => { readonly buffer: ArrayBuffer }
  readonly Module: new (bytes: Uint8Array) => object
  readonly Instance: new (module: object, imports: object) => { readonly exports: object }
}

interface Kernels {
  largest(count: number, a: number): number
  ascendLinf(
    ...at: [
      count: number,
      point: number,
      previous: number,
      gradient: number,
      low: number,
      high: number,
      out: number,
      size: number,
      momentum: number,
    ]
  ): void
  listNear(
    ...at: [
      count: number,
      point: number,
      normal: number,
      low: number,
      high: number,
      slopes: number,
      ends: number,
      value: number,
      bound: number,
      byWeight: number,
      sums: number,
    ]
  ): number
  towards(count: number, point: number, center: number, normal: number): number
  contract(count: number, point: number, center: number, share: number): void
  farthest(count: number, a: number, b: number): number
  distanceSquared(count: number, a: number, b: number): number
  squares(count: number, a: number): number
  addScaled(count: number, point: number, direction: number, out: number, scale: number): void
  carryOn(count: number, point: number, previous: number, out: number, momentum: number): void
  clippedSquares(count: number, point: number, center: number, low: number, high: number, sums: number): void
  shrink(count: number, point: number, center: number, low: number, high: number, scale: number): number
  biasedStep(
    ...at: [
      count: number,
      point: number,
      center: number,
      normal: number,
      low: number,
      high: number,
      here: number,
      there: number,
      alpha: number,
      overshoot: number,
      byWeight: number,
    ]
  ): void
}

/** Reserved, and taken up only as far as it is used. What does not fit lies outside and is copied through. */
const capacity = 2 ** 28
/** Elements that are copied through at a time. */
const chunk = 2 ** 14
const slots = 6
const cacheLine = 64

const memory = new WebAssembly.Memory({ initial: capacity / 2 ** 16 })
/** It never grows. */
const { buffer } = memory
const compiled = new WebAssembly.Module(Uint8Array.from(atob(binary), character => character.charCodeAt(0)))
const kernels = new WebAssembly.Instance(compiled, { env: { memory } }).exports as Kernels

const sums = new Float64Array(buffer, 1024, 3)
const scratch = Array.from({ length: slots }, (_, slot) => new Float32Array(buffer, 4096 + slot * 4 * chunk, chunk))
/** Where lists of a part are written that belong outside. */
const lists = [4096 + slots * 4 * chunk, 4096 + (slots + 2) * 4 * chunk]
const start = 4096 + (slots + 4) * 4 * chunk

/** Arrays that the kernels use without copying, until the workspace is disposed of. */
export interface Workspace extends Disposable {
  /** Zeros. */
  floats(length: number): Float32Array
  doubles(length: number): Float64Array
  copy(values: Float32Array): Float32Array
  /** The array itself where it lies in the memory, else a copy: for values that nobody changes. */
  hold(values: Float32Array): Float32Array
}

/** Blocks given back, by their size. */
const free = new Map<number, number[]>()
let end = start
/** What lies from here on lasts. */
let top = capacity
let inUse = 0

export function workspace(): Workspace {
  const blocks: { readonly at: number; readonly size: number }[] = []
  const place = (length: number): number | undefined => {
    const size = Math.ceil((4 * length) / cacheLine) * cacheLine
    const known = free.get(size)?.pop()
    if (known === undefined && end + size > top) return undefined
    const at = known ?? end
    if (known === undefined) end += size
    new Uint8Array(buffer, at, size).fill(0)
    blocks.push({ at, size })
    inUse++
    return at
  }
  const floats = (length: number) => {
    const at = place(length)
    return at === undefined ? new Float32Array(length) : new Float32Array(buffer, at, length)
  }
  const copy = (values: Float32Array) => {
    const copied = floats(values.length)
    copied.set(values)
    return copied
  }
  return {
    floats,
    copy,
    hold: values => (values.buffer === buffer ? values : copy(values)),
    doubles(length) {
      const at = place(2 * length)
      return at === undefined ? new Float64Array(length) : new Float64Array(buffer, at, length)
    },
    [Symbol.dispose]() {
      for (const { at, size } of blocks) {
        const others = free.get(size)
        if (others === undefined) free.set(size, [at])
        else others.push(at)
      }
      inUse -= blocks.length
      blocks.length = 0
      if (inUse > 0) return
      free.clear()
      end = start
    },
  }
}

/** An array that lies in the memory for good, for constants that searches share; an ordinary one where they take up a sixteenth of it. */
export function lasting(length: number): Float32Array {
  const size = Math.ceil((4 * length) / cacheLine) * cacheLine
  if (top - size < Math.max(end, (capacity / 16) * 15)) return new Float32Array(length)
  top -= size
  return new Float32Array(buffer, top, length)
}

/** Where the arrays of a call lie. */
const at = new Int32Array(slots)

/**
 * Calls a kernel for arrays of one length, some elements at a time: where they lie, or through the scratch space. `written` is the one
 * that it changes. The parts are the same either way, and with them the order of a sum.
 */
function over(arrays: readonly Float32Array[], written: number, call: (count: number) => void): void {
  const { length } = arrays[0]
  for (let first = 0; first < length; first += chunk) {
    const count = Math.min(chunk, length - first)
    for (let k = 0; k < arrays.length; k++) {
      at[k] = direct(arrays[k], count) ? arrays[k].byteOffset + 4 * first : throughScratch(arrays[k], k, first, count)
    }
    call(count)
    if (written < 0 || direct(arrays[written], count)) continue
    arrays[written].set(scratch[written].subarray(0, count), first)
  }
}

/** Kernels read whole vectors of four, which beyond an array's end hold something else. */
function direct(array: Float32Array, count: number): boolean {
  return array.buffer === buffer && count % 4 === 0
}

function throughScratch(array: Float32Array, slot: number, first: number, count: number): number {
  const part = scratch[slot]
  part.set(first === 0 && count === array.length ? array : array.subarray(first, first + count))
  part.fill(0, count, count + 3)
  return part.byteOffset
}

/** The largest absolute value: not finite when any value is not. */
export function largestMagnitude(values: Float32Array): number {
  let most = 0
  over([values], -1, count => {
    const here = kernels.largest(count, at[0])
    if (!(here <= most)) most = here
  })
  return most
}

/** `Norm.ascend` in Linf: out = clip(x + m (clip(x + size sign(gradient)) - x) + (1 - m) (x - previous)). */
export function ascendLinf(
  point: Float32Array,
  previous: Float32Array,
  gradient: Float32Array,
  low: Float32Array,
  high: Float32Array,
  out: Float32Array,
  size: number,
  momentum: number,
): void {
  over([point, previous, gradient, low, high, out], 5, count => {
    kernels.ascendLinf(count, at[0], at[1], at[2], at[3], at[4], at[5], size, momentum)
  })
}

/**
 * A linear function with this gradient is to go from `value` to zero, every feature moving by min(t u, room): room is its way to the
 * bounds in that direction, u = 1 or, by weight, |normal|. Lists the features that get there before t = bound: the slope |normal| u of
 * what they gain, and the t at which they do. Those that gain nothing, without weight or room, are left out. Gives the number of those
 * listed; `rest[0]` is then the sum of slopes of the features that do not get there.
 */
export function listNear(
  point: Float32Array,
  normal: Float32Array,
  low: Float32Array,
  high: Float32Array,
  value: number,
  bound: number,
  byWeight: boolean,
  slopes: Float64Array,
  ends: Float64Array,
  rest: Float64Array,
): number {
  let listed = 0
  sums[0] = 0
  const inside = slopes.buffer === buffer && ends.buffer === buffer
  over([point, normal, low, high], -1, count => {
    const [first, second] = inside ? [slopes.byteOffset + 8 * listed, ends.byteOffset + 8 * listed] : lists
    const found = kernels.listNear(
      count,
      at[0],
      at[1],
      at[2],
      at[3],
      first,
      second,
      value,
      bound,
      byWeight ? 1 : 0,
      sums.byteOffset,
    )
    if (!inside) {
      slopes.set(new Float64Array(buffer, first, found), listed)
      ends.set(new Float64Array(buffer, second, found), listed)
    }
    listed += found
  })
  rest[0] = sums[0]
  return listed
}

/** normal.(center - point) */
export function towards(point: Float32Array, center: Float32Array, normal: Float32Array): number {
  let sum = 0
  over([point, center, normal], -1, count => {
    sum += kernels.towards(count, at[0], at[1], at[2])
  })
  return sum
}

/**
 * point = clip((1 - alpha) (point + eta d(point)) + alpha (center + eta d(center))), where d leads from a point by `here` (from the center
 * by `there`) times the normal, or times its signs when not by weight, as far as the bounds allow, and eta is the overshoot.
 */
export function biasedStep(
  point: Float32Array,
  { center, low, high }: { readonly center: Float32Array; readonly low: Float32Array; readonly high: Float32Array },
  normal: Float32Array,
  here: number,
  there: number,
  alpha: number,
  overshoot: number,
  byWeight: boolean,
): void {
  over([point, center, normal, low, high], 0, count => {
    kernels.biasedStep(count, at[0], at[1], at[2], at[3], at[4], here, there, alpha, overshoot, byWeight ? 1 : 0)
  })
}

/** point = center + share (point - center) */
export function contract(point: Float32Array, center: Float32Array, share: number): void {
  over([point, center], 0, count => {
    kernels.contract(count, at[0], at[1], share)
  })
}

/** The largest |a - b|; NaN when any of them is. */
export function farthest(a: Float32Array, b: Float32Array): number {
  let most = 0
  over([a, b], -1, count => {
    most = Math.max(most, kernels.farthest(count, at[0], at[1]))
  })
  return most
}

/** The sum of (a - b)² */
export function distanceSquared(a: Float32Array, b: Float32Array): number {
  let sum = 0
  over([a, b], -1, count => {
    sum += kernels.distanceSquared(count, at[0], at[1])
  })
  return sum
}

/** The sum of squares. */
export function sumOfSquares(values: Float32Array): number {
  let sum = 0
  over([values], -1, count => {
    sum += kernels.squares(count, at[0])
  })
  return sum
}

/** out = point + scale direction */
export function addScaled(point: Float32Array, direction: Float32Array, scale: number, out: Float32Array): void {
  over([point, direction, out], 2, count => {
    kernels.addScaled(count, at[0], at[1], at[2], scale)
  })
}

/** out = point + momentum (out - point) + (1 - momentum) (point - previous) */
export function carryOn(point: Float32Array, previous: Float32Array, momentum: number, out: Float32Array): void {
  over([point, previous, out], 2, count => {
    kernels.carryOn(count, at[0], at[1], at[2], momentum)
  })
}

/** Of clip(point) - center: the sum of squares, the part of it of features inside the bounds, and the number of those outside. */
export function clippedSquares(
  point: Float32Array,
  center: Float32Array,
  low: Float32Array,
  high: Float32Array,
): { readonly all: number; readonly free: number; readonly outside: number } {
  sums.fill(0)
  over([point, center, low, high], -1, count => {
    kernels.clippedSquares(count, at[0], at[1], at[2], at[3], sums.byteOffset)
  })
  return { all: sums[0], free: sums[1], outside: sums[2] }
}

/** point = clip(center + scale (point - center)); gives the sum of squares of its way to the center. */
export function shrinkTowards(
  point: Float32Array,
  center: Float32Array,
  low: Float32Array,
  high: Float32Array,
  scale: number,
): number {
  let sum = 0
  over([point, center, low, high], 0, count => {
    sum += kernels.shrink(count, at[0], at[1], at[2], at[3], scale)
  })
  return sum
}
