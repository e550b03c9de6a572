import fc from 'fast-check'
import { expect, test } from 'vitest'
import { rate, startTally } from './metrics.js'
import type { SampleRecord } from './record.js'

/** Newcombe, "Two-sided confidence intervals for the single proportion" (Statistics in Medicine 1998), table I, method 5. */
test.each([
  [81, 263, 0.2527, 0.3676],
  [15, 148, 0.0578, 0.1617],
  [0, 20, 0, 0.1684],
  [1, 29, 0.0009, 0.1776],
])('the exact interval of %i of %i is the published one', (correct, count, low, high) => {
  const { interval } = rate(correct, count)
  expect(interval[0]).toBeCloseTo(low, 4)
  expect(interval[1]).toBeCloseTo(high, 4)
})

test('an interval holds its rate, lies in [0, 1], mirrors and shrinks with more samples', () => {
  const counts = fc
    .integer({ min: 1, max: 1e6 })
    .chain(count => fc.tuple(fc.integer({ min: 0, max: count }), fc.constant(count)))
  fc.assert(
    fc.property(counts, ([correct, count]) => {
      const { value, interval } = rate(correct, count)
      const [low, high] = interval
      expect(low).toBeGreaterThanOrEqual(0)
      expect(high).toBeLessThanOrEqual(1)
      expect(low).toBeLessThanOrEqual(value)
      expect(high).toBeGreaterThanOrEqual(value)
      const mirrored = rate(count - correct, count).interval
      expect(mirrored[0]).toBeCloseTo(1 - high, 12)
      const [wideLow, wideHigh] = interval
      const [narrowLow, narrowHigh] = rate(10 * correct, 10 * count).interval
      expect(narrowHigh - narrowLow).toBeLessThan(wideHigh - wideLow)
    }),
  )
})

test('an empty set is an error', () => {
  expect(() => rate(0, 0)).toThrow('no samples were evaluated')
  expect(() => startTally({ attacks: [] }).result()).toThrow('no samples were evaluated')
})

const attempt = (attack: string, status: 'hit' | 'exhausted' | 'error', gradient = 10, zeroGradients = 0) => ({
  attack,
  status,
  queries: { forward: 1, gradient },
  zeroGradients,
  distance: status === 'hit' ? 0.1 : null,
})
const record = (change: Partial<SampleRecord>): SampleRecord => ({
  index: 0,
  label: 3,
  prediction: 3,
  verdict: 'robust',
  attack: null,
  distance: null,
  margin: 1,
  adversarialPrediction: null,
  attempts: [],
  adversarial: null,
  error: null,
  ...change,
})

test('counts what the records say', () => {
  const tally = startTally({
    attacks: [
      { name: 'a', options: {} },
      { name: 'b', options: {} },
    ],
  })
  tally.add(record({ attempts: [attempt('a', 'exhausted', 10, 10), attempt('b', 'exhausted')] }))
  tally.add(record({ verdict: 'broken', attack: 'a', attempts: [attempt('a', 'hit')] }))
  tally.add(record({ verdict: 'broken', attack: 'b', attempts: [attempt('a', 'exhausted'), attempt('b', 'hit')] }))
  tally.add(record({ verdict: 'broken', prediction: 5, distance: 0 }))
  tally.add(record({ verdict: 'unknown', error: 'not finite', attempts: [attempt('a', 'error')] }))
  tally.add(record({ verdict: 'unknown', error: 'time limit', prediction: -1, label: 4 }))
  const result = tally.result()
  expect(result.standard).toMatchObject({ correct: 4, count: 6 })
  expect(result.robust).toMatchObject({ correct: 1, count: 6 })
  expect(result.attacks).toEqual([
    {
      name: 'a',
      attempted: 4,
      broken: 1,
      failed: 1,
      robustAfter: 2,
      alone: 0,
      blind: 1,
      empty: 2,
      queries: { forward: 4, gradient: 40 },
    },
    {
      name: 'b',
      attempted: 2,
      broken: 1,
      failed: 0,
      robustAfter: 1,
      alone: 0,
      blind: 0,
      empty: 1,
      queries: { forward: 2, gradient: 20 },
    },
  ])
  expect(result).toMatchObject({ unknown: 2, unpredicted: 1, predictedClasses: 2, labelledClasses: 2 })
  expect(result.reasons).toEqual([
    { error: 'not finite', count: 1 },
    { error: 'time limit', count: 1 },
  ])
})

test('counts what was broken without gradients after gradients had failed, sample by sample', () => {
  const tally = startTally({ attacks: ['apgd-ce', 'fgsm', 'square'].map(name => ({ name, options: {} })) })
  const [hit, failed] = ['hit', 'exhausted'] as const
  const tried = (ce: 'hit' | 'exhausted', fgsm: 'hit' | 'exhausted', square: 'hit' | 'exhausted') =>
    tally.add(record({ attempts: [attempt('apgd-ce', ce), attempt('fgsm', fgsm), attempt('square', square)] }))
  tried(failed, failed, hit)
  tried(failed, hit, hit)
  tried(hit, failed, failed)
  tried(failed, failed, failed)
  tally.add(record({ attempts: [attempt('square', 'hit')] }))
  const { attacks, byGradients } = tally.result()
  expect(attacks.map(({ alone }) => alone)).toEqual([0, 0, 1])
  expect(byGradients).toBe(2)
})

test('a point beyond epsilon is not nothing, nor is one that fooled surrogates alone', () => {
  const tally = startTally({ attacks: [{ name: 'rays', options: {} }] })
  const transfer = { queries: { forward: 1, gradient: 0 }, fooledSurrogate: true }
  tally.add(record({ attempts: [{ ...attempt('rays', 'exhausted'), distance: 0.4 }] }))
  tally.add(record({ attempts: [{ ...attempt('rays', 'exhausted'), transfer }] }))
  tally.add(record({ attempts: [attempt('rays', 'exhausted')] }))
  expect(tally.result().attacks[0]!.empty).toBe(1)
})

test('keeps a bounded number of reasons', () => {
  const tally = startTally({ attacks: [] })
  for (let i = 0; i < 1000; i++) tally.add(record({ verdict: 'unknown', error: `reason ${i}` }))
  const { reasons } = tally.result()
  expect(reasons.length).toBe(6)
  expect(reasons[0]).toEqual({ error: 'other reasons', count: 995 })
})
