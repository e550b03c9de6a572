/**
 * The loops over features that gradient attacks spend their time in: AssemblyScript, compiled by `npm run generate:kernels` to
 * `src/tensor/kernels.generated.ts`. Arrays are float32, given as addresses in the module's memory, of `count` elements and padded
 * with zeros to a multiple of four. Steps are computed in float32, four elements at a time; sums, and what a distance depends on, in
 * float64, two at a time, in two sums side by side, for an addition waits for the one before it. What they compute stands in
 * `src/tensor/kernels.ts`.
 */

// @ts-ignore: decorator
@inline
function bytes(count: i32): usize {
  return (<usize>((count + 3) & ~3)) << 2
}

/** The lower and the upper two of four elements, as float64. */
// @ts-ignore: decorator
@inline
function lower(values: v128): v128 {
  return f64x2.promote_low_f32x4(values)
}
// @ts-ignore: decorator
@inline
function upper(values: v128): v128 {
  return f64x2.promote_low_f32x4(i64x2.shuffle(values, values, 1, 1))
}

/** Four float32 of two times two float64. */
// @ts-ignore: decorator
@inline
function joined(first: v128, second: v128): v128 {
  return i64x2.shuffle(f32x4.demote_f64x2_zero(first), f32x4.demote_f64x2_zero(second), 0, 2)
}

/** Of four float32. */
// @ts-ignore: decorator
@inline
function clip(value: v128, low: v128, high: v128): v128 {
  return f32x4.pmin(f32x4.pmax(value, low), high)
}

/** Of four float32: size where the slope is positive, -size where it is negative, 0 elsewhere. */
// @ts-ignore: decorator
@inline
function along(slope: v128, size: v128): v128 {
  const sign = v128.and(slope, i32x4.splat(0x80000000))
  return v128.and(f32x4.ne(slope, f32x4.splat(0)), v128.xor(size, sign))
}

// @ts-ignore: decorator
@inline
function total(even: v128, odd: v128): f64 {
  const sums = f64x2.add(even, odd)
  return f64x2.extract_lane(sums, 0) + f64x2.extract_lane(sums, 1)
}

export function largest(count: i32, a: usize): f32 {
  const magnitude = i32x4.splat(0x7fffffff)
  let most = i32x4.splat(0)
  for (let i: usize = 0, end = bytes(count); i < end; i += 16) {
    most = i32x4.max_u(most, v128.and(v128.load(a + i), magnitude))
  }
  let bits: u32 = i32x4.extract_lane(most, 0)
  bits = max<u32>(bits, i32x4.extract_lane(most, 1))
  bits = max<u32>(bits, i32x4.extract_lane(most, 2))
  bits = max<u32>(bits, i32x4.extract_lane(most, 3))
  return reinterpret<f32>(bits)
}

export function ascendLinf(
  count: i32,
  point: usize,
  previous: usize,
  gradient: usize,
  low: usize,
  high: usize,
  out: usize,
  size: f32,
  momentum: f32,
): void {
  const sizes = f32x4.splat(size)
  const weight = f32x4.splat(momentum)
  const rest = f32x4.splat(1 - momentum)
  for (let i: usize = 0, end = bytes(count); i < end; i += 16) {
    const x = v128.load(point + i)
    const least = v128.load(low + i)
    const most = v128.load(high + i)
    const inside = clip(f32x4.add(x, along(v128.load(gradient + i), sizes)), least, most)
    const stepped = f32x4.add(x, f32x4.mul(weight, f32x4.sub(inside, x)))
    const moved = f32x4.add(stepped, f32x4.mul(rest, f32x4.sub(x, v128.load(previous + i))))
    v128.store(out + i, clip(moved, least, most))
  }
}

/** Of four float32, with a factor that may lie outside of their range. */
// @ts-ignore: decorator
@inline
function times(values: v128, factor: f64): v128 {
  const factors = f64x2.splat(factor)
  return joined(f64x2.mul(lower(values), factors), f64x2.mul(upper(values), factors))
}

/** Chooses in float32, where features beside the bound may be listed or not, and writes what it lists in float64. */
// @ts-ignore: decorator
@inline
function list(
  count: i32,
  point: usize,
  normal: usize,
  low: usize,
  high: usize,
  slopes: usize,
  ends: usize,
  value: f64,
  bound: f64,
  byWeight: bool,
  sums: usize,
): i32 {
  const bounds = f32x4.splat(<f32>bound)
  const zero = f32x4.splat(0)
  const falls = value > 0
  const turn = i32x4.splat(falls ? 0 : -1)
  let listed: i32 = 0
  let even = f64x2.splat(0)
  let odd = f64x2.splat(0)
  for (let i: usize = 0, end = bytes(count); i < end; i += 16) {
    const x = v128.load(point + i)
    const slope = v128.load(normal + i)
    const weight = f32x4.abs(slope)
    const rises = v128.xor(f32x4.lt(slope, zero), turn)
    const room = v128.bitselect(f32x4.sub(v128.load(high + i), x), f32x4.sub(x, v128.load(low + i)), rises)
    const far = f32x4.ge(room, byWeight ? f32x4.mul(bounds, weight) : bounds)
    const counted = v128.and(far, weight)
    const first = lower(counted)
    const second = upper(counted)
    even = f64x2.add(even, byWeight ? f64x2.mul(first, first) : first)
    odd = f64x2.add(odd, byWeight ? f64x2.mul(second, second) : second)
    const near = v128.andnot(v128.and(f32x4.ne(room, zero), f32x4.ne(weight, zero)), far)
    for (let left = i32x4.bitmask(near); left != 0; left &= left - 1) {
      const at = i + ((<usize>ctz(left)) << 2)
      const w: f64 = load<f32>(normal + at)
      const from: f64 = load<f32>(point + at)
      const way = w < 0 == falls ? <f64>load<f32>(high + at) - from : from - <f64>load<f32>(low + at)
      const size = abs(w)
      store<f64>(slopes + ((<usize>listed) << 3), byWeight ? size * size : size)
      store<f64>(ends + ((<usize>listed) << 3), byWeight ? way / size : way)
      listed++
    }
  }
  store<f64>(sums, load<f64>(sums) + total(even, odd))
  return listed
}

export function listNear(
  count: i32,
  point: usize,
  normal: usize,
  low: usize,
  high: usize,
  slopes: usize,
  ends: usize,
  value: f64,
  bound: f64,
  byWeight: i32,
  sums: usize,
): i32 {
  return byWeight
    ? list(count, point, normal, low, high, slopes, ends, value, bound, true, sums)
    : list(count, point, normal, low, high, slopes, ends, value, bound, false, sums)
}

export function towards(count: i32, point: usize, center: usize, normal: usize): f64 {
  let even = f64x2.splat(0)
  let odd = f64x2.splat(0)
  for (let i: usize = 0, end = bytes(count); i < end; i += 16) {
    const w = v128.load(normal + i)
    const c = v128.load(center + i)
    const x = v128.load(point + i)
    even = f64x2.add(even, f64x2.mul(lower(w), f64x2.sub(lower(c), lower(x))))
    odd = f64x2.add(odd, f64x2.mul(upper(w), f64x2.sub(upper(c), upper(x))))
  }
  return total(even, odd)
}

// @ts-ignore: decorator
@inline
function step(
  count: i32,
  point: usize,
  center: usize,
  normal: usize,
  low: usize,
  high: usize,
  here: f64,
  there: f64,
  alpha: f32,
  overshoot: f32,
  byWeight: bool,
): void {
  const moves = f32x4.splat(<f32>here)
  const centerMoves = f32x4.splat(<f32>there)
  const share = f32x4.splat(alpha)
  const eta = f32x4.splat(overshoot)
  for (let i: usize = 0, end = bytes(count); i < end; i += 16) {
    const x = v128.load(point + i)
    const c = v128.load(center + i)
    const slope = v128.load(normal + i)
    const least = v128.load(low + i)
    const most = v128.load(high + i)
    const step = byWeight ? times(slope, here) : along(slope, moves)
    const centerStep = byWeight ? times(slope, there) : along(slope, centerMoves)
    const a = f32x4.add(x, f32x4.mul(eta, f32x4.sub(clip(f32x4.add(x, step), least, most), x)))
    const b = f32x4.add(c, f32x4.mul(eta, f32x4.sub(clip(f32x4.add(c, centerStep), least, most), c)))
    v128.store(point + i, clip(f32x4.add(a, f32x4.mul(share, f32x4.sub(b, a))), least, most))
  }
}

export function biasedStep(
  count: i32,
  point: usize,
  center: usize,
  normal: usize,
  low: usize,
  high: usize,
  here: f64,
  there: f64,
  alpha: f32,
  overshoot: f32,
  byWeight: i32,
): void {
  if (byWeight) step(count, point, center, normal, low, high, here, there, alpha, overshoot, true)
  else step(count, point, center, normal, low, high, here, there, alpha, overshoot, false)
}

export function contract(count: i32, point: usize, center: usize, share: f64): void {
  const shares = f64x2.splat(share)
  for (let i: usize = 0, end = bytes(count); i < end; i += 16) {
    const c = v128.load(center + i)
    const x = v128.load(point + i)
    v128.store(point + i, joined(between(lower(c), lower(x), shares), between(upper(c), upper(x), shares)))
  }
}

/** Of two float64: from + share (to - from) */
// @ts-ignore: decorator
@inline
function between(from: v128, to: v128, share: v128): v128 {
  return f64x2.add(from, f64x2.mul(share, f64x2.sub(to, from)))
}

export function farthest(count: i32, a: usize, b: usize): f64 {
  let even = f64x2.splat(0)
  let odd = f64x2.splat(0)
  let unordered = f64x2.splat(0)
  for (let i: usize = 0, end = bytes(count); i < end; i += 16) {
    const x = v128.load(a + i)
    const y = v128.load(b + i)
    even = f64x2.pmax(even, f64x2.abs(f64x2.sub(lower(x), lower(y))))
    odd = f64x2.pmax(odd, f64x2.abs(f64x2.sub(upper(x), upper(y))))
    // Infinity less itself is not a number either.
    const way = f32x4.sub(x, y)
    unordered = v128.or(unordered, f32x4.ne(way, way))
  }
  if (v128.any_true(unordered)) return NaN
  const most = f64x2.pmax(even, odd)
  return max<f64>(f64x2.extract_lane(most, 0), f64x2.extract_lane(most, 1))
}

export function distanceSquared(count: i32, a: usize, b: usize): f64 {
  let even = f64x2.splat(0)
  let odd = f64x2.splat(0)
  for (let i: usize = 0, end = bytes(count); i < end; i += 16) {
    const x = v128.load(a + i)
    const y = v128.load(b + i)
    const first = f64x2.sub(lower(x), lower(y))
    const second = f64x2.sub(upper(x), upper(y))
    even = f64x2.add(even, f64x2.mul(first, first))
    odd = f64x2.add(odd, f64x2.mul(second, second))
  }
  return total(even, odd)
}

export function squares(count: i32, a: usize): f64 {
  let even = f64x2.splat(0)
  let odd = f64x2.splat(0)
  for (let i: usize = 0, end = bytes(count); i < end; i += 16) {
    const x = v128.load(a + i)
    even = f64x2.add(even, f64x2.mul(lower(x), lower(x)))
    odd = f64x2.add(odd, f64x2.mul(upper(x), upper(x)))
  }
  return total(even, odd)
}

export function addScaled(count: i32, point: usize, direction: usize, out: usize, scale: f64): void {
  const scales = f64x2.splat(scale)
  for (let i: usize = 0, end = bytes(count); i < end; i += 16) {
    const x = v128.load(point + i)
    const d = v128.load(direction + i)
    const first = f64x2.add(lower(x), f64x2.mul(scales, lower(d)))
    v128.store(out + i, joined(first, f64x2.add(upper(x), f64x2.mul(scales, upper(d)))))
  }
}

export function carryOn(count: i32, point: usize, previous: usize, out: usize, momentum: f64): void {
  const weight = f64x2.splat(momentum)
  const rest = f64x2.splat(1 - momentum)
  for (let i: usize = 0, end = bytes(count); i < end; i += 16) {
    const x = v128.load(point + i)
    const to = v128.load(out + i)
    const from = v128.load(previous + i)
    const first = f64x2.mul(rest, f64x2.sub(lower(x), lower(from)))
    const second = f64x2.mul(rest, f64x2.sub(upper(x), upper(from)))
    const steps = joined(
      f64x2.add(between(lower(x), lower(to), weight), first),
      f64x2.add(between(upper(x), upper(to), weight), second),
    )
    v128.store(out + i, steps)
  }
}

export function clippedSquares(count: i32, point: usize, center: usize, low: usize, high: usize, sums: usize): void {
  let all = f64x2.splat(0)
  let allOdd = f64x2.splat(0)
  let free = f64x2.splat(0)
  let freeOdd = f64x2.splat(0)
  let outside: i32 = 0
  for (let i: usize = 0, end = bytes(count); i < end; i += 16) {
    const x = v128.load(point + i)
    const c = v128.load(center + i)
    const inside = clip(x, v128.load(low + i), v128.load(high + i))
    const moved = f32x4.ne(x, inside)
    const first = f64x2.sub(lower(inside), lower(c))
    const second = f64x2.sub(upper(inside), upper(c))
    const square = f64x2.mul(first, first)
    const squareOdd = f64x2.mul(second, second)
    all = f64x2.add(all, square)
    allOdd = f64x2.add(allOdd, squareOdd)
    free = f64x2.add(free, v128.andnot(square, i32x4.shuffle(moved, moved, 0, 0, 1, 1)))
    freeOdd = f64x2.add(freeOdd, v128.andnot(squareOdd, i32x4.shuffle(moved, moved, 2, 2, 3, 3)))
    outside += popcnt(i32x4.bitmask(moved))
  }
  store<f64>(sums, load<f64>(sums) + total(all, allOdd))
  store<f64>(sums + 8, load<f64>(sums + 8) + total(free, freeOdd))
  store<f64>(sums + 16, load<f64>(sums + 16) + <f64>outside)
}

export function shrink(count: i32, point: usize, center: usize, low: usize, high: usize, scale: f64): f64 {
  const scales = f64x2.splat(scale)
  let even = f64x2.splat(0)
  let odd = f64x2.splat(0)
  for (let i: usize = 0, end = bytes(count); i < end; i += 16) {
    const c = v128.load(center + i)
    const x = v128.load(point + i)
    const scaled = joined(between(lower(c), lower(x), scales), between(upper(c), upper(x), scales))
    const inside = clip(scaled, v128.load(low + i), v128.load(high + i))
    v128.store(point + i, inside)
    const first = f64x2.sub(lower(inside), lower(c))
    const second = f64x2.sub(upper(inside), upper(c))
    even = f64x2.add(even, f64x2.mul(first, first))
    odd = f64x2.add(odd, f64x2.mul(second, second))
  }
  return total(even, odd)
}
