import fc from 'fast-check'
import { expect, test } from 'vitest'
import { madeUpResult } from '../../../test/support/result.js'
import { differenceInterval } from '../../evaluate/paired.js'
import { exactInterval } from '../../evaluate/statistics.js'
import { type Baseline, type Decision, decide } from './decide.js'
import { parseRequirement } from './requirement.js'
import { outcomeText } from './words.js'

const ask = (text: string, result = madeUpResult(), how: Decision = 'interval', baseline?: Baseline) =>
  decide(parseRequirement(text), result, how, baseline)

// 470 of 1,000: 43.87 % to 50.15 %.
test.each([
  ['robust >= 0.43', 'met'],
  ['robust >= 0.45', 'undecided'],
  ['robust >= 0.51', 'not-met'],
  ['robust > 0.51', 'not-met'],
  ['robust <= 0.51', 'met'],
  ['robust < 0.45', 'undecided'],
  ['robust < 0.43', 'not-met'],
  ['standard >= 0.85', 'met'],
  ['apgd-ce.robust >= 0.43', 'met'],
  ['unknown <= 0', 'met'],
  ['unknown < 0', 'not-met'],
])('%s: %s', (text, status) => {
  expect(ask(text)).toMatchObject({ status })
})

test('by the point there is nothing undecided', () => {
  expect(ask('robust >= 0.47', undefined, 'point')).toMatchObject({ status: 'met', by: 0 })
  expect(ask('robust > 0.47', undefined, 'point').status).toBe('not-met')
  expect(ask('robust >= 0.45', undefined, 'point')).toMatchObject({ status: 'met', moreSamples: null })
})

test('how many more samples would decide, as counting one by one finds', () => {
  const { moreSamples, by } = ask('robust >= 0.45')
  expect(by).toBeCloseTo(0.45 - exactInterval(470, 1000)[0], 12)
  let count = 1000
  while (exactInterval(0.47 * count, count)[0] < 0.45) count++
  expect(moreSamples).toBe(count - 1000)
  // At the threshold itself no number of samples decides.
  expect(ask('robust >= 0.47').moreSamples).toBeNull()
  expect(outcomeText(ask('robust >= 0.47'))).toContain('More samples at this rate would not decide it.')
})

test('statuses follow from the interval alone, and turn with the sign', () => {
  const counts = fc
    .integer({ min: 1, max: 3000 })
    .chain(count => fc.tuple(fc.integer({ min: 0, max: count }), fc.constant(count)))
  fc.assert(
    fc.property(counts, fc.integer({ min: 0, max: 1000 }), ([robust, count], thousandths) => {
      const result = madeUpResult({ count, correct: count, robust })
      const [low, high] = exactInterval(robust, count)
      const threshold = thousandths / 1000
      const { status } = ask(`robust >= ${threshold}`, result)
      expect(status).toBe(low >= threshold ? 'met' : high < threshold ? 'not-met' : 'undecided')
      const opposite = { met: 'not-met', 'not-met': 'met', undecided: 'undecided' }
      expect(ask(`robust < ${threshold}`, result).status).toBe(opposite[status])
    }),
    { numRuns: 50 },
  )
})

test('a drop: paired where verdicts are known, wider from two rates', () => {
  const before = madeUpResult({ robust: 480 })
  const pairs = { both: 465, onlyFirst: 15, onlySecond: 5, neither: 515 }
  const paired = ask('drop <= 0.03 vs x', undefined, 'interval', { result: before, pairs })
  const [low, high] = differenceInterval(15, 5, 1000)
  expect(paired).toMatchObject({ measured: 0.01, interval: [-high, -low], count: 1000, pairs })
  expect(paired.status).toBe(-low <= 0.03 ? 'met' : 'undecided')
  const apart = ask('drop <= 0.03 vs x', undefined, 'interval', { result: before, pairs: undefined })
  expect(apart.measured).toBeCloseTo(0.01, 12)
  expect(apart.interval![0]).toBeLessThan(paired.interval![0]!)
  expect(apart.interval![1]).toBeGreaterThan(paired.interval![1]!)
  expect(apart.status).toBe('undecided')
  expect(outcomeText(paired)).toMatch(/lost 15, won 5 samples, McNemar p = 0\.0414/)
})

test('the median distance: more than half are robust below it, fewer above', () => {
  const curve = [0.9, 0.7, 0.56, 0.5, 0.44, 0.2].map((robust, at) => ({ epsilon: at / 10, robust }))
  const distances = {
    norm: 'L2' as const,
    bound: 'upper' as const,
    median: 0.3,
    quantiles: [],
    curve,
    attacks: [],
    withoutDistance: 0,
  }
  const result = { ...madeUpResult(), distances }
  expect(ask('median-distance >= 0.2', result)).toMatchObject({ status: 'met', interval: [0.2, 0.4], measured: 0.3 })
  expect(ask('median-distance >= 0.25', result)).toMatchObject({ status: 'undecided' })
  expect(ask('median-distance >= 0.5', result)).toMatchObject({ status: 'not-met' })
  const never = { ...result, distances: { ...distances, median: null, curve: [{ epsilon: 0, robust: 0.9 }] } }
  expect(ask('median-distance > 0.1', never)).toMatchObject({
    status: 'undecided',
    measured: null,
    interval: [0, null],
  })
  expect(outcomeText(ask('median-distance <= 3', never))).toContain('without end')
})

test.each([
  ['certified >= 0.1', /certified nothing/],
  ['fab.robust >= 0.1', /no attack "fab" ran/],
  ['median-distance >= 0.1', /measured no distances/],
  ['drop <= 0.1 vs x', /no baseline/],
])('%s: what was not measured is an error, never met', (text, message) => {
  expect(() => ask(text)).toThrow(expect.objectContaining({ code: 'config', message: expect.stringMatching(message) }))
})
