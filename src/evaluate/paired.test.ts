import fc from 'fast-check'
import { expect, test } from 'vitest'
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

test('the interval of Bonett and Price', () => {
  // n = 100, b = 10, c = 20: p = 11/102 and 21/102.
  const { difference, interval } = pair(10, 20)
  expect(difference).toBeCloseTo(0.1, 12)
  const half = 1.959963984540054 * Math.sqrt((32 / 102 - (10 / 102) ** 2) / 102)
  expect(interval[0]).toBeCloseTo(10 / 102 - half, 12)
  expect(interval[1]).toBeCloseTo(10 / 102 + half, 12)
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
