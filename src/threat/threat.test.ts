import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { randomStream } from '../random.js'
import { composedAscent, type Norm, type Region } from './norm.js'
import { scaledLinf } from './norms/scaled-linf.js'
import { contains, norms, parseEpsilon, type ThreatModel } from './threat.js'

const unit = { low: 0, high: 1 }
const pixel = fc.float({ min: 0, max: 1, noNaN: true })
const anywhere = fc.float({ min: -3, max: 3, noNaN: true })
/** Centers in the box with points anywhere, of equal length. */
const pairs = fc
  .array(fc.tuple(pixel, anywhere), { minLength: 1, maxLength: 40 })
  .map(rows => ({ center: Float32Array.from(rows, row => row[0]), point: Float32Array.from(rows, row => row[1]) }))
const radii: Record<string, fc.Arbitrary<number>> = {
  Linf: fc.constantFrom(8 / 255, 0.1, 0.3, 1, 0),
  L2: fc.constantFrom(0.1, 0.5, 1.7, 0),
  L1: fc.constantFrom(0.1, 1, 12, 0),
  L0: fc.integer({ min: 0, max: 45 }),
}

function squared(a: Float32Array, b: Float32Array): number {
  return a.reduce((sum, value, i) => sum + (value - b[i]) ** 2, 0)
}

/** An independent projection: Dykstra's alternating projections in float64, or for L0 every subset's best. */
function dykstra(point: Float32Array, region: Region, ball: (x: Float64Array) => Float64Array): Float64Array {
  let x = Float64Array.from(point)
  let p = new Float64Array(x.length)
  let q = new Float64Array(x.length)
  for (let k = 0; k < 3000; k++) {
    const y = ball(x.map((v, i) => v + p[i]))
    p = x.map((v, i) => v + p[i] - y[i])
    const z = y.map((v, i) => Math.min(region.high[i], Math.max(region.low[i], v + q[i])))
    q = y.map((v, i) => v + q[i] - z[i])
    x = z
  }
  return x
}

const balls: Record<string, (center: Float32Array, epsilon: number) => (x: Float64Array) => Float64Array> = {
  L2: (center, epsilon) => x => {
    const length = Math.hypot(...x.map((v, i) => v - center[i]))
    return length <= epsilon ? x : x.map((v, i) => center[i] + ((v - center[i]) * epsilon) / length)
  },
  L1: (center, epsilon) => x => {
    const moves = Array.from(x, (v, i) => Math.abs(v - center[i]))
    if (moves.reduce((a, b) => a + b, 0) <= epsilon) return x
    let [low, high] = [0, Math.max(...moves)]
    for (let k = 0; k < 100; k++) {
      const lambda = (low + high) / 2
      if (moves.reduce((sum, move) => sum + Math.max(0, move - lambda), 0) > epsilon) low = lambda
      else high = lambda
    }
    return x.map((v, i) => center[i] + Math.sign(v - center[i]) * Math.max(0, moves[i] - high))
  },
}

/** Every second feature in a unit of its own, some fixed. */
const scaled = scaledLinf(Float64Array.from({ length: 40 }, (_, i) => [1, 0.3, 1, 7, 0][i % 5]))

describe.each([...Object.values(norms), scaled])('$name', (norm: Norm) => {
  const cases = fc.tuple(pairs, radii[norm.name])
  const threat = (epsilon: number): ThreatModel => ({ norm, epsilon, epsilonText: String(epsilon), box: unit })

  it('projects into ball and box, exactly', () => {
    fc.assert(
      fc.property(cases, ([{ center, point }, epsilon]) => {
        const region = norm.region(center, epsilon, unit)
        norm.project(point, region)
        expect(contains(threat(epsilon), region, point)).toBe(true)
      }),
      { numRuns: 500 },
    )
  })

  it('leaves points of the region where they are, so that projecting twice is projecting once', () => {
    fc.assert(
      fc.property(cases, ([{ center, point }, epsilon]) => {
        const region = norm.region(center, epsilon, unit)
        norm.project(point, region)
        const again = point.slice()
        norm.project(again, region)
        expect(again).toEqual(point)
      }),
      { numRuns: 500 },
    )
  })

  it('never enlarges a perturbation', () => {
    fc.assert(
      fc.property(cases, ([{ center, point }, epsilon]) => {
        const before = norm.distance(point, center)
        norm.project(point, norm.region(center, epsilon, unit))
        expect(norm.distance(point, center)).toBeLessThanOrEqual(before)
      }),
    )
  })

  it('finds the nearest point of ball and box together', () => {
    fc.assert(
      fc.property(cases, ([{ center, point }, epsilon]) => {
        const region = norm.region(center, epsilon, unit)
        const projected = point.slice()
        norm.project(projected, region)
        const found = squared(projected, point)
        const ball = balls[norm.name]
        if (ball !== undefined) {
          const nearest = dykstra(point, region, ball(center, epsilon))
          const least = nearest.reduce((sum, value, i) => sum + (value - point[i]) ** 2, 0)
          expect(found).toBeLessThanOrEqual(least * (1 + 1e-4) + 1e-5)
        }
        // No random point of the region is nearer.
        const random = randomStream(1, 0, 'nearer')
        const other = new Float32Array(point.length)
        for (let k = 0; k < 10; k++) {
          norm.sample(random, region, other)
          expect(squared(other, point)).toBeGreaterThanOrEqual(found - 1e-5)
        }
      }),
      { numRuns: 60 },
    )
  }, 60_000)

  it('samples inside the region, and reproducibly', () => {
    fc.assert(
      fc.property(cases, fc.nat(), ([{ center }, epsilon], seed) => {
        const region = norm.region(center, epsilon, unit)
        const draw = () => {
          const out = new Float32Array(center.length)
          norm.sample(randomStream(seed, 0, 'sample'), region, out)
          return out
        }
        expect(contains(threat(epsilon), region, draw())).toBe(true)
        expect(draw()).toEqual(draw())
      }),
    )
  })

  it('steps by the given length, uphill', () => {
    fc.assert(
      fc.property(pairs, fc.constantFrom(0.1, 2), ({ center, point: gradient }, size) => {
        const out = new Float32Array(center.length)
        norm.step(center, gradient, size, out)
        const gain = out.reduce((sum, value, i) => sum + (value - center[i]) * gradient[i], 0)
        const flat = gradient.every(slope => slope === 0)
        expect(gain).toBeGreaterThanOrEqual(flat ? 0 : -1e-6)
        if (flat) expect(out).toEqual(center)
        else if (norm.name !== 'L0') expect(norm.distance(out, center)).toBeLessThanOrEqual(size * (1 + 1e-5))
      }),
    )
  })

  it('ascends as its step and projection say, staying inside', () => {
    const reference = composedAscent(norm)
    fc.assert(
      fc.property(cases, fc.constantFrom(1, 0.75), ([{ center, point: gradient }, epsilon], momentum) => {
        const region = norm.region(center, epsilon, unit)
        const point = new Float32Array(center.length)
        norm.sample(randomStream(3, 0, 'from'), region, point)
        const previous = new Float32Array(center.length)
        norm.sample(randomStream(4, 0, 'before'), region, previous)
        const move = { point, previous, gradient, size: 2 * epsilon, momentum, features: undefined }
        const [fused, composed] = [new Float32Array(center.length), new Float32Array(center.length)]
        norm.ascend(move, region, fused)
        reference(move, region, composed)
        for (let i = 0; i < fused.length; i++) expect(fused[i]).toBeCloseTo(composed[i], 5)
        expect(contains(threat(epsilon), region, fused)).toBe(true)
      }),
    )
  })

  it('treats NaN as outside', () => {
    const region = norm.region(Float32Array.of(0.5, 0.5), 1, unit)
    expect(contains(threat(1), region, Float32Array.of(Number.NaN, 0.5))).toBe(false)
  })
})

describe('Linf bounds', () => {
  it('are never further than epsilon in exact arithmetic, and reach as far as float32 allows', () => {
    fc.assert(
      fc.property(pixel, fc.constantFrom(0.3, 8 / 255, 0.1, 1e-9, 0.026), (x, epsilon) => {
        const { low, high } = norms.Linf.region(Float32Array.of(x), epsilon, { low: -9, high: 9 })
        for (const bound of [low[0], high[0]]) {
          expect(Math.abs(bound - Math.fround(x))).toBeLessThanOrEqual(epsilon)
          expect(Math.abs(bound - Math.fround(x))).toBeGreaterThanOrEqual(epsilon - 2 ** -23)
        }
      }),
    )
  })
})

describe('parseEpsilon', () => {
  it.each([
    ['8/255', 8 / 255],
    ['0.3', 0.3],
    [' 1e-3 ', 0.001],
    ['.5', 0.5],
    ['0', 0],
  ])('reads %s', (text, value) => {
    expect(parseEpsilon(text)).toBe(value)
  })
  it.each(['8/0', '-0.1', 'NaN', '', '1/2/3', '0x10', 'Infinity', '8/', '1,5'])('refuses %j', text => {
    expect(() => parseEpsilon(text)).toThrow(expect.objectContaining({ code: 'config' }))
  })
})
