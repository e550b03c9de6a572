import { beforeAll, describe, expect, it } from 'vitest'
import { GraphBuilder, type Value } from '../onnx/build.js'
import { decodeModel, encodeModel } from '../onnx/codec/index.js'
import type { Graph } from '../onnx/graph.js'
import { randomStream } from '../random.js'
import { type Engine, loadEngine } from '../runtime/engine.js'
import { float32, type Shape, sizeOf } from '../tensor/tensor.js'
import { type TrainOptions, train } from './train.js'
import { startFromFile } from './trainable.js'

let engine: Engine
beforeAll(async () => {
  engine = await loadEngine()
})

const random = randomStream(11, 0, 'test')
const values = (shape: Shape, scale = 1, offset = 0) =>
  float32(
    Float32Array.from({ length: sizeOf(shape) }, () => offset + scale * random.normal()),
    shape,
  )

/** A file of its own making: convolution and batch norm, and another batch norm that nothing can be fused into. */
function fileWithNorms(): Uint8Array {
  const b = new GraphBuilder('norms')
  const norm = (x: Value) => {
    const shape = [x.shape[1]!]
    const parts = [values(shape, 0.2, 1), values(shape, 0.1), values(shape, 0.1), values(shape, 0.05, 1)]
    return b.emit('BatchNormalization', [x, ...parts.map(part => b.constant(part))], {}, [x])[0]!
  }
  const x = b.input('image', 'float32', [1, 1, 6, 6])
  const conv = b.conv(x, b.constant(values([3, 1, 3, 3], 0.4), 'kernel'), b.constant(values([3], 0.1), 'bias'))
  const features = b.flatten(norm(b.relu(norm(conv))))
  const logits = b.add(b.matMul(features, b.constant(values([48, 2], 0.2), 'dense')), b.constant(values([2]), 'shift'))
  b.output(b.softmax(logits), 'probabilities')
  return encodeModel(b.build())
}

async function outputs(graph: Graph, inputs: Float32Array, rows: number): Promise<Float32Array> {
  await using session = await engine.createSession({ bytes: encodeModel(graph) }, { threads: 1 })
  const feeds = new Map([[graph.inputs[0]!.name, float32(inputs, [rows, 1, 6, 6])]])
  return [...(await session.run(feeds)).values()][0]!.data as Float32Array
}

const data = {
  inputs: Float32Array.from({ length: 64 * 36 }, () => random.uniform()),
  labels: Int32Array.from({ length: 64 }, (_, i) => i % 2),
  sampleShape: [1, 6, 6],
  classes: 2,
}

const options = { data, objective: 'standard', optimizer: { optimizer: 'adam' }, threads: 1, seed: 0 } as const
const short = { ...options, schedule: { schedule: 'constant' }, learningRate: 0.01, epochs: 20, batch: 16 } as const

describe('a file with batch norms', () => {
  it('starts as it is, and says what becomes of their statistics', async () => {
    const bytes = fileWithNorms()
    const start = await startFromFile(bytes, engine)
    expect(start.notes.join(' ')).toContain('Batch normalisations keep the statistics of the file while training')
    const sample = data.inputs.slice(0, 36)
    const probabilities = await outputs(decodeModel(bytes).graph, sample, 1)
    const [a, b] = (await outputs(start.graph, sample, 1)) as unknown as [number, number]
    expect(probabilities[0]).toBeCloseTo(1 / (1 + Math.exp(b - a)), 5)
  })

  it('trains every weight and nothing else, and takes any batch afterwards', async () => {
    const start = await startFromFile(fileWithNorms(), engine)
    const { graph, log } = await train({ ...short, engine, start })
    expect(log.at(-1)!.loss).toBeLessThan(log[0]!.loss - 0.1)
    for (const [name, before] of start.graph.initializers) {
      const after = graph.initializers.get(name)!.load().data
      if (start.weights.includes(name)) expect(after, name).not.toEqual(before.load().data)
      else expect(after, name).toEqual(before.load().data)
    }
    const norm = start.graph.nodes.find(({ op }) => op === 'BatchNormalization')!
    expect(norm.inputs.slice(1).map(name => start.weights.includes(name))).toEqual([true, true, false, false])
    expect(start.weights).toHaveLength(6)
    expect(await outputs(graph, data.inputs.slice(0, 5 * 36), 5)).toHaveLength(10)
  })
})

it('trains equal biases apart, and together what the file uses twice', async () => {
  const b = new GraphBuilder('equal')
  const zero = () => b.constant(float32(new Float32Array(2), [2]))
  const x = b.flatten(b.input('image', 'float32', [1, 1, 6, 6]))
  const hidden = b.relu(b.gemm(x, b.constant(values([36, 2], 0.3)), zero()))
  const twice = b.constant(values([2, 2]), 'twice')
  const more = b.relu(b.gemm(b.gemm(hidden, twice, zero()), twice, zero()))
  b.output(b.gemm(more, b.constant(values([2, 2])), zero()))
  const start = await startFromFile(encodeModel(b.build()), engine)
  const sizes = start.weights.map(name => sizeOf(start.graph.initializers.get(name)!.shape)).sort()
  expect(sizes).toEqual([2, 2, 2, 2, 4, 4, 72])
  await train({ ...short, epochs: 1, engine, start })
})

describe('models that cannot be trained', () => {
  const refused = async (make: (b: GraphBuilder, x: Value) => Value, changes: Partial<TrainOptions> = {}) => {
    const b = new GraphBuilder('refused')
    b.output(make(b, b.input('image', 'float32', [1, 1, 6, 6])), 'out')
    const start = await startFromFile(encodeModel(b.build()), engine)
    await train({ ...short, engine, start, ...changes })
  }
  const dense = (b: GraphBuilder, x: Value) => b.matMul(b.flatten(x), b.constant(values([36, 2])))

  it('are refused with the operators named', async () => {
    const signs = (b: GraphBuilder, x: Value) => b.matMul(b.sign(dense(b, x)), b.constant(values([2, 2])))
    await expect(refused((b, x) => b.sign(signs(b, x)))).rejects.toThrow(/no gradient rule for: Sign .*Sign/)
  })

  it('are refused without weights', async () => {
    const sums = (b: GraphBuilder, x: Value) => b.reduceSum(b.reshape(b.relu(x), [1, 2, 18]), [2])
    await expect(refused(sums)).rejects.toThrow('no float32 weights that can be trained')
  })

  it('are refused for other classes than the data have', async () => {
    await expect(refused(dense, { data: { ...data, classes: 4 } })).rejects.toThrow('the data have 4 classes')
  })
})
