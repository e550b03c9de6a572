import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { loadEngine } from '../runtime/engine.js'
import { readModelFile } from '../runtime/files.js'
import { type InspectedModel, inspectModel } from './facts.js'
import { type SuiteTimes, suiteTimes } from './preflight-times.js'

async function timesOf(name: string, changed: Partial<InspectedModel> = {}): Promise<SuiteTimes> {
  const path = fileURLToPath(new URL(`../../${name}`, import.meta.url))
  const facts = { ...(await inspectModel(path)), ...changed }
  const space = {
    sampleShape: facts.inputShape,
    dataLayout: undefined,
    modelLayout: undefined,
    mean: undefined,
    std: undefined,
  }
  return suiteTimes(await loadEngine(), await readModelFile(path), space, facts)
}

const names = ({ suites }: SuiteTimes) => [...new Set(suites.map(({ suite }) => suite))]
const queriesOf = ({ suites }: SuiteTimes, suite: string, norm: string) =>
  suites.find(each => each.suite === suite && each.norm === norm)?.queries

describe('times of suites', () => {
  it('count what a robust sample is asked: AutoAttack on ten classes', async () => {
    const times = await timesOf('examples/models/mnist-cnn.onnx')
    expect(names(times)).toEqual(['quick', 'standard', 'plus', 'scores', 'labels'])
    // 100 steps and the start.
    expect(queriesOf(times, 'quick', 'Linf')).toEqual({ forward: 0, gradient: 101 })
    // APGD-CE; nine targets of APGD-T and of FAB-T, each of which looks at the clean sample first; Square.
    const { forward, gradient } = queriesOf(times, 'standard', 'Linf')!
    expect(gradient).toBeGreaterThanOrEqual(101 + 9 * 101 + 9 * 100)
    expect(gradient).toBeLessThan(101 + 9 * 101 + 9 * 102)
    expect(forward).toBeGreaterThan(5000)
    expect(forward).toBeLessThan(5000 + 9 * 102)
    expect(queriesOf(times, 'standard', 'L0')).toBeUndefined()
    const { forward: f, gradient: g } = times.secondsPerQuery
    const { seconds } = times.suites.find(({ suite }) => suite === 'standard')!
    expect(seconds).toBeCloseTo((1000 * (forward * f + gradient * g!)) / times.processes, 6)
    expect(f).toBeGreaterThan(0)
  })

  it('follow the number of classes in untargeted FAB alone', async () => {
    const model = 'examples/models/mnist-cnn.onnx'
    const classes = (count: number) => timesOf(model, { classes: count }).then(times => queriesOf(times, 'plus', 'L2')!)
    const [ten, twenty, many] = [await classes(10), await classes(20), await classes(40)]
    expect(many.gradient - twenty.gradient).toBe(2 * (twenty.gradient - ten.gradient))
    // 5 restarts of 100 steps, a gradient for every class.
    expect(twenty.gradient - ten.gradient).toBe(5 * 100 * 10)
    expect(many.forward).toBe(ten.forward)
  })

  it('leave out what a model has no answers for', async () => {
    const forest = await timesOf('test/exports/models/breast-cancer-forest.onnx')
    expect(names(forest)).toEqual(['scores', 'labels'])
    expect(forest.secondsPerQuery.gradient).toBeNull()
    expect(names(await timesOf('test/exports/models/breast-cancer-forest-label.onnx'))).toEqual(['labels'])
  })

  it('know the suite for models that draw at random', async () => {
    const times = await timesOf('examples/models/mnist-cnn.onnx', { randomised: true })
    expect(names(times)).toEqual(['rand', 'scores', 'labels'])
    expect(queriesOf(times, 'rand', 'Linf')).toEqual({ forward: 0, gradient: 2 * 20 * 101 })
  })
})
