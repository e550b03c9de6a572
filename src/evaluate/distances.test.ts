import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { startDistances } from './distances.js'
import { rate } from './metrics.js'
import type { Attempt, SampleRecord } from './record.js'
import type { EvaluationSpec } from './spec.js'

type Spec = Pick<EvaluationSpec, 'attacks' | 'mode' | 'threat'>

const specOf = (epsilon: number, names = ['ddn', 'fmn'], mode: Spec['mode'] = 'individual'): Spec => ({
  attacks: names.map(name => ({ name, options: {} })),
  mode,
  threat: { norm: 'L2', epsilon, epsilonText: `${epsilon}`, box: null },
})

/** A sample with what each attack found, in a run at that epsilon; null: nothing. */
function record(epsilon: number, found: Readonly<Record<string, number | null>>, clean = true): SampleRecord {
  const attempts = Object.entries(found).map(
    ([attack, distance]): Attempt => ({
      attack,
      status: distance !== null && distance <= epsilon ? 'hit' : 'exhausted',
      queries: { forward: 1, gradient: 1 },
      zeroGradients: 0,
      distance,
    }),
  )
  const least = Math.min(...Object.values(found).map(distance => distance ?? Number.POSITIVE_INFINITY))
  const broken = least <= epsilon
  return {
    index: 0,
    label: 1,
    prediction: clean ? 1 : 0,
    verdict: !clean || broken ? 'broken' : 'robust',
    attack: clean && broken ? 'ddn' : null,
    distance: clean ? (broken ? least : null) : 0,
    margin: 1,
    adversarialPrediction: null,
    attempts: clean ? attempts : [],
    adversarial: null,
    error: null,
  }
}

function distancesOf(spec: Spec, records: readonly SampleRecord[]) {
  const distances = startDistances(spec)
  for (const each of records) distances.add(each)
  return distances.result()
}

describe('distances of a run', () => {
  const epsilon = 0.5
  const records = [
    record(epsilon, { ddn: 0.25, fmn: 0.5 }),
    record(epsilon, { ddn: 1, fmn: 0.75 }),
    record(epsilon, { ddn: null, fmn: 2 }),
    record(epsilon, { ddn: null, fmn: null }),
    record(epsilon, {}, false),
  ]

  it('are those of the nearest point of each sample', () => {
    expect(distancesOf(specOf(epsilon), records)).toEqual({
      norm: 'L2',
      median: 0.75,
      quantiles: [
        { share: 0.1, distance: 0 },
        { share: 0.25, distance: 0.25 },
        { share: 0.5, distance: 0.75 },
        { share: 0.75, distance: 2 },
        { share: 0.9, distance: null },
      ],
      curve: [
        { epsilon: 0, robust: 0.8 },
        { epsilon: 0.25, robust: 0.6 },
        { epsilon: 0.5, robust: 0.6 },
        { epsilon: 0.75, robust: 0.4 },
        { epsilon: 2, robust: 0.2 },
      ],
      attacks: [
        // Areas up to 2: 0.25 + 1 + 2 + 2 and 0.5 + 0.75 + 2 + 2 and, of the best, 0.25 + 0.75 + 2 + 2, of 4 times 2.
        { name: 'ddn', found: 2, median: 1, optimality: 1 - 0.25 / 3 },
        { name: 'fmn', found: 3, median: 0.75, optimality: 1 - 0.25 / 3 },
      ],
      withoutDistance: 1,
    })
  })

  it('have no median when more than half survive', () => {
    const found = [{ ddn: 0.1 }, { ddn: null }, { ddn: null }].map(each => record(epsilon, each))
    expect(distancesOf(specOf(epsilon, ['ddn']), found)).toMatchObject({ median: null, withoutDistance: 2 })
  })

  it('are none of a cascade, nor of attacks that search inside epsilon only', () => {
    expect(distancesOf(specOf(epsilon, ['ddn', 'fmn'], 'cascade'), records)).toBeUndefined()
    expect(distancesOf(specOf(epsilon, ['pgd', 'fgsm']), records)).toBeUndefined()
  })

  it('a sample without a verdict is robust nowhere', () => {
    const unknown = { ...record(epsilon, { ddn: 1 }), verdict: 'unknown' as const }
    expect(distancesOf(specOf(epsilon, ['ddn']), [unknown, record(epsilon, { ddn: 1 })])!.curve).toEqual([
      { epsilon: 0, robust: 0.5 },
      { epsilon: 0.5, robust: 0.5 },
      { epsilon: 1, robust: 0 },
    ])
  })
})

it('the curve is the robust accuracy at every one of its points, and never rises', () => {
  const distance = fc.option(fc.double({ min: 0, max: 10, noNaN: true }), { nil: null })
  const sample = fc.record({ ddn: distance, fmn: distance })
  const samples = fc.array(fc.tuple(sample, fc.boolean()), { minLength: 1, maxLength: 500 })
  fc.assert(
    fc.property(samples, fc.double({ min: 0, max: 10, noNaN: true }), (found, epsilon) => {
      const records = found.map(([each, clean]) => record(epsilon, each, clean))
      const { curve, withoutDistance, median } = distancesOf(specOf(epsilon), records)!
      expect(curve.length).toBeLessThanOrEqual(200)
      for (const { epsilon: at, robust } of curve) {
        const left = found.filter(
          ([{ ddn, fmn }, clean]) =>
            clean && Math.min(ddn ?? Number.POSITIVE_INFINITY, fmn ?? Number.POSITIVE_INFINITY) > at,
        )
        expect(robust).toBe(left.length / found.length)
      }
      const at = curve.find(point => point.epsilon === epsilon)!
      const verdicts = records.filter(({ verdict }) => verdict === 'robust').length
      expect(at.robust).toBe(rate(verdicts, records.length).value)
      expect(curve.at(-1)!.robust).toBe(withoutDistance / records.length)
      expect(median === null).toBe(withoutDistance > records.length / 2)
      expect(curve).toEqual(curve.toSorted((a, b) => a.epsilon - b.epsilon || b.robust - a.robust))
    }),
  )
})
