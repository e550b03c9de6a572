import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { SampleRecord } from '../../src/evaluate/record.js'
import { startColumns } from '../../src/report/html/columns.js'
import { madeUpRun } from '../../test/support/report-run.js'
import { numbersOf } from './columns.js'
import {
  answerUnderAttack,
  classCounts,
  confusion,
  fateOf,
  gradientsToBreak,
  median,
  paired,
  queriesToBreak,
  smallestDistances,
  survival,
  thinned,
} from './derive.js'
import { decoded, runOf } from './report.js'
import { answerOf, halfText, significant } from './words.js'

const attempt = (attack: string, distance: number | null, forward: number, gradient: number) =>
  ({
    attack,
    status: distance === null ? 'exhausted' : 'hit',
    queries: { forward, gradient },
    zeroGradients: 0,
    distance,
  }) as const
const blank = {
  adversarial: null,
  error: null,
  distance: null,
  adversarialPrediction: null,
  attack: null,
  margin: null,
}

/** Broken by b after a failed, standing, misclassified, without a verdict. */
const four: readonly SampleRecord[] = [
  {
    ...blank,
    index: 10,
    label: 1,
    prediction: 1,
    verdict: 'broken',
    attack: 'b',
    distance: 0.5,
    adversarialPrediction: 2,
    attempts: [attempt('a', null, 3, 4), attempt('b', 0.5, 1, 2)],
  },
  { ...blank, index: 11, label: 2, prediction: 2, verdict: 'robust', attempts: [attempt('a', null, 1, 1)] },
  { ...blank, index: 12, label: 1, prediction: 3, verdict: 'broken', distance: 0, attempts: [] },
  { ...blank, index: 13, label: 2, prediction: 2, verdict: 'unknown', error: 'lost', attempts: [] },
]

function recordsOf(all: readonly SampleRecord[]) {
  const columns = startColumns(['a', 'b'])
  for (const record of all) columns.add(record)
  return decoded(columns.result())
}

test('what became of each sample, and what the model says under attack', () => {
  const records = recordsOf(four)
  expect([0, 1, 2, 3].map(row => fateOf(records, row))).toEqual(['broken', 'standing', 'misclassified', 'unknown'])
  expect([0, 1, 2, 3].map(row => answerUnderAttack(records, row))).toEqual([2, 2, 3, -1])
  expect(smallestDistances(records)).toEqual([0.5, Number.POSITIVE_INFINITY, 0, Number.POSITIVE_INFINITY])
  expect(queriesToBreak(records)).toEqual([10, Number.POSITIVE_INFINITY, 0, Number.POSITIVE_INFINITY])
  expect([0, 1].map(attack => gradientsToBreak(records, attack))).toEqual([
    [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY],
    [2],
  ])
  expect(classCounts(records)).toEqual([
    { label: 1, count: 2, correct: 1, standing: 0, mistakenFor: { label: 2, count: 1 } },
    { label: 2, count: 2, correct: 2, standing: 1, mistakenFor: null },
  ])
  expect(confusion(records, row => answerUnderAttack(records, row))).toEqual({
    labels: [1, 2, 3],
    counts: [
      [0, 1, 1],
      [0, 1, 0],
      [0, 0, 0],
    ],
    largestMistake: 1,
  })
})

test('classes and fates add up to the run', () => {
  const { document } = madeUpRun({ count: 500 })
  const records = decoded(document.records!)
  const { standard, robust } = document.result.accuracy
  const sum = (of: (counts: ReturnType<typeof classCounts>[number]) => number) =>
    classCounts(records).reduce((total, counts) => total + of(counts), 0)
  expect([sum(row => row.count), sum(row => row.correct), sum(row => row.standing)]).toEqual([
    500,
    standard.correct,
    robust.correct,
  ])
  const last = survival(queriesToBreak(records), 500).at(-1)!
  expect(last.share).toBeCloseTo(robust.value, 12)
})

test('the security curve is the share of samples beyond each distance, also when thinned', () => {
  const distances = fc.array(
    fc.oneof(fc.double({ min: 0, max: 5, noNaN: true }), fc.constant(Number.POSITIVE_INFINITY)),
    {
      minLength: 1,
    },
  )
  fc.assert(
    fc.property(distances, fc.integer({ min: 2, max: 20 }), (falls, most) => {
      const steps = survival(falls, falls.length)
      const beyond = (x: number) => falls.filter(fall => fall > x).length / falls.length
      for (const { x, share } of steps) expect(share).toBeCloseTo(beyond(x), 12)
      const few = thinned(steps, most)
      expect(few.length).toBeLessThanOrEqual(Math.max(most, 1))
      expect(few[0]).toEqual(steps[0])
      expect(few.at(-1)).toEqual(steps.at(-1))
      expect(few.every(step => steps.includes(step))).toBe(true)
    }),
  )
})

test('runs are paired by the samples that both have, and only on the same data', () => {
  const first = runOf(madeUpRun({ count: 100 }).document, 0)
  const { document } = madeUpRun({ count: 60, seed: 2 })
  const second = runOf(document, 1)
  const pair = paired(first, second, 'robust')!
  expect(pair.count).toBe(60)
  expect(pair.both + pair.onlySecond).toBe(document.result.accuracy.robust.correct)
  const same = paired(first, first, 'standard')!
  expect(same).toMatchObject({ onlyFirst: 0, onlySecond: 0, probability: 1 })
  const data = { ...document.result.data, sha256: 'c'.repeat(64) }
  expect(paired(first, runOf({ ...document, result: { ...document.result, data } }, 1), 'robust')).toBe(null)
})

test('the answer in words', () => {
  const { document } = madeUpRun({ count: 200, attacks: ['square', 'rays'] })
  const { start, share, end, details } = answerOf(runOf(document, 0))
  const { robust } = document.result.accuracy
  expect(`${start} ${share} ${end}`).toBe(
    `At Linf 0.1 an attacker who sees the scores of the model fools it on ${(100 * (1 - robust.value)).toFixed(1)} % of images`,
  )
  expect(details[0]).toMatch(/^95 % interval [\d.]+ – [\d.]+ %, from 200 images\.$/)
  const asked = { count: 60, attacks: ['fmn'], mode: 'individual' } as const
  const { result } = madeUpRun(asked).document
  const half = (median: number | null) =>
    halfText(runOf({ ...document, result: { ...result, distances: { ...result.distances!, median } } }, 0))
  expect(half(1)).toContain('Half of the images are fooled by a change of 1 or less')
  expect(half(null)).toContain('More than half')
  expect([0, 1234, 0.03137, -1e-9, Number.NaN].map(significant)).toEqual(['0', '1230', '0.0314', '−1.00e−9', '–'])
})

test('medians, and columns of nothing', () => {
  expect([median([3, 1, 2]), median([4, 1, 2, 3])]).toEqual([2, 2.5])
  expect([...numbersOf({ type: 'f32', data: '' })]).toEqual([])
})
