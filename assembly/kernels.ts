/**
 * The loops over features that gradient attacks spend their time in: AssemblyScript, compiled by `npm run generate:kernels` to
 * `src/tensor/kernels.generated.ts`. Arrays are float32, given as addresses in the module's memory, of `count` elements and padded
 * with zeros to a multiple of four. Steps are computed in float32, four elements at a time; sums, and what a distance depends on, in
 * float64, two at a time. What they compute stands in `src/tensor/kernels.ts`.
 */

// @ts-ignore: decorator
@inline
function bytes(count: i32): usize {
  return (<usize>((count + 3) & ~3)) << 2
}

/** Two elements as float64. */
// @ts-ignore: decorator
@inline
function pair(address: usize): v128 {
  return f64x2.promote_low_f32x4(v128.load64_zero(address))
}

// @ts-ignore: decorator
@inline
function storePair(address: usize, values: v128): void {
  v128.store64_lane(address, f32x4.demote_f64x2_zero(values), 0)
}

/** Of four float32. */
// @ts-ignore: decorator
@inline
function clip(value: v128, low: v128, high: v128): v128 {
  return f32x4.pmin(f32x4.pmax(value, low), high)
}

/** The same of two float64. */
// @ts-ignore: decorator
@inline
function clipPair(value: v128, low: v128, high: v128): v128 {
  return f64x2.pmin(f64x2.pmax(value, low), high)
}

/** Of four float32: size where the slope is positive, -size where it is negative, 0 elsewhere. */
// @ts-ignore: decorator
@inline
function along(slope: v128, size: v128): v128 {
  const zero = f32x4.splat(0)
  return f32x4.sub(v128.and(f32x4.gt(slope, zero), size), v128.and(f32x4.lt(slope, zero), size))
}

// @ts-ignore: decorator
@inline
function total(sums: v128): f64 {
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

/** Of four float32, with a factor that may lie outside of their range. */
// @ts-ignore: decorator
@inline
function times(values: v128, factor: f64): v128 {
  const factors = f64x2.splat(factor)
  const first = f32x4.demote_f64x2_zero(f64x2.mul(lower(values), factors))
  const second = f32x4.demote_f64x2_zero(f64x2.mul(upper(values), factors))
  return i64x2.shuffle(first, second, 0, 2)
}

/** Chooses in float32, where features beside the bound may be listed or not, and writes what it lists in float64. */
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
  const bounds = f32x4.splat(<f32>bound)
  const zero = f32x4.splat(0)
  const falls = value > 0
  const turn = i32x4.splat(falls ? 0 : -1)
  let listed: i32 = 0
  let rest = f64x2.splat(0)
  for (let i: usize = 0, end = bytes(count); i < end; i += 16) {
    const x = v128.load(point + i)
    const slope = v128.load(normal + i)
    const weight = f32x4.abs(slope)
    const rises = v128.xor(f32x4.lt(slope, zero), turn)
    const room = v128.bitselect(f32x4.sub(v128.load(high + i), x), f32x4.sub(x, v128.load(low + i)), rises)
    const far = f32x4.ge(room, byWeight ? f32x4.mul(bounds, weight) : bounds)
    const counted = v128.and(far, weight)
    let first = lower(counted)
    let second = upper(counted)
    if (byWeight) {
      first = f64x2.mul(first, first)
      second = f64x2.mul(second, second)
    }
    rest = f64x2.add(rest, f64x2.add(first, second))
    for (let left = i32x4.bitmask(far) ^ 15; left != 0; left &= left - 1) {
      const at = i + ((<usize>ctz(left)) << 2)
      if (at >= (<usize>count) << 2) break
      const w: f64 = load<f32>(normal + at)
      const from: f64 = load<f32>(point + at)
      const way = w < 0 == falls ? <f64>load<f32>(high + at) - from : from - <f64>load<f32>(low + at)
      const size = abs(w)
      store<f64>(slopes + ((<usize>listed) << 3), byWeight ? size * size : size)
      store<f64>(ends + ((<usize>listed) << 3), size == 0 ? Infinity : byWeight ? way / size : way)
      listed++
    }
  }
  store<f64>(sums, load<f64>(sums) + total(rest))
  return listed
}

export function towards(count: i32, point: usize, center: usize, normal: usize): f64 {
  let sums = f64x2.splat(0)
  for (let i: usize = 0, end = bytes(count); i < end; i += 8) {
    sums = f64x2.add(sums, f64x2.mul(pair(normal + i), f64x2.sub(pair(center + i), pair(point + i))))
  }
  return total(sums)
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

export function contract(count: i32, point: usize, center: usize, share: f64): void {
  const shares = f64x2.splat(share)
  for (let i: usize = 0, end = bytes(count); i < end; i += 8) {
    const c = pair(center + i)
    storePair(point + i, f64x2.add(c, f64x2.mul(shares, f64x2.sub(pair(point + i), c))))
  }
}

export function farthest(count: i32, a: usize, b: usize): f64 {
  let most = f64x2.splat(0)
  let unordered = f64x2.splat(0)
  for (let i: usize = 0, end = bytes(count); i < end; i += 8) {
    const way = f64x2.abs(f64x2.sub(pair(a + i), pair(b + i)))
    most = f64x2.pmax(most, way)
    unordered = v128.or(unordered, f64x2.ne(way, way))
  }
  if (v128.any_true(unordered)) return NaN
  return max<f64>(f64x2.extract_lane(most, 0), f64x2.extract_lane(most, 1))
}

export function distanceSquared(count: i32, a: usize, b: usize): f64 {
  let sums = f64x2.splat(0)
  for (let i: usize = 0, end = bytes(count); i < end; i += 8) {
    const way = f64x2.sub(pair(a + i), pair(b + i))
    sums = f64x2.add(sums, f64x2.mul(way, way))
  }
  return total(sums)
}

export function squares(count: i32, a: usize): f64 {
  let sums = f64x2.splat(0)
  for (let i: usize = 0, end = bytes(count); i < end; i += 8) {
    const value = pair(a + i)
    sums = f64x2.add(sums, f64x2.mul(value, value))
  }
  return total(sums)
}

export function addScaled(count: i32, point: usize, direction: usize, out: usize, scale: f64): void {
  const scales = f64x2.splat(scale)
  for (let i: usize = 0, end = bytes(count); i < end; i += 8) {
    storePair(out + i, f64x2.add(pair(point + i), f64x2.mul(scales, pair(direction + i))))
  }
}

export function carryOn(count: i32, point: usize, previous: usize, out: usize, momentum: f64): void {
  const weight = f64x2.splat(momentum)
  const rest = f64x2.splat(1 - momentum)
  for (let i: usize = 0, end = bytes(count); i < end; i += 8) {
    const x = pair(point + i)
    const stepped = f64x2.add(x, f64x2.mul(weight, f64x2.sub(pair(out + i), x)))
    storePair(out + i, f64x2.add(stepped, f64x2.mul(rest, f64x2.sub(x, pair(previous + i)))))
  }
}

export function clippedSquares(count: i32, point: usize, center: usize, low: usize, high: usize, sums: usize): void {
  let all = f64x2.splat(0)
  let free = f64x2.splat(0)
  let outside: i32 = 0
  for (let i: usize = 0, end = bytes(count); i < end; i += 8) {
    const x = pair(point + i)
    const inside = clipPair(x, pair(low + i), pair(high + i))
    const way = f64x2.sub(inside, pair(center + i))
    const square = f64x2.mul(way, way)
    const moved = f64x2.ne(x, inside)
    all = f64x2.add(all, square)
    free = f64x2.add(free, v128.andnot(square, moved))
    outside += popcnt(i64x2.bitmask(moved))
  }
  store<f64>(sums, load<f64>(sums) + total(all))
  store<f64>(sums + 8, load<f64>(sums + 8) + total(free))
  store<f64>(sums + 16, load<f64>(sums + 16) + <f64>outside)
}

export function shrink(count: i32, point: usize, center: usize, low: usize, high: usize, scale: f64): f64 {
  const scales = f64x2.splat(scale)
  let sums = f64x2.splat(0)
  for (let i: usize = 0, end = bytes(count); i < end; i += 8) {
    const x = pair(center + i)
    const scaled = f64x2.add(x, f64x2.mul(f64x2.sub(pair(point + i), x), scales))
    storePair(point + i, clipPair(scaled, pair(low + i), pair(high + i)))
    const way = f64x2.sub(pair(point + i), x)
    sums = f64x2.add(sums, f64x2.mul(way, way))
  }
  return total(sums)
}
