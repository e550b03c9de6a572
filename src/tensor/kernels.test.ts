import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { randomStream } from '../random.js'
import { source } from './kernels.generated.js'
import {
  addScaled,
  ascendLinf,
  biasedStep,
  carryOn,
  clippedSquares,
  contract,
  distanceSquared,
  farthest,
  largestMagnitude,
  listNear,
  shrinkTowards,
  sumOfSquares,
  towards,
  type Workspace,
  workspace,
} from './kernels.js'

/** Around a vector of four, and beyond what is copied through at a time. */
const lengths = [1, 2, 3, 4, 5, 63, 64, 3072, 2 ** 14, 2 ** 14 + 7, 40_001]
const places = ['in the memory', 'outside', 'partly inside'] as const

/** Arrays of numbers around zero, some of which are zero, where the place says. */
function arraysOf(count: number, length: number, place: (typeof places)[number], memory: Workspace): Float32Array[] {
  const random = randomStream(1, length, 'kernels')
  return Array.from({ length: count }, (_, k) => {
    const inside = place === 'in the memory' || (place === 'partly inside' && k % 2 === 0)
    const array = inside ? memory.floats(length) : new Float32Array(length)
    for (let i = 0; i < length; i++) array[i] = i % 5 === 3 ? 0 : random.normal()
    return array
  })
}

/** Kernels' steps round to float32 after every operation. */
const f = Math.fround
const clip = (x: number, low: number, high: number) => Math.min(Math.max(x, low), high)
const plain = (length: number, of: (i: number) => number) => Float32Array.from({ length }, (_, i) => of(i))
const sum = (length: number, of: (i: number) => number) => {
  let total = 0
  for (let i = 0; i < length; i++) total += of(i)
  return total
}

describe.each(places)('kernels on arrays %s', place => {
  it.each(lengths)('compute what they say on %i elements', length => {
    using memory = workspace()
    const [point, other, slope, out, low, high] = arraysOf(6, length, place, memory)
    low.fill(-0.7)
    high.fill(0.9)
    const start = point.slice()

    ascendLinf(point, other, slope, low, high, out, 0.3, 0.75)
    const [size, weight, rest] = [f(0.3), f(0.75), f(0.25)]
    const expected = plain(length, i => {
      const inside = clip(f(start[i] + size * Math.sign(slope[i])), low[i], high[i])
      const stepped = f(start[i] + f(weight * f(inside - start[i])))
      return clip(f(stepped + f(rest * f(start[i] - other[i]))), low[i], high[i])
    })
    expect(out).toEqual(expected)

    expect(largestMagnitude(slope)).toBe(slope.reduce((most, value) => Math.max(most, Math.abs(value)), 0))
    expect(farthest(point, other)).toBe(point.reduce((most, x, i) => Math.max(most, Math.abs(x - other[i])), 0))
    expect(towards(point, other, slope)).toBeCloseTo(
      sum(length, i => slope[i] * (other[i] - point[i])),
      8,
    )

    contract(point, other, 0.9)
    expect(point).toEqual(plain(length, i => other[i] + 0.9 * (start[i] - other[i])))

    low.fill(-2)
    high.fill(2)
    for (let i = 0; i < length; i++) {
      start[i] = clip(start[i], -2, 2)
      other[i] = clip(other[i], -2, 2)
    }
    for (const byWeight of [false, true]) {
      point.set(start)
      biasedStep(point, { center: other, low, high }, slope, -0.2, 0.3, 0.1, 1.05, byWeight)
      const direction = (i: number) => (byWeight ? slope[i] : Math.sign(slope[i]))
      const moved = (x: number, move: number, i: number) =>
        f(x + f(f(1.05) * f(clip(f(x + f((byWeight ? move : f(move)) * direction(i))), -2, 2) - x)))
      const blended = (i: number) => {
        const [here, there] = [moved(start[i], -0.2, i), moved(other[i], 0.3, i)]
        return clip(f(here + f(f(0.1) * f(there - here))), -2, 2)
      }
      expect(point).toEqual(plain(length, blended))
    }
  })

  it.each(lengths)('measure and move in L2 on %i elements', length => {
    using memory = workspace()
    const [point, center, slope, out, low, high] = arraysOf(6, length, place, memory)
    low.fill(-0.7)
    high.fill(0.9)
    for (let i = 0; i < length; i++) center[i] = clip(center[i], low[i], high[i])
    const start = point.slice()
    expect(sumOfSquares(slope)).toBeCloseTo(
      sum(length, i => slope[i] ** 2),
      7,
    )
    expect(distanceSquared(point, center)).toBeCloseTo(
      sum(length, i => (point[i] - center[i]) ** 2),
      7,
    )

    addScaled(point, slope, -0.3, out)
    expect(out).toEqual(plain(length, i => point[i] + -0.3 * slope[i]))
    const stepped = out.slice()
    carryOn(point, center, 0.75, out)
    expect(out).toEqual(plain(length, i => point[i] + 0.75 * (stepped[i] - point[i]) + 0.25 * (point[i] - center[i])))

    const way = (i: number) => clip(start[i], low[i], high[i]) - center[i]
    const isOutside = (i: number) => start[i] < low[i] || start[i] > high[i]
    const { all, free, outside } = clippedSquares(point, center, low, high)
    expect(all).toBeCloseTo(
      sum(length, i => way(i) ** 2),
      7,
    )
    expect(free).toBeCloseTo(
      sum(length, i => (isOutside(i) ? 0 : way(i) ** 2)),
      7,
    )
    expect(outside).toBe(sum(length, i => Number(isOutside(i))))

    const square = shrinkTowards(point, center, low, high, 0.8)
    expect(point).toEqual(plain(length, i => clip(center[i] + (start[i] - center[i]) * 0.8, low[i], high[i])))
    expect(square).toBeCloseTo(
      sum(length, i => (point[i] - center[i]) ** 2),
      7,
    )
  })

  it.each(lengths)('list what is near the bounds in the direction of the move, of %i elements', length => {
    using memory = workspace()
    const [point, slope, low, high] = arraysOf(4, length, place, memory)
    for (let i = 0; i < length; i++) point[i] = clip(point[i], -1, 1)
    low.fill(-1)
    high.fill(1)
    for (const doubles of [memory.doubles, (count: number) => new Float64Array(count)]) {
      const [slopes, ends, rest] = [doubles(length), doubles(length), new Float64Array(1)]
      for (const value of [1.5, -1.5]) {
        for (const byWeight of [false, true]) {
          const unit = (i: number) => (byWeight ? Math.abs(slope[i]) : 1)
          const room = (i: number) => (slope[i] < 0 === value > 0 ? 1 - point[i] : point[i] + 1)
          const isNear = (i: number) => room(i) < 0.4 * unit(i)
          const gains = (i: number) => room(i) > 0 && slope[i] !== 0
          const listed = Array.from({ length }, (_, i) => i).filter(i => isNear(i) && gains(i))
          const gain = (i: number) => Math.abs(slope[i]) * unit(i)

          const count = listNear(point, slope, low, high, value, 0.4, byWeight, slopes, ends, rest)
          expect([...slopes.subarray(0, count)]).toEqual(listed.map(gain))
          expect([...ends.subarray(0, count)]).toEqual(listed.map(i => room(i) / unit(i)))
          expect(rest[0]).toBeCloseTo(
            sum(length, i => (isNear(i) ? 0 : gain(i))),
            8,
          )
        }
      }
    }
  })

  it.each([0, 3, 5000])('show a value that is not a number at %i', at => {
    using memory = workspace()
    const [a, b] = arraysOf(2, 5001, place, memory)
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      a[at] = value
      expect(Number.isFinite(largestMagnitude(a))).toBe(false)
      expect(farthest(a, b)).toBe(Number.isNaN(value) ? Number.NaN : Number.POSITIVE_INFINITY)
    }
  })
})

describe('a sum', () => {
  it('is the same to the last bit wherever the arrays lie', () => {
    using memory = workspace()
    const results = places.map(place => towards(...(arraysOf(3, 40_001, place, memory) as [never, never, never])))
    expect(new Set(results).size).toBe(1)
  })
})

describe('a workspace', () => {
  it('gives zeros, also where another one wrote before', () => {
    {
      using memory = workspace()
      memory.floats(100).fill(7)
      memory.doubles(100).fill(7)
    }
    using memory = workspace()
    expect(memory.floats(100).every(value => value === 0)).toBe(true)
    expect(memory.doubles(100).every(value => value === 0)).toBe(true)
  })

  it('keeps arrays of different workspaces apart while both are in use', () => {
    using first = workspace()
    const a = first.floats(10).fill(1)
    {
      using second = workspace()
      second.floats(10).fill(2)
    }
    using third = workspace()
    third.copy(new Float32Array(10).fill(3))
    expect(a).toEqual(new Float32Array(10).fill(1))
  })

  it('goes on with ordinary arrays where its memory ends', () => {
    using memory = workspace()
    const length = 2 ** 24
    const arrays = Array.from({ length: 5 }, () => memory.floats(length))
    expect(new Set(arrays.map(({ buffer }) => buffer)).size).toBeGreaterThan(1)
    const last = arrays.at(-1)!
    last[length - 1] = -3
    expect(largestMagnitude(last)).toBe(3)
  })
})

it('the generated module is that of the source', () => {
  const text = readFileSync(new URL('../../assembly/kernels.ts', import.meta.url))
  expect(source).toBe(createHash('sha256').update(text).digest('hex'))
})
