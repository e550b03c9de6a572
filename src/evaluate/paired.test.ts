import fc from 'fast-check'
import { expect, test } from 'vitest'
import { randomStream } from '../random.js'
import { pairedDifference } from './paired.js'

const pair = (onlyFirst: number, onlySecond: number, both = 50, neither = 20) =>
  pairedDifference({ both, onlyFirst, onlySecond, neither })

test('the exact test agrees with closed forms', () => {
  // 2 (1 + 10 + 45) / 2^10, 2 / 2^6, and no evidence where nothing differs.
  expect(pair(2, 8).probability).toBeCloseTo(112 / 1024, 12)
  expect(pair(6, 0).probability).toBeCloseTo(2 / 64, 12)
  expect(pair(0, 0).probability).toBe(1)
  expect(pair(5, 5).probability).toBe(1)
  // 2 P(X <= 900) of 2,000 tosses, 8.3e-6 by the normal approximation with continuity correction.
  expect(pair(900, 1100).probability).toBeCloseTo(8.48e-6, 7)
})

test('the exact test agrees with counting every way in which pairs can differ', () => {
  for (let first = 0; first <= 6; first++) {
    for (let second = 0; second <= 6; second++) {
      const trials = first + second
      let asUneven = 0
      for (let ways = 0; ways < 2 ** trials; ways++) {
        let ones = 0
        for (let bit = 0; bit < trials; bit++) ones += (ways >> bit) & 1
        if (Math.abs(2 * ones - trials) >= Math.abs(first - second)) asUneven++
      }
      expect(pair(first, second).probability).toBeCloseTo(asUneven / 2 ** trials, 12)
    }
  }
})

test('the interval agrees with closed forms', () => {
  // Nothing differs in n pairs: the rate of pairs that do is at most 1 - 0.005^(1/n).
  const most = 1 - 0.005 ** (1 / 70)
  expect(pair(0, 0).interval).toEqual([expect.closeTo(-most, 12), expect.closeTo(most, 12)])
  // All pairs differ, one way: 1 - 2 * 0.02^(1/n), at least 0.005^(1/n) of them.
  const { difference, interval } = pair(0, 10, 0, 0)
  expect(difference).toBe(1)
  expect(interval).toEqual([expect.closeTo((2 * 0.02 ** (1 / 10) - 1) * 0.005 ** (1 / 10), 12), 1])
})

test('the interval holds the true difference at least 95 % of the time', () => {
  const random = randomStream(1, 0, 'paired coverage')
  for (const [first, second] of [
    [0.5, 0.49],
    [0.02, 0.02],
    [0.01, 0.1],
    [0.3, 0],
  ] as const) {
    for (const count of [12, 60, 400]) {
      let held = 0
      for (let time = 0; time < 1000; time++) {
        const counts = { both: 0, onlyFirst: 0, onlySecond: 0, neither: 0 }
        for (let at = 0; at < count; at++) {
          const drawn = random.uniform()
          counts[drawn < first ? 'onlyFirst' : drawn < first + second ? 'onlySecond' : 'both']++
        }
        const [low, high] = pairedDifference(counts).interval
        if (low <= second - first && second - first <= high) held++
      }
      // Two standard errors of the simulation below 95 %.
      expect(held, `${first} ${second} ${count}`).toBeGreaterThanOrEqual(950 - 2 * Math.sqrt(1000 * 0.05 * 0.95))
    }
  }
})

test('exchanging the two turns the sign and nothing else', () => {
  const count = fc.integer({ min: 0, max: 5000 })
  fc.assert(
    fc.property(count, count, count, (onlyFirst, onlySecond, both) => {
      const there = pair(onlyFirst, onlySecond, both)
      const back = pair(onlySecond, onlyFirst, both)
      expect(back.difference).toBeCloseTo(-there.difference, 12)
      expect(back.interval[0]).toBeCloseTo(-there.interval[1], 12)
      expect(back.probability).toBeCloseTo(there.probability, 12)
      expect(there.probability).toBeGreaterThanOrEqual(0)
      expect(there.probability).toBeLessThanOrEqual(1)
      expect(there.interval[0]).toBeLessThanOrEqual(there.interval[1])
    }),
  )
})

test('nothing in common proves nothing', () => {
  expect(() => pair(0, 0, 0, 0)).toThrow('no sample in common')
})
