import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  type Answer,
  left,
  linesOf,
  type Measured,
  markdown,
  medianDistance,
  onlyBroken,
} from '../bench/peers/table.js'

const none = Number.POSITIVE_INFINITY

function measured(tool: string, seconds: number, distances: number[], claimed: number): Measured {
  const clean = distances.map(distance => !Number.isNaN(distance))
  const verified = {
    clean,
    distances: distances.map(distance => (Number.isNaN(distance) ? none : distance)),
    beyond: 0,
  }
  const answer: Answer = {
    seconds,
    cpuSeconds: seconds / 2,
    clean: clean.filter(Boolean).length,
    claimed,
    batch: 32,
    runtimeShare: null,
    attacks: [],
  }
  return { tool, answer, setup: 1, verified, note: '' }
}

/** NaN stands for a sample that is misclassified without an attack. */
const ours = measured('robustly', 2, [0.1, none, Number.NaN, 0.4, 0.3], 1)
const peer = measured('peer', 9, [0.2, 0.5, Number.NaN, none, none], 2)

describe('numbers of the comparison', () => {
  test('count what is left, and take medians, of the samples that were clean', () => {
    expect(left(ours.verified)).toBe(1)
    expect(left(peer.verified)).toBe(2)
    expect(medianDistance(ours.verified)).toBeCloseTo((0.3 + 0.4) / 2)
    expect(medianDistance(peer.verified)).toBe(none)
    expect(medianDistance({ clean: [false], distances: [none], beyond: 0 })).toBeNaN()
  })

  test('the median does not depend on the order, and lies between the extremes', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0, max: 10, noNaN: true }), { minLength: 1 }), distances => {
        const clean = distances.map(() => true)
        const median = medianDistance({ clean, distances, beyond: 0 })
        expect(medianDistance({ clean, distances: distances.toReversed(), beyond: 0 })).toBe(median)
        expect(median).toBeGreaterThanOrEqual(Math.min(...distances))
        expect(median).toBeLessThanOrEqual(Math.max(...distances))
      }),
    )
  })

  test('say which samples only one of two tools broke', () => {
    expect(onlyBroken(ours.verified, peer.verified)).toEqual([[3, 4], [1]])
  })
})

describe('the table', () => {
  test('puts ratios beside peers, and says where a tool and the verifier differ', () => {
    const [first, second] = linesOf({ name: 'pgd-40', kind: 'budget' }, ours, [peer])
    expect(first!.slice(0, 10)).toEqual(['pgd-40', 'robustly', '4', '1', '', '2.00', '1.00', '', '', '1.00'])
    expect(second!.slice(0, 10)).toEqual(['', 'peer', '4', '2', '', '9.00', '4.50', '4.5', '4.5', '1.00'])
    expect(second!.at(-1)).toContain('broken by robustly only: 2, by it only: 1')
    const boastful = { ...peer, answer: { ...peer.answer, claimed: 0, clean: 3 } }
    const remarks = linesOf({ name: 'pgd-40', kind: 'budget' }, ours, [boastful])[1]!.at(-1)
    expect(remarks).toContain('it counts 0 left')
    expect(remarks).toContain('classifies 3 correctly, not 4')
    const outside = { ...peer, verified: { ...peer.verified, beyond: 0.01 } }
    expect(linesOf({ name: 'pgd-40', kind: 'budget' }, ours, [outside])[1]!.at(-1)).toContain('outside the ball')
    expect(second!.at(-1)).not.toMatch(/counts|outside|not 4/)
  })

  test('shows distances of minimum-distance attacks only', () => {
    const [first, second] = linesOf({ name: 'fmn', kind: 'minimum' }, ours, [peer])
    expect(first![4]).toBe('0.3500')
    expect(second![4]).toBe('half not found')
  })

  test('is Markdown with aligned columns', () => {
    const lines = markdown(['a', 'long title'], [['wide cell', 'x']]).split('\n')
    expect(lines).toHaveLength(3)
    expect(new Set(lines.map(({ length }) => length)).size).toBe(1)
  })
})
