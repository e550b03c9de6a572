import { expect, test } from 'vitest'
import { GraphBuilder } from '../onnx/build.js'
import { loadEngine } from '../runtime/engine.js'
import { float32 } from '../tensor/tensor.js'
import { compileGraph } from './compile.js'

/** Two samples of two features, whose logits are twice their features. */
function doubled() {
  const b = new GraphBuilder('doubled')
  b.output(b.mul(b.input('x', 'float32', [2, 2]), b.constant(float32([2], [1]))), 'logits')
  return b.build()
}

test('the session for scores is opened by the first that asks for them, and once', async () => {
  const engine = await loadEngine()
  let sessions = 0
  const counting = {
    ...engine,
    createSession: (...args: Parameters<typeof engine.createSession>) => {
      sessions++
      return engine.createSession(...args)
    },
  }
  const model = await compileGraph(doubled(), counting, { batch: 2, threads: 1, losses: ['cross-entropy'] })
  model.inputs.set([1, 2, 3, 4])
  await model.gradients([{ loss: 'cross-entropy', label: 0 }])
  expect(sessions).toBe(1)
  const before = model.runtimeSeconds
  const both = await Promise.all([model.scores(), model.scores()])
  expect(both).toEqual([Float32Array.of(2, 4, 6, 8), Float32Array.of(2, 4, 6, 8)])
  expect(sessions).toBe(2)
  expect(model.runtimeSeconds).toBeGreaterThan(before)
  await model[Symbol.asyncDispose]()
  await expect(model.scores()).rejects.toThrow('was released')
})

test('a model that was never asked for scores opens nothing after its end', async () => {
  const model = await compileGraph(doubled(), await loadEngine(), { batch: 2, threads: 1, losses: ['cross-entropy'] })
  await model[Symbol.asyncDispose]()
  await expect(model.scores()).rejects.toThrow('was released')
})

test('without losses, what is wrong with a model shows when it is compiled', async () => {
  const graph = doubled()
  const broken = { ...graph, nodes: graph.nodes.map(node => ({ ...node, op: 'Foo' })) }
  const compiling = compileGraph(broken, await loadEngine(), { batch: 2, threads: 1, losses: [] })
  await expect(compiling).rejects.toMatchObject({ code: 'model-unsupported' })
})
