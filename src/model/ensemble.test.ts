import { expect, test } from 'vitest'
import { flatSpace, linearGraph, mlpGraph } from '../../test/support/models.js'
import { loadEngine } from '../runtime/engine.js'
import { compile, prepareModel } from './compile.js'
import { compileMean } from './ensemble.js'

const features = 6
const options = { batch: 3, threads: 1, losses: ['logit-difference', 'cross-entropy'] } as const
const prepared = (seed: number, classes = 4) =>
  prepareModel({ graph: mlpGraph([features, 9, classes], seed), functions: [] }, flatSpace(features))
const points = Float32Array.from({ length: 3 * features }, (_, i) => ((i * 7) % 11) / 10)

test('logits are the mean of those of the models, and so are gradients of what is linear in them', async () => {
  const engine = await loadEngine()
  const linear = prepareModel(
    {
      graph: linearGraph(
        [1, 2, 3, 4].map(k => Array(features).fill(k / 10)),
        [0, 0, 0, 0],
      ),
      functions: [],
    },
    flatSpace(features),
  )
  const models = [prepared(1), prepared(2), linear]
  const rows = [0, 1, 2].map(label => ({ loss: 'logit-difference', label, target: 3 }) as const)
  const ask = async (model: Awaited<ReturnType<typeof compile>>) => {
    model.inputs.set(points)
    const { logits, gradients } = await model.gradients(rows)
    await model[Symbol.asyncDispose]()
    return { logits, gradients }
  }
  const alone: Awaited<ReturnType<typeof ask>>[] = []
  for (const model of models) alone.push(await ask(await compile(model, engine, options)))
  const together = await ask(await compileMean(models, engine, options))
  for (const part of ['logits', 'gradients'] as const) {
    together[part].forEach((value, i) => {
      expect(value).toBeCloseTo(alone.reduce((sum, each) => sum + each[part][i], 0) / 3, 5)
    })
  }
})

test('models of different classes are refused', async () => {
  const engine = await loadEngine()
  await expect(compileMean([prepared(1), prepared(2, 5)], engine, options)).rejects.toMatchObject({
    code: 'config',
    message: expect.stringContaining('4 and 5 classes'),
  })
})
