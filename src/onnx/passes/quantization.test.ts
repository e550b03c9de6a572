/** Quantised operators in floating point: the ONNX project's own cases, and ONNX Runtime on the quantised graph itself. */
import { describe, expect, it } from 'vitest'
import { conformanceCases, hasConformanceCases, modelOf, tensorOf } from '../../../test/support/conformance.js'
import { engine, rowTensor } from '../../../test/support/gradcheck.js'
import { type Attributes, int, ints } from '../../../test/support/nodes.js'
import { gradientPath, isDifferentiable } from '../../autodiff/gradient.js'
import { rulesWith } from '../../autodiff/surrogates.js'
import { toFloat32 } from '../../tensor/convert.js'
import { arrays, float32, type Shape, sizeOf, type Tensor, toNumbers } from '../../tensor/tensor.js'
import { encodeModel } from '../codec/index.js'
import { type Graph, initializer, type Node, type TypedGraph } from '../graph.js'
import { canonical } from './canonical.js'
import { singlePrecision } from './halves.js'
import { explicitPads } from './pads.js'
import { quantisedRules } from './quantised-rules.js'
import { floatingPoint } from './quantization.js'
import { typed } from './simplify.js'

const names = /^test_(de)?quantizelinear|^test_dynamicquantize|^test_qlinear|^test_(matmul|conv)integer/
/**
 * Element types that nothing here reads, scales in blocks, operators that were written out already, and a case of three rows
 * whose range is that of all of them.
 */
const outside = /e4m3|e5m2|int4|float4|blocked|expanded|dynamicquantizelinear_min/

/** What leaves the range wraps around in these files, against the operator's text and ONNX Runtime, which saturate. */
const wrapped = /qlinearmatmul_.D_int8/

describe.skipIf(!hasConformanceCases)('the cases of the ONNX project', () => {
  const cases = hasConformanceCases
    ? conformanceCases().filter(({ name }) => names.test(name) && !outside.test(name))
    : []

  it('are there', () => {
    expect(cases.length).toBeGreaterThan(18)
  })

  it.each(cases)('$name', async test => {
    const { graph } = singlePrecision(canonical(modelOf(test).graph).graph)
    const floating = explicitPads(floatingPoint(await typed(graph, await engine())))
    const feeds = test.inputs.map((bytes, i) => [graph.inputs[i]!.name, inSingle(tensorOf(bytes))] as const)
    // In float32, as the cases were made: some values lie half-way between two integers.
    const values = await run(floating, new Map(feeds))
    test.outputs.forEach((bytes, i) => {
      const expected = toNumbers(inSingle(tensorOf(bytes)))
      toNumbers(values[i]!).forEach((value, at) => {
        if (!(wrapped.test(test.name) && value === -128)) expect(value).toBeCloseTo(expected[at]!, 2)
      })
    })
  })
})

function inSingle(tensor: Tensor): Tensor {
  return tensor.dtype === 'float16' ? float32(toFloat32('float16', tensor.data), tensor.shape) : tensor
}

interface Case {
  readonly op: string
  readonly shows: string
  readonly domain?: '' | 'com.microsoft'
  /** 'x' and 'y' are floats that are fed; 'qx' and 'qy' the same as uint8 with scale 0.02 and zero point 100. Others are constants. */
  readonly inputs: readonly (string | Tensor | undefined)[]
  readonly attributes?: Attributes
  /** Shapes of the fed values. */
  readonly x: Shape
  readonly y?: Shape
  readonly outputs?: number
}

const s = (value: number): Tensor => float32([value], [])
const bytes = (dtype: 'uint8' | 'int8' | 'int32', shape: Shape, values?: readonly number[]): Tensor => {
  const [low, high] = dtype === 'int32' ? [-500, 500] : dtype === 'uint8' ? [0, 255] : [-128, 127]
  const spread = Array.from({ length: sizeOf(shape) }, (_, i) => Math.round(low + (high - low) * ((i * 0.618) % 1)))
  return { dtype, shape, data: arrays[dtype].from(values ?? spread) } as Tensor
}
const u8 = (value: number) => bytes('uint8', [], [value])
const i8 = (value: number) => bytes('int8', [], [value])
const q = [s(0.02), u8(100)] as const
const scales = (count: number) => float32(Array.from({ length: count }, (_, i) => 0.01 + 0.003 * i))
const ms = 'com.microsoft' as const

const cases: readonly Case[] = [
  { op: 'QuantizeLinear', shows: 'without zero point', inputs: ['x', s(0.01)], x: [2, 5] },
  {
    op: 'QuantizeLinear',
    shows: 'int8 by axis',
    inputs: ['x', scales(3), bytes('int8', [3])],
    attributes: { axis: int(1) },
    x: [2, 3, 4],
  },
  {
    op: 'QuantizeLinear',
    shows: 'by the last axis',
    inputs: ['x', scales(4), bytes('uint8', [4])],
    attributes: { axis: int(-1) },
    x: [2, 3, 4],
  },
  {
    op: 'DequantizeLinear',
    shows: 'by axis',
    inputs: ['qx', scales(3), bytes('uint8', [3])],
    attributes: { axis: int(1) },
    x: [2, 3, 4],
  },
  { op: 'DequantizeLinear', shows: 'of a vector by its scale alone', inputs: ['qx', float32([0.5])], x: [1, 6] },
  { op: 'DynamicQuantizeLinear', shows: 'both signs', inputs: ['x'], x: [1, 12], outputs: 3 },
  { op: 'MatMulInteger', shows: 'zero points', inputs: ['qx', bytes('int8', [4, 3]), u8(100), i8(3)], x: [2, 4] },
  {
    op: 'MatMulInteger',
    shows: 'a zero point for each column',
    inputs: ['qx', bytes('uint8', [4, 3]), u8(9), bytes('uint8', [3])],
    x: [2, 4],
  },
  {
    op: 'ConvInteger',
    shows: 'pads and strides',
    inputs: ['qx', bytes('uint8', [2, 3, 3, 3]), u8(100), u8(7)],
    attributes: { pads: ints(1, 1, 1, 1), strides: ints(2, 2) },
    x: [1, 3, 6, 6],
  },
  { op: 'QLinearMatMul', shows: 'of two', inputs: ['qx', ...q, 'qy', ...q, s(0.03), u8(128)], x: [2, 4], y: [4, 3] },
  {
    op: 'QLinearConv',
    shows: 'by channel, with bias and groups',
    inputs: [
      'qx',
      ...q,
      bytes('int8', [4, 1, 3, 3]),
      scales(4),
      bytes('int8', [4], [0, 0, 0, 0]),
      s(0.3),
      u8(128),
      bytes('int32', [4]),
    ],
    attributes: { group: int(2), pads: ints(1, 1, 1, 1) },
    x: [1, 2, 5, 5],
  },
  {
    op: 'QLinearConv',
    shows: 'automatic padding',
    inputs: ['qx', ...q, bytes('int8', [4, 2, 3, 3]), s(0.01), i8(0), s(0.3), u8(128)],
    attributes: { auto_pad: { type: 'string', value: 'SAME_UPPER' }, strides: ints(2, 2) },
    x: [1, 2, 5, 5],
  },
  {
    op: 'QGemm',
    domain: ms,
    shows: 'by column, with bias',
    inputs: [
      'qx',
      ...q,
      bytes('int8', [4, 3]),
      scales(3),
      bytes('int8', [3], [0, 0, 0]),
      bytes('int32', [3]),
      s(0.3),
      u8(128),
    ],
    x: [2, 4],
  },
  {
    op: 'QGemm',
    domain: ms,
    shows: 'transposed, to float',
    inputs: ['qx', ...q, bytes('int8', [3, 4]), s(0.02), i8(0)],
    attributes: { transB: int(1), alpha: { type: 'float', value: 1.5 } },
    x: [2, 4],
  },
  {
    op: 'MatMulIntegerToFloat',
    domain: ms,
    shows: 'with bias',
    inputs: ['qx', bytes('int8', [4, 3]), s(0.02), s(0.01), u8(100), i8(2), scales(3)],
    x: [2, 4],
  },
  {
    op: 'DynamicQuantizeMatMul',
    domain: ms,
    shows: 'with bias',
    inputs: ['x', bytes('int8', [4, 3]), s(0.01), i8(2), scales(3)],
    x: [1, 4],
  },
  {
    op: 'QLinearAdd',
    domain: ms,
    shows: 'broadcast',
    inputs: ['qx', ...q, 'qy', ...q, s(0.03), u8(128)],
    x: [2, 4],
    y: [4],
  },
  {
    op: 'QLinearMul',
    domain: ms,
    shows: 'broadcast',
    inputs: ['qx', ...q, 'qy', ...q, s(0.01), u8(128)],
    x: [2, 4],
    y: [4],
  },
  { op: 'QLinearSigmoid', domain: ms, shows: 'of one', inputs: ['qx', ...q, s(0.004), u8(0)], x: [2, 4] },
  {
    op: 'QLinearLeakyRelu',
    domain: ms,
    shows: 'of one',
    inputs: ['qx', ...q, s(0.02), u8(50)],
    attributes: { alpha: { type: 'float', value: 0.2 } },
    x: [2, 4],
  },
  {
    op: 'QLinearSoftmax',
    domain: ms,
    shows: 'over the last axis',
    inputs: ['qx', ...q, s(0.004), u8(0)],
    attributes: { axis: int(-1), opset: int(13) },
    x: [2, 4],
  },
  {
    op: 'QLinearGlobalAveragePool',
    domain: ms,
    shows: 'channels first',
    inputs: ['qx', ...q, s(0.01), u8(100)],
    x: [1, 3, 4, 4],
  },
  {
    op: 'QLinearGlobalAveragePool',
    domain: ms,
    shows: 'channels last',
    inputs: ['qx', ...q, s(0.01), u8(100)],
    attributes: { channels_last: int(1) },
    x: [1, 4, 4, 3],
  },
  {
    op: 'QLinearAveragePool',
    domain: ms,
    shows: 'a window',
    inputs: ['qx', ...q, s(0.02), u8(100)],
    attributes: { kernel_shape: ints(2, 2), strides: ints(2, 2) },
    x: [1, 3, 4, 4],
  },
  {
    op: 'QLinearConcat',
    domain: ms,
    shows: 'two parts',
    inputs: [s(0.03), u8(100), 'qx', ...q, 'qy', ...q],
    attributes: { axis: int(1) },
    x: [1, 3],
    y: [1, 2],
  },
]

/** The node between float inputs, quantised first where it wants integers, and its outputs as floats. */
async function graphOf(test: Case): Promise<TypedGraph> {
  const nodes: Node[] = []
  const initializers = new Map<string, ReturnType<typeof initializer>>()
  const node = (op: string, inputs: string[], outputs: string[], attributes: Case['attributes'] = {}, domain = '') =>
    nodes.push({ name: outputs[0]!, op, domain, inputs, outputs, attributes: new Map(Object.entries(attributes)) })
  const constant = (tensor: Tensor) => {
    const name = `c${initializers.size}`
    initializers.set(name, initializer(tensor))
    return name
  }
  const inputs = test.inputs.map(input => {
    if (input === undefined) return ''
    if (typeof input !== 'string') return constant(input)
    if (input.startsWith('q')) node('QuantizeLinear', [input.slice(1), constant(q[0]), constant(q[1])], [input])
    return input
  })
  const outputs = Array.from({ length: test.outputs ?? 1 }, (_, i) => `o${i}`)
  node(test.op, inputs, outputs, test.attributes, test.domain ?? '')
  for (const [i, name] of outputs.entries()) node('Cast', [name], [`f${i}`], { to: int(1) })
  const info = (name: string, shape: Shape | undefined) => ({ name, dtype: 'float32', shape }) as const
  const graph: Graph = {
    name: test.op,
    opsets: new Map([
      ['', 21],
      ['com.microsoft', 1],
    ]),
    inputs: [info('x', test.x), ...(test.y === undefined ? [] : [info('y', test.y)])],
    outputs: outputs.map((_, i) => info(`f${i}`, undefined)),
    nodes,
    initializers,
    valueInfo: new Map(),
  }
  return typed(graph, await engine())
}

describe('beside ONNX Runtime on the quantised graph', () => {
  it('every operator has a case', () => {
    expect(Object.keys(quantisedRules).filter(op => !cases.some(test => test.op === op))).toEqual([])
  })

  it.each(cases)('$op, $shows', async test => {
    const graph = await graphOf(test)
    const floating = explicitPads(floatingPoint(graph))
    expect(floating.nodes.filter(({ op }) => Object.hasOwn(quantisedRules, op))).toEqual([])
    const feeds = new Map(
      graph.inputs.map(({ name, shape }, i) => [name, rowTensor({ shape: shape as number[], domain: [-2, 2] }, i)]),
    )
    const [expected, got] = [await run(graph, feeds), await run(floating, feeds)]
    expect(got.map(tensor => sizeOf(tensor.shape))).toEqual(expected.map(tensor => sizeOf(tensor.shape)))
    expected.forEach((tensor, i) => {
      const wanted = toNumbers(tensor)
      // One step of the integers where a value lies between two; the rounding of float32 elsewhere.
      const step = wanted.every(Number.isInteger) ? 1 : 1e-4 * Math.max(...wanted.map(Math.abs))
      const off = toNumbers(got[i]!).map((value, at) => Math.abs(value - wanted[at]!))
      expect(Math.max(...off)).toBeLessThanOrEqual(step)
      // ONNX Runtime's table for Softmax is rounded more than once.
      const loose = test.op === 'QLinearSoftmax' ? off.length / 2 : off.length / 10
      expect(off.filter(distance => distance > step / 2).length).toBeLessThanOrEqual(loose)
    })
  })

  it.each(cases)('$op, $shows: a gradient gets through', async test => {
    const graph = explicitPads(floatingPoint(await graphOf(test)))
    const rules = rulesWith('on')
    const path = gradientPath(graph, rules)
    expect(path.length).toBeGreaterThan(0)
    expect(path.filter(node => !isDifferentiable(node, rules))).toEqual([])
  })
})

async function run(graph: Graph, feeds: ReadonlyMap<string, Tensor>): Promise<Tensor[]> {
  await using session = await (await engine()).createSession({ bytes: encodeModel(graph) }, { threads: 1 })
  return [...(await session.run(feeds)).values()]
}
