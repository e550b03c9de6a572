/** Passes against ONNX Runtime: the rewritten graph must compute what the graph before computes. */
import { beforeAll, describe, expect, test } from 'vitest'
import { RobustlyError } from '../../src/errors.js'
import { encodeModel } from '../../src/onnx/codec/index.js'
import { type Attribute, type Graph, initializer, type Node } from '../../src/onnx/graph.js'
import {
  canonical,
  explicitPads,
  simplify,
  splitSoftmax,
  symbolicBatch,
  typed,
  withBatch,
} from '../../src/onnx/passes/index.js'
import { type Engine, loadEngine } from '../../src/runtime/engine.js'
import { bool, float32, int64, type Shape, sizeOf, type Tensor } from '../../src/tensor/tensor.js'
import { float, int, ints, node, text } from '../support/nodes.js'

let engine: Engine
beforeAll(async () => {
  engine = await loadEngine()
})

type Body = Omit<Model, 'opset' | 'input'>

interface Model {
  readonly opset?: number
  readonly input: Shape | readonly (number | string)[]
  readonly nodes: readonly Node[]
  readonly constants?: Readonly<Record<string, Tensor>>
  /** Names of the outputs with their element types; default y, float32. */
  readonly outputs?: Readonly<Record<string, 'float32' | 'int64' | 'uint8'>>
  readonly outputShape?: readonly (number | string)[]
}

function graphOf({ opset = 21, input, nodes, constants = {}, outputs = { y: 'float32' }, outputShape }: Model): Graph {
  return {
    name: 'test',
    opsets: new Map([['', opset]]),
    inputs: [{ name: 'x', dtype: 'float32', shape: input }],
    outputs: Object.entries(outputs).map(([name, dtype]) => ({ name, dtype, shape: outputShape })),
    nodes,
    initializers: new Map(Object.entries(constants).map(([name, tensor]) => [name, initializer(tensor)])),
    valueInfo: new Map(),
  }
}

/** Different numbers of both signs, the same every time. */
function numbers(shape: Shape, seed = 1): Tensor & { readonly dtype: 'float32' } {
  return float32(
    Float32Array.from({ length: sizeOf(shape) }, (_, i) => (((i + seed) * 0.6180339887) % 1) * 4 - 2),
    shape,
  )
}

async function run(graph: Graph, x: Tensor): Promise<Tensor[]> {
  await using session = await engine.createSession({ bytes: encodeModel(graph) }, { threads: 1, optimization: 'none' })
  const outputs = await session.run(new Map([['x', x]]))
  return graph.outputs.map(output => outputs.get(output.name)!)
}

function expectSame(got: readonly Tensor[], wanted: readonly Tensor[]): void {
  expect(got.map(({ shape }) => shape)).toEqual(wanted.map(({ shape }) => shape))
  got.forEach((tensor, i) => {
    for (const [j, value] of Array.from<unknown, number>(wanted[i]!.data as never, Number).entries()) {
      expect(Math.abs(Number(tensor.data[j]) - value)).toBeLessThan(1e-5 * (1 + Math.abs(value)))
    }
  })
}

async function expectEqualModels(before: Graph, after: Graph, shape: Shape): Promise<void> {
  const x = numbers(shape)
  expectSame(await run(after, x), await run(before, x))
}

describe('canonical', () => {
  const one = (op: string, attributes: Record<string, Attribute>, more: Partial<Body> = {}, inputs = ['x']): Body => ({
    nodes: [node(op, inputs, Object.keys(more.outputs ?? { y: '' }), attributes)],
    ...more,
  })
  const normal = { scale: numbers([3], 3), bias: numbers([3], 5), mean: numbers([3], 7), var: float32([1, 2, 3]) }
  const normalInputs = ['x', 'scale', 'bias', 'mean', 'var']
  const rows: readonly (readonly [name: string, opset: number, input: Shape, model: Body])[] = [
    ['Squeeze', 11, [2, 1, 3, 1], one('Squeeze', { axes: ints(1, 3) })],
    ['Squeeze, negative axis', 11, [2, 1, 3, 1], one('Squeeze', { axes: ints(-1) })],
    ['Squeeze without axes', 9, [2, 1, 3, 1], one('Squeeze', {})],
    ['Unsqueeze', 9, [2, 3], one('Unsqueeze', { axes: ints(0, 3) })],
    ['ReduceSum', 11, [2, 3, 4], one('ReduceSum', { axes: ints(1, -1), keepdims: int(0) })],
    ['ReduceSum over everything', 9, [2, 3, 4], one('ReduceSum', {})],
    ...['L1', 'L2', 'LogSumExp', 'Max', 'Mean', 'Min', 'Prod', 'SumSquare'].map(
      name => [`Reduce${name}`, 13, [2, 3, 4], one(`Reduce${name}`, { axes: ints(1), keepdims: int(1) })] as const,
    ),
    ['Clip', 7, [2, 9], one('Clip', { min: float(-0.5), max: float(1) })],
    ['Clip from below', 10, [2, 9], one('Clip', { min: float(-0.5) })],
    ['Clip without bounds', 8, [2, 9], one('Clip', {})],
    ['Pad', 10, [2, 3], one('Pad', { pads: ints(1, 0, 0, 2), value: float(0.5) })],
    ['Pad by reflection', 7, [1, 1, 4, 4], one('Pad', { pads: ints(0, 0, 1, 2, 0, 0, 2, 0), mode: text('reflect') })],
    ['Slice', 9, [5, 6], one('Slice', { starts: ints(1, -4), ends: ints(4, 2 ** 63), axes: ints(0, 1) })],
    ['Slice without axes', 7, [5, 6], one('Slice', { starts: ints(1, 0), ends: ints(-1, 3) })],
    [
      'Split',
      11,
      [2, 6],
      one('Split', { axis: int(1), split: ints(2, 4) }, { outputs: { y: 'float32', z: 'float32' } }),
    ],
    ['Split in equal parts', 7, [2, 6], one('Split', { axis: int(1) }, { outputs: { y: 'float32', z: 'float32' } })],
    [
      'Split in equal parts, 13',
      13,
      [2, 6],
      one('Split', { axis: int(-1) }, { outputs: { y: 'float32', z: 'float32' } }),
    ],
    [
      'GroupNormalization per group',
      18,
      [2, 4, 3],
      one(
        'GroupNormalization',
        { num_groups: int(2) },
        { constants: { scale: numbers([2], 3), bias: numbers([2], 5) } },
        ['x', 'scale', 'bias'],
      ),
    ],
    [
      'Einsum with an implied output',
      12,
      [2, 3, 4],
      one('Einsum', { equation: text('bij, bjk') }, { constants: { k: numbers([2, 4, 2]) } }, ['x', 'k']),
    ],
    ['Swish', 24, [2, 3], one('Swish', { alpha: float(1.5) })],
    [
      'RMSNormalization',
      23,
      [2, 3, 4],
      one('RMSNormalization', { axis: int(1) }, { constants: { s: numbers([3, 4]) } }, ['x', 's']),
    ],
    ['Dropout', 7, [2, 3], one('Dropout', { ratio: float(0.3) })],
    ['Dropout, 10', 10, [2, 3], one('Dropout', { ratio: float(0.3) })],
    ['TopK', 9, [2, 6], one('TopK', { k: int(2), axis: int(1) }, { outputs: { y: 'float32', z: 'int64' } })],
    [
      'Upsample',
      7,
      [1, 2, 3, 3],
      one('Upsample', { mode: text('nearest'), scales: { type: 'floats', value: [1, 1, 2, 2] } }),
    ],
    [
      'Upsample, 9',
      9,
      [1, 2, 3, 3],
      one('Upsample', { mode: text('nearest') }, { constants: { s: float32([1, 1, 2, 3]) } }, ['x', 's']),
    ],
    ['Resize, 10', 10, [1, 2, 4, 4], one('Resize', {}, { constants: { s: float32([1, 1, 0.5, 1.5]) } }, ['x', 's'])],
    [
      'Scatter',
      9,
      [3, 3],
      one('Scatter', { axis: int(1) }, { constants: { i: int64([0, 2], [1, 2]), u: float32([7, 8], [1, 2]) } }, [
        'x',
        'i',
        'u',
      ]),
    ],
    [
      'BatchNormalization',
      7,
      [2, 3, 2],
      one('BatchNormalization', { epsilon: float(0.1) }, { constants: normal }, normalInputs),
    ],
    [
      'BatchNormalization of a matrix, per position',
      7,
      [2, 3],
      one('BatchNormalization', { spatial: int(1) }, { constants: normal }, normalInputs),
    ],
    ['Cast', 7, [2, 3], one('Cast', { to: int(7) }, { outputs: { y: 'int64' } })],
    ...['Softmax', 'LogSoftmax', 'Hardmax'].flatMap(name => [
      [`${name} of a matrix`, 11, [3, 5], one(name, {})] as const,
      [`${name}, coerced to a matrix`, 11, [2, 3, 4], one(name, {})] as const,
      [`${name}, coerced to a matrix, axis 2`, 7, [2, 3, 4, 2], one(name, { axis: int(2) })] as const,
      [`${name}, negative axis`, 11, [2, 3, 4], one(name, { axis: int(-2) })] as const,
      [`${name}, axis 0`, 9, [2, 3], one(name, { axis: int(0) })] as const,
      [`${name}, trailing ones`, 7, [2, 5, 1, 1], one(name, {})] as const,
      [`${name}, last axis`, 12, [2, 3, 4], one(name, { axis: int(-1) })] as const,
    ]),
    [
      'GridSample',
      16,
      [1, 1, 3, 3],
      one('GridSample', { mode: text('bicubic') }, { constants: { g: numbers([1, 2, 2, 2]) } }, ['x', 'g']),
    ],
    [
      'GridSample by default',
      16,
      [1, 1, 3, 3],
      one('GridSample', {}, { constants: { g: numbers([1, 2, 2, 2]) } }, ['x', 'g']),
    ],
    ['Relu, newest opset', 26, [2, 3], one('Relu', {})],
    [
      'AveragePool',
      7,
      [1, 2, 5, 5],
      one('AveragePool', { kernel_shape: ints(2, 2), strides: ints(2, 2), pads: ints(1, 1, 0, 0) }),
    ],
    ['MaxPool', 8, [1, 2, 5, 5], one('MaxPool', { kernel_shape: ints(3, 3), pads: ints(1, 1, 1, 1) })],
    ['PRelu', 7, [2, 3, 4], one('PRelu', {}, { constants: { s: numbers([3, 1]) } }, ['x', 's'])],
    [
      'Gemm',
      7,
      [2, 3],
      one('Gemm', { alpha: float(0.5), transB: int(1) }, { constants: { w: numbers([4, 3]), b: numbers([4]) } }, [
        'x',
        'w',
        'b',
      ]),
    ],
  ]

  test.each(rows)('%s of opset %i', async (_, opset, input, model) => {
    const before = graphOf({ ...model, opset, input })
    const after = canonical(before)
    expect(after.graph.opsets.get('')).toBe(21)
    expect(after.notes).toHaveLength(1)
    await expectEqualModels(before, after.graph, input)
  })

  test('an old Softmax of unknown shape is exact too', async () => {
    const nodes = [node('Relu', ['x'], ['h']), node('Softmax', ['h'], ['s']), node('Relu', ['s'], ['y'])]
    const before = graphOf({ opset: 9, input: ['n', 'c', 'h'], nodes })
    const { graph } = canonical(before)
    expect(graph.nodes.map(({ op }) => op)).toEqual(['Relu', 'Flatten', 'Softmax', 'Shape', 'Reshape', 'Relu'])
    await expectEqualModels(before, graph, [2, 3, 4])
  })

  test('subgraphs are brought along', async () => {
    const branch = (low: number): Attribute => ({
      type: 'graph',
      value: {
        ...graphOf({ input: [], nodes: [node('Clip', ['x'], ['z'], { min: float(low) })], outputs: { z: 'float32' } }),
        inputs: [],
      },
    })
    const nodes = [node('If', ['c'], ['y'], { then_branch: branch(0), else_branch: branch(1) })]
    const before = graphOf({ opset: 9, input: [2, 3], nodes, constants: { c: bool([true], []) } })
    await expectEqualModels(before, canonical(before).graph, [2, 3])
  })

  test('half-precision and double constants get the type of what they meet', async () => {
    const nodes = [
      node('Cast', ['x'], ['d'], { to: int(11) }),
      node('Clip', ['d'], ['c'], { min: float(0) }),
      node('Cast', ['c'], ['y'], { to: int(1) }),
    ]
    const before: Graph = {
      ...graphOf({ opset: 9, input: [2, 3], nodes }),
      valueInfo: new Map([['d', { name: 'd', dtype: 'float64', shape: [2, 3] }]]),
    }
    // ONNX Runtime has no Clip of doubles that old, so the answer is written here.
    const [y] = await run(canonical(before).graph, float32([-1, 0, 1, 2, -3, 4], [2, 3]))
    expect([...(y!.data as Float32Array)]).toEqual([0, 0, 1, 2, 0, 4])
  })

  test.each([
    [6, 're-export with opset 21'],
    [27, 'opset <= 26'],
  ])('opset %i is refused with advice', (opset, hint) => {
    const graph = graphOf({ opset, input: [1], nodes: [node('Relu', ['x'], ['y'])] })
    expect(() => canonical(graph)).toThrow(RobustlyError)
    try {
      canonical(graph)
    } catch (error) {
      expect((error as RobustlyError).code).toBe('model-unsupported')
      expect((error as RobustlyError).hint).toContain(hint)
    }
  })

  test.each([
    ['statistics per position', 7, node('BatchNormalization', ['x', 's', 's', 's', 's'], ['y'], { spatial: int(0) })],
    ['used training outputs', 9, node('BatchNormalization', ['x', 's', 's', 's', 's'], ['y', 'z'])],
  ])('%s are refused, naming the node', (_, opset, bad) => {
    const outputs = Object.fromEntries(bad.outputs.map(name => [name, 'float32' as const]))
    const graph = graphOf({ opset, input: [1, 3, 2], nodes: [bad], constants: { s: numbers([3, 2]) }, outputs })
    expect(() => canonical(graph)).toThrow(/node "the BatchNormalization y"/)
  })

  test.each([
    ['no input', node('Clip', [], ['y']), 9],
    ['too few inputs', node('Add', ['x'], ['y']), 21],
    ['an absent input', node('Add', ['', 'x'], ['y']), 21],
    ['too many inputs', node('Relu', ['x', 'x'], ['y']), 21],
  ])('a node with %s is refused, naming it', (_, bad, opset) => {
    expect(() => canonical(graphOf({ opset, input: [2], nodes: [bad] }))).toThrow(
      `node "the ${bad.op} y" (${bad.op}) has`,
    )
  })

  test('operators newer than the canonical opset without a counterpart are refused, all of them by name', () => {
    const nodes = [node('CumProd', ['x', 'x'], ['h']), node('TensorScatter', ['h', 'x', 'x'], ['y'])]
    expect(() => canonical(graphOf({ opset: 26, input: [2, 3], nodes }))).toThrow(/CumProd.*TensorScatter/)
  })

  test('the graph that goes in is not changed, and canonical graphs come out equal', () => {
    const graph = graphOf({ opset: 9, input: [2, 3], nodes: [node('Clip', ['x'], ['y'], { min: float(0) })] })
    const copy = structuredClone([...graph.nodes])
    const once = canonical(graph).graph
    expect([...graph.nodes]).toEqual(copy)
    expect(canonical(once).graph).toEqual(once)
    expect(canonical(once).notes).toEqual([])
  })
})

describe('splitSoftmax', () => {
  const softmaxOf = (tensor: Tensor): number[] => {
    const [rows, columns] = tensor.shape
    const values = Array.from(tensor.data as Float32Array)
    return Array.from({ length: rows! }, (_, row) => values.slice(row * columns!, (row + 1) * columns!)).flatMap(
      logits => {
        const sum = logits.reduce((total, logit) => total + Math.exp(logit), 0)
        return logits.map(logit => Math.exp(logit) / sum)
      },
    )
  }
  const relu = node('Relu', ['x'], ['h'])
  const cases: readonly (readonly [string, Model, number[]])[] = [
    ['at the end', { input: ['n', 5], nodes: [relu, node('Softmax', ['h'], ['y'])], outputShape: ['n', 5] }, [2, 5]],
    ['over the input itself', { input: [2, 5], nodes: [node('Softmax', ['x'], ['y'])], outputShape: [2, 5] }, [2, 5]],
    [
      'with trailing ones',
      {
        input: [2, 5, 1, 1],
        nodes: [relu, node('Softmax', ['h'], ['y'], { axis: int(1) })],
        outputShape: [2, 5, 1, 1],
      },
      [2, 5, 1, 1],
    ],
    [
      'before a Reshape and an Identity',
      {
        input: [2, 5, 1, 1],
        nodes: [
          relu,
          node('Softmax', ['h'], ['s'], { axis: int(1) }),
          node('Reshape', ['s', 'to'], ['r']),
          node('Identity', ['r'], ['y']),
        ],
        constants: { to: int64([0, -1]) },
        outputShape: [2, 5],
      },
      [2, 5, 1, 1],
    ],
    [
      'of an old opset',
      { opset: 7, input: [2, 5, 1, 1], nodes: [relu, node('Softmax', ['h'], ['y'])], outputShape: [2, 5, 1, 1] },
      [2, 5, 1, 1],
    ],
    [
      'of an old opset over several dimensions',
      { opset: 7, input: [2, 3, 2, 1], nodes: [relu, node('Softmax', ['h'], ['y'])], outputShape: [2, 3, 2, 1] },
      [2, 3, 2, 1],
    ],
    [
      'of which the probabilities are used elsewhere too',
      {
        input: [2, 5],
        nodes: [relu, node('Softmax', ['h'], ['s']), node('Identity', ['s'], ['y']), node('Neg', ['s'], ['z'])],
        outputs: { y: 'float32', z: 'float32' },
        outputShape: [2, 5],
      },
      [2, 5],
    ],
  ]
  test.each(cases)('a Softmax %s', async (_, model, shape) => {
    const before = canonical(graphOf(model)).graph
    const { graph, notes } = splitSoftmax(before)
    expect(notes[0]).toContain('cut off')
    const x = numbers(shape)
    const [[wanted, ...others], [logits, ...rest]] = [await run(before, x), await run(graph, x)]
    expect(logits!.shape).toEqual([shape[0], sizeOf(shape) / shape[0]!])
    softmaxOf(logits!).forEach((value, i) => {
      expect(value).toBeCloseTo(Number(wanted!.data[i]), 5)
    })
    expect([...(logits!.data as Float32Array)]).toEqual(
      [...numbers(shape).data].map(value => (model.nodes.length > 1 ? Math.max(0, value) : value)),
    )
    expectSame(rest, others)
  })

  test.each([
    ['LogSoftmax is left and reported', [relu, node('LogSoftmax', ['h'], ['y'])], ['n', 5], /LogSoftmax/],
    [
      'a Softmax over the batch is left and reported',
      [relu, node('Softmax', ['h'], ['y'], { axis: int(0) })],
      ['n', 5],
      /not over the classes/,
    ],
    [
      'a Softmax per pixel is left and reported',
      [relu, node('Softmax', ['h'], ['y'], { axis: int(1) })],
      ['n', 5, 4, 4],
      /not over the classes/,
    ],
  ] as const)('%s', (_, nodes, shape, note) => {
    const before = graphOf({ input: shape, nodes, outputShape: shape })
    const { graph, notes } = splitSoftmax(before)
    expect(graph).toBe(before)
    expect(notes).toHaveLength(1)
    expect(notes[0]).toMatch(note)
  })

  test.each(['Sigmoid', 'Exp'])('a %s of each score, behind an Identity', async op => {
    const before = graphOf({
      input: ['n', 5],
      nodes: [relu, node(op, ['h'], ['s']), node('Identity', ['s'], ['y'])],
      outputShape: ['n', 5],
    })
    const { graph, notes } = splitSoftmax(before)
    expect(notes).toEqual([`The final ${op} was cut off: the model now gives logits.`])
    const x = numbers([2, 5])
    expect([...(await run(graph, x))[0]!.data]).toEqual([...x.data].map(value => Math.max(0, Number(value))))
  })

  test.each([
    ['quantised and back', ['QuantizeLinear', 'DequantizeLinear'], 'float32'],
    ['quantised', ['QuantizeLinear'], 'uint8'],
    ['converted', ['Cast'], 'float32'],
  ] as const)('a Softmax whose probabilities are %s', async (_, operators, dtype) => {
    const nodes = operators.map((op, i) => {
      const [from, to] = [i === 0 ? 's' : `v${i}`, i === operators.length - 1 ? 'y' : `v${i + 1}`]
      return op === 'Cast' ? node(op, [from], [to], { to: int(1) }) : node(op, [from, 'scale'], [to])
    })
    const before = graphOf({
      input: ['n', 5],
      nodes: [relu, node('Softmax', ['h'], ['s']), ...nodes],
      constants: { scale: float32([1 / 256], []) },
      outputs: { y: dtype },
      outputShape: ['n', 5],
    })
    const { graph, notes } = splitSoftmax(before)
    expect(notes[0]).toContain('cut off')
    expect(graph.nodes.map(({ op }) => op)).toEqual(['Relu'])
    expect(graph.outputs[0]!.dtype).toBe('float32')
  })

  test('logits are left alone, silently', () => {
    const before = graphOf({
      input: ['n', 5],
      nodes: [relu, node('Softmax', ['h'], ['s']), node('Relu', ['s'], ['y'])],
      outputShape: ['n', 5],
    })
    expect(splitSoftmax(before)).toEqual({ graph: before, notes: [] })
  })
})

describe('explicitPads', () => {
  const rows: (readonly [string, string, number[], Record<string, Attribute>, Tensor | undefined])[] = []
  const windows = [
    [7, 3, 2, 1],
    [6, 2, 1, 1],
    [5, 4, 3, 1],
    [6, 1, 4, 1],
    [9, 3, 2, 2],
    [8, 5, 2, 1],
  ] as const
  for (const mode of ['SAME_UPPER', 'SAME_LOWER', 'VALID']) {
    for (const [size, kernel, stride, dilation] of windows) {
      if (mode !== 'VALID' && dilation > 1) continue
      const window = { auto_pad: text(mode), kernel_shape: ints(kernel, kernel), strides: ints(stride, stride) }
      const dilated = { ...window, dilations: ints(dilation, dilation) }
      const shape = [1, 2, size, size + 1]
      rows.push(['Conv', mode, shape, dilated, numbers([3, 2, kernel, kernel], 4)])
      if (dilation === 1) rows.push(['ConvTranspose', mode, shape, window, numbers([2, 3, kernel, kernel], 4)])
      if (mode !== 'VALID' && kernel < stride) continue
      rows.push(['AveragePool', mode, shape, window, undefined])
      rows.push(['MaxPool', mode, shape, dilated, undefined])
    }
  }
  const enlarging = { output_shape: ints(10, 11), strides: ints(2, 2) }
  rows.push(['ConvTranspose', 'output_shape', [1, 2, 5, 5], enlarging, numbers([2, 3, 4, 4])])
  const rounded = { auto_pad: text('SAME_UPPER'), ceil_mode: int(1), kernel_shape: ints(2, 2), strides: ints(2, 2) }
  rows.push(['MaxPool', 'ceil_mode', [1, 2, 7, 7], rounded, undefined])

  test.each([
    ['MaxPool', { kernel_shape: ints(1, 1), strides: ints(4, 4) }, 'smaller than its stride'],
    ['MaxPool', { kernel_shape: ints(3, 3), dilations: ints(2, 2) }, 'dilated'],
  ])('%s %j, on which runtimes differ, is refused by name', async (op, attributes, reason) => {
    const same = { ...attributes, auto_pad: text('SAME_UPPER') }
    const graph = await typed(graphOf({ input: [1, 2, 6, 6], nodes: [node(op, ['x'], ['y'], same)] }), engine)
    expect(() => explicitPads(graph)).toThrow(`node "the ${op} y"`)
    expect(() => explicitPads(graph)).toThrow(reason)
  })

  test.each(rows)('%s %s of %j, %j', async (op, _, shape, attributes, weights) => {
    const constants: Record<string, Tensor> = weights === undefined ? {} : { w: weights }
    const before = graphOf({
      input: shape,
      nodes: [node(op, weights === undefined ? ['x'] : ['x', 'w'], ['y'], attributes)],
      constants,
    })
    const after = explicitPads(await typed(before, engine))
    expect(after.nodes[0]!.attributes.has('auto_pad')).toBe(false)
    expect(after.nodes[0]!.attributes.get('pads')?.type).toBe('ints')
    await expectEqualModels(before, after, shape)
  })
})

function branchOf(op: string): Attribute {
  const graph = graphOf({ input: [], nodes: [node(op, ['h'], ['z'])], outputs: { z: 'float32' } })
  return { type: 'graph', value: { ...graph, inputs: [] } }
}

/** Layers as PyTorch writes them for one sample: constant initial states, both directions joined by a Reshape. */
function recurrentModels(): (readonly [string, Model])[] {
  const gates = { LSTM: 4, GRU: 3, RNN: 1 }
  return Object.entries(gates).map(([op, count]) => [
    `a layer of type ${op} in both directions`,
    {
      input: [1, 3, 2],
      nodes: [
        node('Transpose', ['x'], ['t'], { perm: ints(1, 0, 2) }),
        node(op, ['t', 'w', 'r', '', '', 'h0', ...(op === 'LSTM' ? ['h0'] : [])], ['s', 'h'], {
          hidden_size: int(2),
          direction: text('bidirectional'),
        }),
        node('Transpose', ['s'], ['u'], { perm: ints(0, 2, 1, 3) }),
        node('Reshape', ['u', 'to'], ['v']),
        node('Transpose', ['v'], ['a'], { perm: ints(1, 0, 2) }),
        node('Transpose', ['h'], ['b'], { perm: ints(1, 0, 2) }),
        node('Concat', ['a', 'c'], ['d'], { axis: int(1) }),
        node('Flatten', ['b'], ['f']),
        node('Flatten', ['d'], ['e']),
        node('Concat', ['e', 'f'], ['y'], { axis: int(1) }),
      ],
      constants: {
        w: numbers([2, count * 2, 2]),
        r: numbers([2, count * 2, 2], 5),
        h0: numbers([2, 1, 2], 7),
        to: int64([3, 1, 4]),
        c: numbers([1, 1, 4], 8),
      },
      outputShape: [1, 20],
    },
  ])
}

describe('symbolicBatch', () => {
  const w = numbers([12, 4])
  const flat = (target: number[]): Model => ({
    input: [1, 3, 2, 2],
    nodes: [node('Relu', ['x'], ['h']), node('Reshape', ['h', 'to'], ['r']), node('MatMul', ['r', 'w'], ['y'])],
    constants: { to: int64(target), w },
    outputShape: [1, 4],
  })
  const models: readonly (readonly [string, Model])[] = [
    ['a Reshape to [1, 12]', flat([1, 12])],
    ['a Reshape to [1, -1]', flat([1, -1])],
    ['a Reshape to [-1, 12]', flat([-1, 12])],
    [
      'heads folded into the batch and out again',
      {
        input: [1, 6, 4],
        nodes: [
          node('Reshape', ['x', 'a'], ['h']),
          node('Softmax', ['h'], ['s']),
          node('Reshape', ['s', 'b'], ['r']),
          node('ReduceSum', ['r', 'axes'], ['y'], { keepdims: int(0) }),
        ],
        constants: { a: int64([2, 3, 4]), b: int64([1, 6, 4]), axes: int64([1]) },
        outputShape: [1, 4],
      },
    ],
    [
      'a class token joined to every sample',
      {
        input: [1, 2, 3],
        nodes: [node('Concat', ['token', 'x'], ['h'], { axis: int(1) }), node('Flatten', ['h'], ['y'])],
        constants: { token: numbers([1, 1, 3], 9) },
        outputShape: [1, 9],
      },
    ],
    [
      'a shape that the graph computes itself',
      {
        input: [1, 3, 2, 2],
        nodes: [
          node('Shape', ['x'], ['s']),
          node('Gather', ['s', 'zero'], ['n'], { axis: int(0) }),
          node('Concat', ['n', 'rest'], ['to'], { axis: int(0) }),
          node('Reshape', ['x', 'to'], ['y']),
        ],
        constants: { zero: int64([0]), rest: int64([-1]) },
        outputShape: [1, 12],
      },
    ],
    [
      'Flatten from axis 0',
      { input: [1, 5], nodes: [node('Flatten', ['x'], ['y'], { axis: int(0) })], outputShape: [1, 5] },
    ],
    ...recurrentModels(),
    [
      'the last of several steps, batch second',
      {
        input: [1, 4, 3],
        nodes: [
          node('Transpose', ['x'], ['t'], { perm: ints(1, 0, 2) }),
          node('Gather', ['t', 'last'], ['g'], { axis: int(0) }),
          node('Reshape', ['g', 'to'], ['y']),
        ],
        constants: { last: int64([-1], []), to: int64([1, 3]) },
        outputShape: [1, 3],
      },
    ],
    [
      'scores by Einsum, the batch in the second operand',
      {
        input: [1, 4, 3],
        nodes: [node('Einsum', ['k', 'x'], ['e'], { equation: text('hc,btc->bht') }), node('Flatten', ['e'], ['y'])],
        constants: { k: numbers([2, 3]) },
        outputShape: [1, 8],
      },
    ],
    [
      'an image resized to constant sizes, and its largest places',
      {
        input: [1, 2, 2, 3],
        nodes: [
          node('Resize', ['x', '', '', 'sizes'], ['h'], { mode: text('linear') }),
          node('ArgMax', ['h'], ['a'], { axis: int(1), keepdims: int(0) }),
          node('Cast', ['a'], ['f'], { to: int(1) }),
          node('Reshape', ['f', 'to'], ['y']),
        ],
        constants: { sizes: int64([1, 2, 4, 5]), to: int64([1, 20]) },
        outputShape: [1, 20],
      },
    ],
    [
      'elements gathered by constant indices of one sample',
      {
        input: [1, 2, 3],
        nodes: [node('GatherElements', ['x', 'i'], ['g'], { axis: int(2) }), node('Flatten', ['g'], ['y'])],
        constants: { i: int64([2, 0, 1, 1], [1, 2, 2]) },
        outputShape: [1, 4],
      },
    ],
    [
      'a branch that reads the batch from outside',
      {
        input: [1, 2, 3],
        nodes: [
          node('Relu', ['x'], ['h']),
          node('If', ['c'], ['b'], { then_branch: branchOf('Exp'), else_branch: branchOf('Neg') }),
          node('Reshape', ['b', 'to'], ['y']),
        ],
        constants: { c: bool([true], []), to: int64([1, 6]) },
        outputShape: [1, 6],
      },
    ],
    [
      'a squeezed batch',
      {
        input: [1, 5],
        nodes: [node('Relu', ['x'], ['h']), node('Squeeze', ['h', 'a'], ['y'])],
        constants: { a: int64([0]) },
        outputShape: [5],
      },
    ],
    [
      'a transposition and back',
      {
        input: [1, 2, 3],
        nodes: [
          node('Transpose', ['x'], ['t'], { perm: ints(1, 0, 2) }),
          node('Relu', ['t'], ['r']),
          node('Transpose', ['r'], ['u'], { perm: ints(1, 0, 2) }),
          node('Reshape', ['u', 'to'], ['y']),
        ],
        constants: { to: int64([1, 6]) },
        outputShape: [1, 6],
      },
    ],
  ]
  test.each(models)('%s', async (_, model) => {
    const before = graphOf(model)
    const { graph, notes, fixedBatch, check } = symbolicBatch(before)
    expect(fixedBatch).toBe(1)
    expect(notes.filter(note => note.includes('may be wrong'))).toEqual([])
    expect(check).toEqual({ input: 'x', outputs: ['y'] })
    expect(graph.inputs[0]!.shape![0]).toBe('batch')
    expect(graph.outputs[0]!.shape![0]).toBe('batch')
    const sample = model.input.slice(1) as number[]
    const singles = await Promise.all(
      [1, 2, 3].map(async seed => (await run(before, numbers([1, ...sample], seed * 100)))[0]!),
    )
    const together = new Float32Array(3 * sizeOf(sample))
    for (const i of [0, 1, 2]) together.set(numbers([1, ...sample], (i + 1) * 100).data, i * sizeOf(sample))
    for (const each of [graph, withBatch(graph, 3), await simplify(withBatch(graph, 3), engine)]) {
      const [y] = await run(each, float32(together, [3, ...sample]))
      expect(y!.shape[0]).toBe(3)
      const wanted = singles.flatMap(single => Array.from(single.data as Float32Array))
      expectSame([{ ...y!, shape: [] } as Tensor], [{ dtype: 'float32', shape: [], data: Float32Array.from(wanted) }])
    }
  })

  test('what cannot be followed is said', () => {
    const nodes = [node('ReduceMean', ['x', 'axes'], ['y'])]
    const { notes } = symbolicBatch(
      graphOf({ input: [1, 3], nodes, constants: { axes: int64([0]) }, outputShape: [1, 3] }),
    )
    expect(notes.at(-1)).toMatch(/"the ReduceMean y".*reduces over the batch/)
  })

  test('an open batch is only renamed', () => {
    const before = graphOf({ input: ['N', 3], nodes: [node('Relu', ['x'], ['y'])], outputShape: ['M', 3] })
    const { graph, fixedBatch, notes } = symbolicBatch(before)
    expect({ fixedBatch, notes }).toEqual({ fixedBatch: undefined, notes: [] })
    expect(graph.outputs[0]!.shape).toEqual(['batch', 3])
    expect(graph.nodes).toBe(before.nodes)
  })

  test('withBatch refuses inputs that stay open, and samples that do not fit', () => {
    const graph = symbolicBatch(graphOf({ input: ['N', 3, 'h'], nodes: [node('Relu', ['x'], ['y'])] })).graph
    expect(() => withBatch(graph, 2)).toThrow(/leaves its shape open: \[2, 3, h\]/)
    expect(() => withBatch(graph, 2, [4, 5])).toThrow(/do not fit/)
    expect(withBatch(graph, 2, [3, 5]).inputs[0]!.shape).toEqual([2, 3, 5])
  })
})

describe('typed', () => {
  test('every value has its type', async () => {
    const nodes = [node('Relu', ['x'], ['h']), node('Shape', ['h'], ['s']), node('Reshape', ['h', 's'], ['y'])]
    const { types } = await typed(graphOf({ input: [2, 3], nodes }), engine)
    expect(types).toEqual(
      new Map([
        ['x', { dtype: 'float32', shape: [2, 3] }],
        ['h', { dtype: 'float32', shape: [2, 3] }],
        ['s', { dtype: 'int64', shape: [2] }],
        ['y', { dtype: 'float32', shape: [2, 3] }],
      ]),
    )
  })

  test('an Einsum with an implied output has a shape', async () => {
    const nodes = [node('Einsum', ['x', 'x'], ['y'], { equation: text('ij,kj') })]
    const { types } = await typed(canonical(graphOf({ input: [2, 3], nodes })).graph, engine)
    expect(types.get('y')).toEqual({ dtype: 'float32', shape: [2, 2] })
  })

  test('a bound computed from the size of a value is known where the value is of fixed shape', async () => {
    const nodes = [
      node('Size', ['x'], ['count']),
      node('Reshape', ['count', 'list'], ['end']),
      node('Slice', ['x', 'start', 'end', 'start'], ['y']),
    ]
    const constants = { list: int64([-1]), start: int64([1]) }
    const before = graphOf({ input: ['N', 3], nodes, constants })
    const graph = await simplify(withBatch(canonical(before).graph, 2), engine)
    const { types } = await typed(graph, engine)
    expect(types.get('y')).toEqual({ dtype: 'float32', shape: [2, 2] })
    expectSame(await run(graph, numbers([2, 3])), await run(before, numbers([2, 3])))
  })

  test('a shape that depends on the data is refused, by name', async () => {
    const nodes = [node('NonZero', ['x'], ['where']), node('Cast', ['where'], ['y'], { to: int(1) })]
    await expect(typed(graphOf({ input: [2, 3], nodes }), engine)).rejects.toThrow(/"(where|y)" is not fixed/)
  })
})
