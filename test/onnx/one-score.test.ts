/** Models of two classes that give one score per sample: what they are taken for, in the file and in the graph that is attacked. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { inspectModel } from '../../src/evaluate/facts.js'
import { openVerifier } from '../../src/evaluate/verify.js'
import { labelOf } from '../../src/model/batch-model.js'
import { compile, prepareModel } from '../../src/model/compile.js'
import { GraphBuilder, type Value } from '../../src/onnx/build.js'
import { encodeModel } from '../../src/onnx/codec/index.js'
import type { Graph } from '../../src/onnx/graph.js'
import { loadEngine } from '../../src/runtime/engine.js'
import { readModelFile } from '../../src/runtime/files.js'
import { float32, int64 } from '../../src/tensor/tensor.js'
import { flatSpace } from '../support/models.js'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'robustly-one-score-'))
})
afterAll(() => rm(folder, { recursive: true }))

/** z = 20 x0 - 10 x1 of each sample, [N, 1], and what comes of it. */
function graphOf(end: (b: GraphBuilder, z: Value) => Value, batch = 1): Graph {
  const b = new GraphBuilder('one score')
  const x = b.input('x', 'float32', [batch, 2])
  b.output(end(b, b.gemm(x, b.constant(float32([20, -10], [2, 1])))), 'y')
  return b.build()
}

const positive = (z: number) => (z > 0 ? 1 : 0)
const second = /above 0\.5 is taken as the second/
const models: readonly (readonly [string, Graph, RegExp])[] = [
  ['a column of log-odds', graphOf((_, z) => z), /above 0 is taken as the second/],
  ['a list of log-odds', graphOf((b, z) => b.reshape(z, [4]), 4), /above 0 is taken as the second/],
  ['a Sigmoid', graphOf((b, z) => b.sigmoid(z)), second],
  ['a Sigmoid made a list', graphOf((b, z) => b.reshape(b.sigmoid(z), [4]), 4), second],
  [
    'a clipped Sigmoid',
    graphOf((b, z) => b.emit('Clip', [b.sigmoid(z), b.scalar(1e-6, 'float32')], {}, [z])[0]!),
    second,
  ],
  [
    'a Softmax of which one column is shown',
    graphOf((b, z) => b.gather(b.softmax(b.concat([b.neg(z), z], 1)), b.constant(int64([1], [1])), 1)),
    second,
  ],
]

test('the logits of a probability and its complement do not go flat', async () => {
  const graph = graphOf((b, z) => {
    const second = b.sigmoid(z)
    return b.concat([b.sub(b.scalar(1, 'float32'), second), second], 1)
  })
  const options = { batch: 2, threads: 1, losses: ['cross-entropy'] } as const
  const prepared = prepareModel({ graph, functions: [] }, flatSpace(2))
  await using model = await compile(prepared, await loadEngine(), options)
  model.inputs.set([3, 0, 0, 6])
  expect([...(await model.scores())]).toEqual([0, 60, 0, -60])
  const { gradients } = await model.gradients([0, 1].map(label => ({ loss: 'cross-entropy', label }) as const))
  expect([...gradients]).toEqual([20, -10, -20, 10])
})

test.each(models)('%s', async (name, graph, note) => {
  const path = join(folder, `${name}.onnx`)
  await writeFile(path, encodeModel(graph))
  const facts = await inspectModel(path)
  expect(facts).toMatchObject({ classes: 2, missing: new Map(), warnings: expect.any(Array) })
  expect(facts.notes).toContainEqual(expect.stringMatching(note))
  const engine = await loadEngine()
  const file = await readModelFile(path)
  await using verifier = await openVerifier(engine, file, flatSpace(2), { threads: 1, rows: 4 })
  const options = { batch: 4, threads: 1, losses: ['cross-entropy'] } as const
  await using model = await compile(prepareModel(file, flatSpace(2)), engine, options)
  expect([verifier.classes, model.classes]).toEqual([2, 2])
  model.inputs.set([0.1, 0.1, 0.1, 0.3, 0.3, 0.5, 0.01, 0.03])
  const odds = [1, -1, 1, -0.1]
  const asked = await verifier.scores(model.inputs)
  const scores = (await model.scores()).slice()
  odds.forEach((z, row) => {
    expect(labelOf(asked, 2 * row, 2 * row + 2)).toBe(positive(z))
    expect(labelOf(scores, 2 * row, 2 * row + 2)).toBe(positive(z))
  })
  const { gradients } = await model.gradients(odds.map(z => ({ loss: 'cross-entropy', label: positive(z) }) as const))
  odds.forEach((z, row) => {
    // The loss of the predicted class grows against the sign of the log-odds.
    expect(Math.sign(gradients[2 * row]!)).toBe(-Math.sign(z))
    expect(gradients[2 * row]! / gradients[2 * row + 1]!).toBeCloseTo(-2, 4)
  })
})
