import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { philox, randomStream } from './random.js'

const hex = (words: Uint32Array) => Array.from(words, word => word.toString(16).padStart(8, '0')).join(' ')

describe('philox', () => {
  // Known answers of philox4x32-10 from the Random123 distribution (kat_vectors).
  it.each([
    [[0, 0, 0, 0, 0, 0], '6627e8d5 e169c58d bc57ac4c 9b00dbd8'],
    [[-1, -1, -1, -1, -1, -1], '408f276d 41c83b0e a20bc7c6 6d5451fd'],
    [[0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0], 'd16cfe09 94fdcceb 5001e420 24126ea1'],
  ])('gives the known answer for %j', (words, expected) => {
    const out = new Uint32Array(4)
    const [c0, c1, c2, c3, k0, k1] = words
    philox(out, c0, c1, c2, c3, k0, k1)
    expect(hex(out)).toBe(expected)
  })
})

describe('randomStream', () => {
  const draw = (...key: Parameters<typeof randomStream>) => {
    const random = randomStream(...key)
    return Array.from({ length: 8 }, () => random.uint32()).join()
  }

  it('depends on every part of its key', () => {
    const streams = [
      draw(0, 0, 'a', 0),
      draw(1, 0, 'a', 0),
      draw(2 ** 40, 0, 'a', 0),
      draw(0, 1, 'a', 0),
      draw(0, 0, 'b', 0),
      draw(0, 0, 'a', 1),
    ]
    expect(new Set(streams).size).toBe(streams.length)
    expect(draw(7, 3, 'apgd-ce', 2)).toBe(draw(7, 3, 'apgd-ce', 2))
  })

  it('draws uniform and normal numbers with the right moments', () => {
    const random = randomStream(5, 0, 'moments')
    const count = 100_000
    const moments = (values: number[]) => [
      values.reduce((a, b) => a + b) / count,
      values.reduce((a, b) => a + b * b, 0) / count,
    ]
    const [uniformMean, uniformSquare] = moments(Array.from({ length: count }, () => random.uniform()))
    const [normalMean, normalSquare] = moments(Array.from({ length: count }, () => random.normal()))
    expect(uniformMean).toBeCloseTo(1 / 2, 2)
    expect(uniformSquare).toBeCloseTo(1 / 3, 2)
    expect(normalMean).toBeCloseTo(0, 1.7)
    expect(normalSquare).toBeCloseTo(1, 1.5)
  })

  it('fills arrays with normal numbers: moments, tails, and the whole distribution', () => {
    const values = new Float64Array(400_000)
    randomStream(6, 0, 'normals').normals(values)
    const moment = (power: number) => values.reduce((sum, value) => sum + value ** power, 0) / values.length
    // Within five standard errors of 0, 1, 0, 3.
    expect(Math.abs(moment(1))).toBeLessThan(5 * Math.sqrt(1 / values.length))
    expect(Math.abs(moment(2) - 1)).toBeLessThan(5 * Math.sqrt(2 / values.length))
    expect(Math.abs(moment(3))).toBeLessThan(5 * Math.sqrt(15 / values.length))
    expect(Math.abs(moment(4) - 3)).toBeLessThan(5 * Math.sqrt(96 / values.length))
    // P(X <= x) at points inside layers, at the start of the tail and beyond.
    const known = [
      [-3.442619855899, 2.8803e-4],
      [-2, 0.0227501],
      [-0.5, 0.3085375],
      [0.1, 0.5398278],
      [1.3, 0.9031995],
      [3.442619855899, 1 - 2.8803e-4],
      [4, 1 - 3.1671e-5],
    ]
    for (const [x, share] of known) {
      const found = values.reduce((count, value) => (value <= x ? count + 1 : count), 0) / values.length
      expect(Math.abs(found - share)).toBeLessThan(5 * Math.sqrt((share * (1 - share)) / values.length))
    }
    // Kolmogorov and Smirnov against Box and Muller.
    const random = randomStream(7, 0, 'normals')
    const other = Float64Array.from(values, () => random.normal()).sort()
    values.sort()
    let gap = 0
    for (let i = 0, j = 0; i < values.length; i++) {
      while (j < other.length && other[j] <= values[i]) j++
      gap = Math.max(gap, Math.abs(i + 1 - j) / values.length)
    }
    expect(gap).toBeLessThan(1.95 * Math.sqrt(2 / values.length))
  })

  it('draws integers in range', () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 2 ** 32 - 1 }), (seed, count) => {
        const value = randomStream(seed, 0, 'integers').integer(count)
        return Number.isInteger(value) && value >= 0 && value < count
      }),
    )
  })
})
