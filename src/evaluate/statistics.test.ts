import fc from 'fast-check'
import { expect, test } from 'vitest'
import { randomStream } from '../random.js'
import { betaQuantile, exactInterval, incompleteBeta, logGamma, samplesNeeded } from './statistics.js'

test('the gamma function: factorials, and the square root of pi', () => {
  let factorial = 1
  for (let n = 1; n <= 20; n++) {
    expect(logGamma(n)).toBeCloseTo(Math.log(factorial), 12)
    factorial *= n
  }
  expect(Math.exp(2 * logGamma(0.5))).toBeCloseTo(Math.PI, 12)
})

test('the incomplete beta function: closed forms, symmetry and the binomial distribution', () => {
  const shape = fc.double({ min: 0.3, max: 300, noNaN: true })
  const share = fc.double({ min: 1e-6, max: 1 - 1e-6, noNaN: true })
  fc.assert(
    fc.property(share, shape, shape, (x, a, b) => {
      expect(incompleteBeta(x, a, 1)).toBeCloseTo(x ** a, 11)
      expect(incompleteBeta(x, 1, b)).toBeCloseTo(1 - (1 - x) ** b, 11)
      expect(incompleteBeta(x, a, b) + incompleteBeta(1 - x, b, a)).toBeCloseTo(1, 11)
    }),
  )
  // P(X >= 3) of ten tosses.
  expect(incompleteBeta(0.5, 3, 8)).toBeCloseTo(1 - 56 / 1024, 13)
  expect(betaQuantile(1 - 56 / 1024, 3, 8)).toBeCloseTo(0.5, 13)
})

test('the exact interval: one sample, all of them, half of them', () => {
  expect(exactInterval(0, 1)).toEqual([0, expect.closeTo(0.975, 15)])
  expect(exactInterval(1, 1)).toEqual([expect.closeTo(0.025, 15), 1])
  // The rule of three: with a one-sided 95 % bound, nothing in n samples means at most 3 / n.
  expect(exactInterval(0, 10_000, 0.9)[1] * 10_000).toBeCloseTo(-Math.log(0.05), 2)
  for (const count of [2, 10, 1000, 100_000]) {
    const [low, high] = exactInterval(count / 2, count)
    expect(low + high).toBeCloseTo(1, 12)
    expect(incompleteBeta(low, count / 2, count / 2 + 1)).toBeCloseTo(0.025, 9)
  }
})

/** The probability that the interval holds the true rate: the sum over all counts that there can be. */
function coverage(count: number, truth: number, intervals: readonly (readonly [number, number])[]): number {
  let sum = 0
  for (let correct = 0; correct <= count; correct++) {
    const [low, high] = intervals[correct]!
    if (truth < low || truth > high) continue
    const ways = logGamma(count + 1) - logGamma(correct + 1) - logGamma(count - correct + 1)
    sum += Math.exp(ways + correct * Math.log(truth) + (count - correct) * Math.log1p(-truth))
  }
  return sum
}

test.each([1, 5, 20, 100, 400])(
  'the interval of %i samples covers every true rate at least 95 %% of the time',
  count => {
    const intervals = Array.from({ length: count + 1 }, (_, correct) => exactInterval(correct, count))
    for (let step = 1; step < 200; step++) {
      expect(coverage(count, step / 200, intervals), `rate ${step / 200}`).toBeGreaterThanOrEqual(0.95)
    }
  },
)

test('simulated evaluations agree with the coverage that is computed', () => {
  const random = randomStream(1, 0, 'coverage')
  const [count, truth, times] = [100, 0.45, 4000]
  const intervals = Array.from({ length: count + 1 }, (_, correct) => exactInterval(correct, count))
  let held = 0
  for (let time = 0; time < times; time++) {
    let correct = 0
    for (let at = 0; at < count; at++) if (random.uniform() < truth) correct++
    const [low, high] = intervals[correct]!
    if (low <= truth && truth <= high) held++
  }
  const computed = coverage(count, truth, intervals)
  expect(Math.abs(held / times - computed)).toBeLessThan(4 * Math.sqrt((computed * (1 - computed)) / times))
})

test('samples that settle a question: closed forms and counting one by one', () => {
  // All are right: 0.025^(1/n) >= 0.99 from n = ln 0.025 / ln 0.99 on.
  const needed = samplesNeeded(10, count => exactInterval(count, count)[0] >= 0.99)
  expect(needed).toBe(Math.ceil(Math.log(0.025) / Math.log(0.99)))
  const settled = (count: number) => exactInterval(0.5 * count, count)[0] >= 0.42
  let slow = 30
  while (!settled(slow)) slow++
  expect(samplesNeeded(30, settled)).toBe(slow)
  expect(samplesNeeded(500, settled)).toBe(500)
  expect(samplesNeeded(30, () => false)).toBeUndefined()
})
