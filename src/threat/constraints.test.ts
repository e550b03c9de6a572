import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type ConstraintSpec, compileConstraints, type FeatureRule, violationOf } from './constraints.js'
import { readConstraints } from './constraints-file.js'
import type { NormName } from './norm.js'
import { repair } from './repair.js'
import { contains, norms, normWith, regionOf, type ThreatModel } from './threat.js'

/** Features 0-2 continuous, 3-4 whole numbers, 5-7 one-hot, 8 immutable, 9 may only increase, 10 has a radius of its own. */
const features = 11
const rules: readonly FeatureRule[] = [
  { feature: 0, range: [0, 1] },
  { feature: 3, integer: true, range: [0, 9] },
  { feature: 4, integer: true, direction: 'increase' },
  { feature: 8, immutable: true },
  { feature: 9, direction: 'increase' },
  { feature: 10, epsilon: 0.01 },
]
const spec: ConstraintSpec = {
  features,
  rules,
  oneHot: [[5, 6, 7]],
  relations: [
    { weights: [[0, 1], [1, 1], [2, -1]], equals: 0 }, // biome-ignore format: one relation a line
    { weights: [[1, 1], [3, -1]], atMost: 3 }, // biome-ignore format: one relation a line
    { weights: [[4, 1], [3, -1]], atMost: 20 }, // biome-ignore format: one relation a line
  ],
}
const unit = fc.float({ min: 0, max: 1, noNaN: true })
const feasible = fc
  .record({
    a: unit,
    b: unit,
    whole: fc.integer({ min: 0, max: 9 }),
    more: fc.integer({ min: 0, max: 20 }),
    member: fc.nat(2),
    rest: fc.array(unit, { minLength: 3, maxLength: 3 }),
  })
  .map(({ a, b, whole, more, member, rest }) =>
    Float32Array.from([a, b, a + b, whole, more, ...[0, 1, 2].map(i => (i === member ? 1 : 0)), ...rest]),
  )
const anywhere = fc.array(fc.oneof(fc.float({ min: -30, max: 30, noNaN: true }), unit), {
  minLength: features,
  maxLength: features,
})
const radius = fc.constantFrom(0, 0.1, 0.6, 1, 2, 30, Number.POSITIVE_INFINITY)

function threatOf(norm: NormName, epsilon: number): ThreatModel {
  const box = { low: Number.NEGATIVE_INFINITY, high: Number.POSITIVE_INFINITY }
  return { norm: norms[norm], epsilon, epsilonText: '', box, constraints: compileConstraints(spec) }
}

describe.each(['Linf', 'L2', 'L1', 'L0'] as const)('repair in %s', norm => {
  it('gives feasible points of the ball, and leaves those as they are', () => {
    fc.assert(
      fc.property(feasible, anywhere, radius, (center, values, epsilon) => {
        const threat = threatOf(norm, epsilon)
        expect(violationOf(threat.constraints!, center)).toBeUndefined()
        const region = regionOf(threat, center)
        const out = new Float32Array(features)
        repair(threat, region, Float32Array.from(values), out)
        expect(contains(threat, region, out)).toBe(true)
        checkByHand(center, out)
        const again = new Float32Array(features)
        repair(threat, region, out, again)
        expect(again).toEqual(out)
      }),
      { numRuns: 500 },
    )
  })
})

/** The constraints above, written out. */
function checkByHand(center: Float32Array, out: Float32Array): void {
  expect(out[0] >= 0 && out[0] <= 1).toBe(true)
  expect(Number.isInteger(out[3]) && out[3] >= 0 && out[3] <= 9).toBe(true)
  expect(Number.isInteger(out[4]) && out[4] >= center[4]).toBe(true)
  expect([...out.subarray(5, 8)].sort()).toEqual([0, 0, 1])
  expect(out[8]).toBe(center[8])
  expect(out[9]).toBeGreaterThanOrEqual(center[9])
  expect(Math.abs(out[10] - center[10])).toBeLessThanOrEqual(0.01)
  expect(Math.abs(out[0] + out[1] - out[2])).toBeLessThanOrEqual(
    1e-5 * (Math.abs(out[0]) + Math.abs(out[1]) + Math.abs(out[2])),
  )
  expect(out[1] - out[3]).toBeLessThanOrEqual(3 + 1e-5 * (3 + Math.abs(out[1]) + out[3]))
  expect(out[4] - out[3]).toBeLessThanOrEqual(20 + 1e-5 * (20 + out[4] + out[3]))
}

describe('radii of single features', () => {
  const own = compileConstraints({
    ...spec,
    rules: [{ feature: 0, epsilon: 3 }, { feature: 1, epsilon: 0.01 }, { feature: 2, epsilon: 0 }], // biome-ignore format: one line
  })
  const threat = (name: NormName, epsilon: number) => ({
    norm: normWith(name, epsilon, own),
    epsilon,
    epsilonText: '',
    box: { low: -10, high: 10 },
    constraints: own,
  })
  const center = Float32Array.of(0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0)

  it('stand for epsilon in Linf, above and below it', () => {
    const model = threat('Linf', 0.1)
    const { low, high } = regionOf(model, center)
    expect([...high.subarray(0, 4)]).toEqual([3, 0.01, 0, 0.1].map(value => expect.closeTo(value, 7)))
    expect([...low.subarray(0, 4)]).toEqual([-3, -0.01, 0, -0.1].map(value => expect.closeTo(value, 7)))
    // Distances are shares of the radii, in units of epsilon.
    const moved = (changes: Record<number, number>) => center.map((value, i) => changes[i] ?? value)
    expect(model.norm.distance(moved({ 0: 1.5 }), center)).toBeCloseTo(0.05)
    expect(model.norm.distance(moved({ 0: 1.5, 3: 0.09 }), center)).toBeCloseTo(0.09)
    expect(model.norm.distance(moved({ 1: 0.02 }), center)).toBeCloseTo(0.2)
    expect(model.norm.distance(moved({ 2: 1e-9 }), center)).toBe(Number.POSITIVE_INFINITY)
    const stepped = center.slice()
    model.norm.step(center, new Float32Array(features).fill(1), 0.1, stepped)
    expect([...stepped.subarray(0, 4)]).toEqual([3, 0.01, 0, 0.1].map(value => expect.closeTo(value, 6)))
  })
  it('are bounds beside epsilon in other norms', () => {
    const { high } = regionOf(threat('L2', 0.1), center)
    expect([...high.subarray(0, 4)]).toEqual([3, 0.01, 0, 10].map(value => expect.closeTo(value, 6)))
    expect(normWith('L2', 0.1, own)).toBe(norms.L2)
    expect(normWith('Linf', 0.1, compileConstraints({ ...spec, rules: [] }))).toBe(norms.Linf)
  })
})

describe('repair', () => {
  const center = Float32Array.of(0.5, 0.5, 1, 3, 3, 1, 0, 0, 0, 0, 0)
  const repaired = (point: Float32Array, epsilon: number, norm: NormName = 'Linf') => {
    const threat = threatOf(norm, epsilon)
    const out = new Float32Array(features)
    repair(threat, regionOf(threat, center), point, out)
    return out
  }
  const moved = (changes: Record<number, number>) => center.map((value, i) => changes[i] ?? value)

  it('rounds whole numbers and takes the largest member of a group', () => {
    const out = repaired(moved({ 3: 4.4, 4: 5.6, 5: 0.2, 6: 0.3, 7: 0.9 }), 5)
    expect([...out.subarray(3, 8)]).toEqual([4, 6, 0, 0, 1])
  })
  it('takes the clearest discrete changes that the ball has room for', () => {
    expect([...repaired(moved({ 3: 4.4, 4: 3.6 }), 1.2, 'L2').subarray(3, 5)]).toEqual([4, 3])
    expect([...repaired(moved({ 3: 3.6, 4: 4.4 }), 1.2, 'L2').subarray(3, 5)]).toEqual([3, 4])
    expect([...repaired(moved({ 3: 4.9, 4: 3.6 }), 1.2, 'L2').subarray(3, 5)]).toEqual([3, 4])
  })
  it('projects onto a relation: half of the excess each of two features', () => {
    const out = repaired(moved({ 2: 1.3 }), 5)
    expect([...out.subarray(0, 3)]).toEqual([0.6, 0.6, 1.2].map(value => expect.closeTo(value, 4)))
  })
})

describe('readConstraints', () => {
  const names = { count: 4, names: ['age', 'job=a', 'job=b', 'debt'] }
  const read = (value: unknown) => readConstraints(JSON.stringify(value), names, 'c.json')

  it('finds features by name and position, columns by their name, and turns atLeast around', () => {
    const file = {
      features: { age: { integer: true, direction: 'increase' }, '3': { range: [0, null] } },
      oneHot: ['job'],
      relations: [{ weights: { age: 2, debt: -1 }, atLeast: 5 }],
    }
    expect(read(file)).toEqual({
      features: 4,
      rules: [
        { feature: 0, name: 'age', integer: true, direction: 'increase' },
        { feature: 1, name: 'job=a' },
        { feature: 2, name: 'job=b' },
        { feature: 3, name: 'debt', range: [0, null] },
      ],
      oneHot: [[1, 2]],
      relations: [{ weights: [[0, -2], [3, 1]], atMost: -5 }], // biome-ignore format: one relation a line
    })
  })
  it('gives the entry of * to all others', () => {
    const { rules } = read({ features: { '*': { immutable: true }, age: {} } })
    expect(rules.filter(({ immutable }) => immutable).map(({ feature }) => feature)).toEqual([1, 2, 3])
  })
  it.each([
    [{ features: { height: {} } }, /no feature height/],
    [{ features: { '4': {} } }, /no feature 4/],
    [{ features: { age: {}, '0': {} } }, /two entries/],
    [{ features: { age: { range: [2, 1] } } }, /range of age is 2 to 1/],
    [{ features: { age: { color: 1 } } }, /features.age.*color/],
    [{ oneHot: [['job=a', 'job=a']] }, /two places/],
    [{ oneHot: ['age'] }, /no two features are named age=/],
    [{ relations: [{ weights: { age: 1 } }] }, /exactly one of/],
    [{ relations: [{ weights: { age: 0 }, equals: 1 }] }, /no weight/],
  ])('refuses %j', (file, message) => {
    expect(() => read(file)).toThrow(message)
  })
  it('refuses what is not JSON', () => {
    expect(() => readConstraints('{', names, 'c.json')).toThrow(/c.json: it is not JSON/)
  })
  it('names what a sample violates', () => {
    const compiled = compileConstraints(read({ features: { age: { integer: true, range: [0, 9] } }, oneHot: ['job'] }))
    const why = (...values: number[]) => violationOf(compiled, Float32Array.from(values))
    expect(why(3, 1, 0, 0)).toBeUndefined()
    expect(why(10, 1, 0, 0)).toMatch(/age is 10, outside/)
    expect(why(1.5, 1, 0, 0)).toMatch(/no whole number/)
    expect(why(1, 1, 1, 0)).toMatch(/job=a, job=b is not one-hot/)
  })
})
