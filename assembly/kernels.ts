/**
 * The loops over features that gradient attacks spend their time in: AssemblyScript, compiled by `npm run generate:kernels` to
 * `src/tensor/kernels.generated.ts`. Arrays are float32, given as addresses in the module's memory, of `count` elements and padded
 * with zeros to a multiple of four; arithmetic is float64, two elements at a time. What they compute stands in `src/tensor/kernels.ts`.
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

// @ts-ignore: decorator
@inline
function clip(value: v128, low: v128, high: v128): v128 {
  return f64x2.pmin(f64x2.pmax(value, low), high)
}

/** size where the slope is positive, -size where it is negative, 0 elsewhere. */
// @ts-ignore: decorator
@inline
function along(slope: v128, size: v128): v128 {
  const zero = f64x2.splat(0)
  return f64x2.sub(v128.and(f64x2.gt(slope, zero), size), v128.and(f64x2.lt(slope, zero), size))
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
  size: f64,
  momentum: f64,
): void {
  const sizes = f64x2.splat(size)
  const weight = f64x2.splat(momentum)
  const rest = f64x2.splat(1 - momentum)
  for (let i: usize = 0, end = bytes(count); i < end; i += 8) {
    const x = pair(point + i)
    const least = pair(low + i)
    const most = pair(high + i)
    const inside = clip(f64x2.add(x, along(pair(gradient + i), sizes)), least, most)
    // x + m (inside - x) + (1 - m) (x - previous)
    const drift = f64x2.sub(f64x2.add(x, x), pair(previous + i))
    const moved = f64x2.add(f64x2.mul(weight, inside), f64x2.mul(rest, drift))
    storePair(out + i, clip(moved, least, most))
  }
}

/** Writes the positions of a pair's elements whose bits are set, as far as there are so many features. */
// @ts-ignore: decorator
@inline
function list(bits: i32, first: i32, count: i32, base: i32, near: usize, listed: i32): i32 {
  for (let k = 0; k < 2; k++) {
    if (((bits >> k) & 1) == 0 || first + k >= count) continue
    store<i32>(near + ((<usize>listed) << 2), base + first + k)
    listed++
  }
  return listed
}

export function listNear(
  count: i32,
  point: usize,
  normal: usize,
  low: usize,
  high: usize,
  near: usize,
  base: i32,
  value: f64,
  bound: f64,
  byWeight: i32,
  sums: usize,
): i32 {
  const bounds = f64x2.splat(bound)
  const zero = f64x2.splat(0)
  const turn = i64x2.splat(value > 0 ? 0 : -1)
  let listed: i32 = 0
  let rest = f64x2.splat(0)
  for (let i: usize = 0, end = bytes(count); i < end; i += 8) {
    const x = pair(point + i)
    const slope = pair(normal + i)
    const weight = f64x2.abs(slope)
    const rises = v128.xor(f64x2.lt(slope, zero), turn)
    const room = v128.bitselect(f64x2.sub(pair(high + i), x), f64x2.sub(x, pair(low + i)), rises)
    const far = f64x2.ge(room, byWeight ? f64x2.mul(bounds, weight) : bounds)
    rest = f64x2.add(rest, v128.and(far, byWeight ? f64x2.mul(weight, weight) : weight))
    const bits = i64x2.bitmask(far) ^ 3
    if (bits != 0) listed = list(bits, <i32>(i >> 2), count, base, near, listed)
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

export function drift(
  count: i32,
  point: usize,
  center: usize,
  normal: usize,
  low: usize,
  high: usize,
  alpha: f64,
  move: f64,
  byWeight: i32,
): void {
  const share = f64x2.splat(alpha)
  const rest = f64x2.splat(1 - alpha)
  const moves = f64x2.splat(move)
  for (let i: usize = 0, end = bytes(count); i < end; i += 8) {
    const slope = pair(normal + i)
    const between = f64x2.add(f64x2.mul(rest, pair(point + i)), f64x2.mul(share, pair(center + i)))
    const step = byWeight ? f64x2.mul(moves, slope) : along(slope, moves)
    storePair(point + i, clip(f64x2.add(between, step), pair(low + i), pair(high + i)))
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
    const inside = clip(x, pair(low + i), pair(high + i))
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
    storePair(point + i, clip(scaled, pair(low + i), pair(high + i)))
    const way = f64x2.sub(pair(point + i), x)
    sums = f64x2.add(sums, f64x2.mul(way, way))
  }
  return total(sums)
}
