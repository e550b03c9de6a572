/** Searches on a surrogate: who is asked what, and what counts. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { compileGraph, linearGraph } from '../../test/support/models.js'
import { labelOf } from '../model/batch-model.js'
import type { CompiledModel } from '../model/compile.js'
import { norms, type ThreatModel } from '../threat/threat.js'
import type { Sample } from './attack.js'
import { attacks } from './index.js'
import { type Outcome, type SchedulerOptions, schedule } from './scheduler.js'

const features = 8
const input = new Float32Array(features).fill(0.5)
const sample: Sample = { index: 0, input, label: 0, shape: [features], classes: 2 }
const threat: ThreatModel = { norm: norms.Linf, epsilon: 0.1, epsilonText: '0.1', box: { low: 0, high: 1 } }
/** Class 0 where twice the sum of x - 0.5, the first features with plus and the others with minus, is above -margin. */
const halfSpace = (signs: number, margin: number) => {
  const row = Array.from({ length: features }, (_, i) => (i < signs ? 1 : -1))
  const middle = row.reduce((sum, w) => sum + w / 2, 0)
  return linearGraph([row, row.map(value => -value)], [margin - middle, middle])
}

const models = new Map<string, CompiledModel>()
beforeAll(async () => {
  const losses = [...new Set([...attacks.values()].flatMap(attack => attack.losses(2)))]
  models.set('surrogate', await compileGraph(halfSpace(8, 0.2), features, 4, losses))
  models.set('alike', await compileGraph(halfSpace(8, 0.2), features, 4, []))
  models.set('opposed', await compileGraph(halfSpace(0, 0.2), features, 4, []))
  models.set('far', await compileGraph(halfSpace(8, 1.8), features, 4, []))
})
afterAll(async () => {
  for (const model of models.values()) await model[Symbol.asyncDispose]()
})

async function transfer(
  target: string,
  name: string,
  options: object = {},
  more: Partial<SchedulerOptions> = {},
): Promise<{ outcome: Outcome; judged: number }> {
  const attack = attacks.get(name)!
  const queue = [{ sample, attack, options: attack.options.parse(options) }]
  const model = models.get(target)!
  let outcome: Outcome | undefined
  let judged = 0
  await schedule({
    model,
    surrogate: models.get('surrogate')!,
    threat,
    seed: 0,
    take: () => queue.shift(),
    more: async () => false,
    async judge(_, point) {
      judged++
      model.inputs.set(point)
      return labelOf(await model.scores(), 0, 2) !== sample.label
    },
    decided(_, found) {
      outcome = { ...found }
      return undefined
    },
    ...more,
  })
  return { outcome: outcome!, judged }
}

test('the target is asked once for an attack, however many steps that takes on the surrogate', async () => {
  const { outcome, judged } = await transfer('alike', 'bim', { steps: 7 })
  expect(outcome).toMatchObject({
    status: 'hit',
    queries: { forward: 1, gradient: 0 },
    transfer: { queries: { forward: 1, gradient: 7 }, fooledSurrogate: true },
  })
  expect(judged).toBe(1)
})

test('an attack that asks for no label has its proposal judged', async () => {
  const { outcome } = await transfer('alike', 'apgd-ce', { steps: 10 })
  expect(outcome).toMatchObject({ status: 'hit', queries: { forward: 1, gradient: 0 } })
  expect(outcome.transfer!.queries).toEqual({ forward: 1, gradient: 11 })
})

test('a surrogate that is fooled while the target is not', async () => {
  for (const target of ['opposed', 'far']) {
    const { outcome, judged } = await transfer(target, 'pgd', { steps: 5, stepSize: 0.2, restarts: 3 })
    expect(outcome).toMatchObject({ status: 'exhausted', queries: { forward: 3, gradient: 0 } })
    expect(outcome.transfer).toEqual({ queries: { forward: 3, gradient: 15 }, fooledSurrogate: true })
    expect(judged).toBe(0)
  }
})

test('a minimum-distance attack offers its proposal and nothing before', async () => {
  const { outcome } = await transfer('far', 'fmn', { steps: 10 }, { stop: 'budget' })
  expect(outcome).toMatchObject({ status: 'exhausted', point: undefined, queries: { forward: 1, gradient: 0 } })
  expect(outcome.transfer!.fooledSurrogate).toBe(true)
})

test('an attack by scores asks the target alone, as without a surrogate', async () => {
  const options = { queries: 20 }
  const { outcome } = await transfer('far', 'square', options)
  const without = await transfer('far', 'square', options, { surrogate: undefined })
  expect(outcome).toEqual(without.outcome)
  expect(outcome.transfer).toBeUndefined()
})
