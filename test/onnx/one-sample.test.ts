/** What exporters write for one sample only, stacked to batches, and what is done where that cannot be. */
import { beforeAll, describe, expect, test } from 'vitest'
import { compile, prepareModel } from '../../src/model/compile.js'
import { GraphBuilder, type Value } from '../../src/onnx/build.js'
import { encodeModel } from '../../src/onnx/codec/index.js'
import type { Graph } from '../../src/onnx/graph.js'
import { randomStream } from '../../src/random.js'
import { type Engine, loadEngine } from '../../src/runtime/engine.js'
import { float32, int64, type Shape, sizeOf } from '../../src/tensor/tensor.js'

let engine: Engine
beforeAll(async () => {
  engine = await loadEngine()
})

/** Every value with its shape, as PyTorch's newer exporter writes them. */
function stated(b: GraphBuilder, y: Value): Graph {
  b.output(y, 'y')
  const graph = b.build()
  return { ...graph, valueInfo: new Map(Array.from(graph.types, ([name, type]) => [name, { name, ...type }])) }
}

function weights(b: GraphBuilder, shape: Shape): Value {
  const random = randomStream(5, 0, `weights ${shape}`)
  return b.constant(float32(Float32Array.from({ length: sizeOf(shape) }, random.normal), shape))
}

/** torch.nn.MultiheadAttention: steps first, heads behind the batch in one dimension, rows of a matrix at the end. */
function attention(): Graph {
  const b = new GraphBuilder('attention')
  const [steps, width, heads] = [5, 6, 3]
  const x = b.transpose(b.input('x', 'float32', [1, steps, width]), [1, 0, 2])
  const split = (value: Value) =>
    b.reshape(
      b.transpose(b.reshape(b.matMul(value, weights(b, [width, width])), [steps, heads, width / heads]), [1, 0, 2]),
      [1, heads, steps, width / heads],
    )
  const [q, k, v] = [split(x), split(b.neg(x)), split(b.relu(x))]
  const mixed = b.transpose(b.matMul(b.softmax(b.matMul(q, b.transpose(k, [0, 1, 3, 2]))), v), [2, 0, 1, 3])
  const rows = b.gemm(b.reshape(mixed, [steps, width]), weights(b, [width, 4]), b.full([4], 0.1, 'float32'))
  const back = b.transpose(b.reshape(rows, [steps, 1, 4]), [1, 0, 2])
  return stated(b, b.reduceSum(back, [1]))
}

/** A recurrent layer written out: the state starts as a constant of more dimensions than a step has. */
function unrolledSteps(): Graph {
  const b = new GraphBuilder('steps')
  const x = b.transpose(b.input('x', 'float32', [1, 2, 3]), [1, 0, 2])
  let state = b.full([1, 1, 3], 0.2, 'float32')
  for (const step of [0, 1]) {
    const seen = b.gather(x, b.constant(int64([step], [])), 0)
    state = b.tanh(b.add(b.matMul(state, weights(b, [3, 3])), seen))
  }
  return stated(b, b.reshape(b.transpose(state, [1, 0, 2]), [1, 3]))
}

/** Norms repeated to a constant shape. */
function expanded(): Graph {
  const b = new GraphBuilder('expanded')
  const x = b.reshape(b.input('x', 'float32', [1, 4, 3]), [2, 2, 3])
  const sums = b.reduceSum(x, [2], true)
  const [wide] = b.emit('Expand', [sums, b.integers([2, 2, 3])], {}, [x]) as [Value]
  return stated(b, b.reshape(b.mul(x, wide), [1, 12]))
}

const graphs: readonly (readonly [string, Graph])[] = [
  ["PyTorch's attention", attention()],
  ['steps written out', unrolledSteps()],
  ['an Expand', expanded()],
  ['a Slice of all', whole()],
  ['values picked by position', frames()],
]

/** The samples of two batches joined and picked apart by constant positions. */
function picked(): Graph {
  const b = new GraphBuilder('picked')
  const flat = b.reshape(b.exp(b.input('x', 'float32', [2, 3])), [6])
  return stated(b, b.matMul(b.gather(flat, b.constant(int64([2, 1, 0, 5, 4, 3], [2, 3])), 0), weights(b, [3, 4])))
}

/** The nearest of the points of a cloud, which stand in one list for all clouds. */
function neighbours(): Graph {
  const b = new GraphBuilder('neighbours')
  const x = b.input('x', 'float32', [1, 4, 3])
  const products = b.matMul(x, b.transpose(x, [0, 2, 1]))
  const [, nearest] = b.emit('TopK', [products, b.integers([2])], { axis: -1 }, [
    { dtype: 'float32', shape: [1, 4, 2] },
    { dtype: 'int64', shape: [1, 4, 2] },
  ]) as [Value, Value]
  const places = b.reshape(nearest, [8, 1])
  const [found] = b.emit('GatherND', [b.reshape(x, [4, 3]), places], {}, [{ dtype: 'float32', shape: [8, 3] }])
  return stated(b, b.reduceSum(b.reshape(found!, [1, 8, 3]), [1]))
}

/** A picture for all its windows: before them, not behind each. */
function tiled(operator: 'Tile' | 'Expand'): Graph {
  const b = new GraphBuilder('tiled')
  const x = b.input('x', 'float32', [1, 4, 3])
  const windows = b.reshape(x, [2, 2, 3])
  const mean = b.reduceMean(x, [1], true)
  const counts = b.integers(operator === 'Tile' ? [2, 2, 1] : [2, 2, 3])
  const [shared] = b.emit(operator, [mean, counts], {}, [windows]) as [Value]
  return stated(b, b.reshape(b.mul(windows, shared), [1, 12]))
}

/** Samples apart from each other. */
function apart(operator: 'Slice' | 'Split'): Graph {
  const b = new GraphBuilder('apart')
  const windows = b.reshape(b.input('x', 'float32', [1, 4, 3]), [2, 2, 3])
  const type = { dtype: 'float32', shape: [1, 2, 3] } as const
  const [first] =
    operator === 'Slice'
      ? b.emit('Slice', [windows, b.integers([0]), b.integers([1]), b.integers([0])], {}, [type])
      : b.emit('Split', [windows], { axis: 0, num_outputs: 2 }, [type, type])
  return stated(b, b.reshape(b.sub(windows, first!), [1, 12]))
}

/** Overlapping frames, picked from the values of all samples at once. */
function frames(): Graph {
  const b = new GraphBuilder('frames')
  const x = b.transpose(b.input('x', 'float32', [1, 5]), [1, 0])
  const places = b.constant(int64([0, 1, 2, 2, 3, 4], [2, 3, 1]))
  const [found] = b.emit('GatherND', [x, places], {}, [{ dtype: 'float32', shape: [2, 3, 1] }])
  const [same] = b.emit('ScatterND', [found!, b.constant(int64([1], [1, 1])), b.slice(found!, [0], [0], [1])], {}, [
    found!,
  ])
  return stated(b, b.reshape(b.transpose(same!, [2, 0, 1]), [1, 6]))
}

/** Slices that leave nothing out. */
function whole(): Graph {
  const b = new GraphBuilder('whole')
  const x = b.input('x', 'float32', [1, 4, 3])
  const [same] = b.emit('Slice', [x, b.integers([0, 1]), b.integers([1, 9]), b.integers([0, 1])], {}, [
    { dtype: 'float32', shape: [1, 3, 3] },
  ])
  return stated(b, b.reshape(same!, [1, 9]))
}

/** The first point of a cloud, replaced in the list of all points. */
function replaced(): Graph {
  const b = new GraphBuilder('replaced')
  const list = b.reshape(b.input('x', 'float32', [1, 4, 3]), [4, 3])
  const zeros = b.full([1, 3], 0, 'float32')
  const [changed] = b.emit('ScatterND', [list, b.constant(int64([0], [1, 1])), zeros], {}, [list])
  return stated(b, b.reduceSum(b.reshape(changed!, [1, 4, 3]), [1]))
}

async function singly(graph: Graph, x: Float32Array, sample: Shape, rows: number): Promise<Float32Array> {
  await using session = await engine.createSession({ bytes: encodeModel(graph) }, { threads: 1 })
  const size = sizeOf(sample) * rows
  const found: number[] = []
  for (let from = 0; from < x.length; from += size) {
    const part = new Float32Array(size)
    part.set(x.subarray(from, from + size))
    const [y] = [...(await session.run(new Map([['x', float32(part, [rows, ...sample])]]))).values()]
    found.push(...(y!.data as Float32Array))
  }
  return Float32Array.from(found)
}

function compiled(graph: Graph, batch: number) {
  const sample = graph.inputs[0]!.shape!.slice(1) as number[]
  const prepared = prepareModel({ graph, functions: [] }, { ...plain, sampleShape: sample })
  return { prepared, model: compile(prepared, engine, { batch, threads: 1, losses: ['cross-entropy'] }) }
}

const plain = { dataLayout: undefined, modelLayout: undefined, mean: undefined, std: undefined }

describe('exports for one sample', () => {
  test.each(graphs)('%s is stacked', async (_, graph) => {
    const { prepared, model: compiling } = compiled(graph, 3)
    expect(prepared.fixed).toMatchObject({ batch: 1, needed: false })
    await using model = await compiling
    const random = randomStream(1, 0, 'samples')
    model.inputs.set(Float32Array.from(model.inputs, random.normal))
    const scores = await model.scores()
    const wanted = await singly(graph, model.inputs, graph.inputs[0]!.shape!.slice(1) as number[], 1)
    scores.forEach((score, i) => {
      expect(score).toBeCloseTo(wanted[i]!, 4)
    })
  })

  test.each([
    ['GatherND', neighbours()],
    ['ScatterND', replaced()],
    ['Tile', tiled('Tile')],
    ['Expand', tiled('Expand')],
    ['Slice', apart('Slice')],
    ['Split', apart('Split')],
  ] as const)('where %s mixes samples the batch stays as it is', async (operator, graph) => {
    const { prepared, model: compiling } = compiled(graph, 3)
    expect(prepared.fixed).toMatchObject({ batch: 1, needed: true })
    expect(prepared.notes).toContainEqual(expect.stringContaining(`(${operator})`))
    await using model = await compiling
    const random = randomStream(1, 0, 'samples')
    model.inputs.set(Float32Array.from(model.inputs, random.normal))
    const wanted = await singly(graph, model.inputs, [4, 3], 1)
    expect(await model.scores()).toEqual(wanted)
  })

  test('what cannot be stacked runs as many samples at a time as the file takes', async () => {
    const graph = picked()
    const { prepared, model: compiling } = compiled(graph, 5)
    expect(prepared.fixed).toMatchObject({ batch: 2, needed: true })
    expect(prepared.notes).toContainEqual(expect.stringMatching(/^The batch stays 2, as in the file.*Gather/))
    await using model = await compiling
    expect(model.batch).toBe(5)
    const random = randomStream(2, 0, 'samples')
    model.inputs.set(Float32Array.from(model.inputs, random.normal))
    const wanted = await singly(graph, model.inputs, [3], 2)
    const scores = await model.scores()
    expect(scores).toHaveLength(5 * 4)
    scores.forEach((score, i) => {
      expect(score).toBeCloseTo(wanted[i]!, 4)
    })
    const rows = [0, 1, 2].map(label => ({ loss: 'cross-entropy', label }) as const)
    const { logits, losses, gradients } = await model.gradients(rows)
    expect(logits.subarray(0, 12)).toEqual(scores.subarray(0, 12))
    // Each row's loss falls along its own gradient by the square of its length.
    const before = model.inputs.slice()
    const h = 1e-3
    model.inputs.set(before.map((value, i) => value - h * gradients[i]!))
    const after = await model.gradients(rows)
    for (const row of [0, 1, 2]) {
      const own = gradients.subarray(row * 3, row * 3 + 3)
      const square = own.reduce((sum, value) => sum + value * value, 0)
      expect(losses[row]! - after.losses[row]!).toBeCloseTo(h * square, 3)
      expect(square).toBeGreaterThan(1e-4)
    }
  })
})
