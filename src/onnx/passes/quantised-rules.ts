/**
 * What quantised operators compute, in floating point: one row each. Sources: the ONNX operator specification, opset 21,
 * and ONNX Runtime's ContribOperators.md for those of `com.microsoft`.
 * q = clip(round(x / s) + z) and x = (q - z) s, with the scale s and the zero point z of the whole tensor or of each
 * position of one axis.
 */
import { RobustlyError } from '../../errors.js'
import { wholeRange } from '../../tensor/convert.js'
import type { GraphBuilder, Value } from '../build.js'
import type { Node, ValueType } from '../graph.js'
import { attributesOf, type OperatorName } from '../operators.js'
import { positive } from '../shapes.js'
import { attributeOf } from './pass.js'

export interface QuantisedContext {
  readonly b: GraphBuilder
  readonly node: Node
  /** A free name for the rounding that the node does, by which people are told of it. */
  readonly roundName: string | undefined
  has(i: number): boolean
  /** Input i as float32. Throws when it is absent. */
  number(i: number): Value
  /** Type of input i in the model. */
  typeOf(i: number): ValueType
  /** Type of output i in the model. */
  outputType(i?: number): ValueType
}

type QuantisedRule = (context: QuantisedContext) => readonly Value[]

const rules = {
  QuantizeLinear(context) {
    refuseBlocks(context)
    const x = context.number(0)
    const [scale, zero] = [alongAxis(context, 1, x), context.has(2) ? alongAxis(context, 2, x) : undefined]
    return [quantised(context, context.b.div(x, scale), zero)]
  },

  DequantizeLinear(context) {
    refuseBlocks(context)
    const x = context.number(0)
    const centred = context.has(2) ? context.b.sub(x, alongAxis(context, 2, x)) : x
    return [context.b.mul(centred, alongAxis(context, 1, x))]
  },

  DynamicQuantizeLinear(context) {
    return dynamic(context, context.number(0))
  },

  MatMulInteger(context) {
    return [integerProduct(context, { a: 0, zeroA: 2, b: 1, zeroB: 3 })]
  },

  // (A - zA)(B - zB) sA sB + bias
  MatMulIntegerToFloat(context) {
    const { b, number } = context
    const product = integerProduct(context, { a: 0, zeroA: 4, b: 1, zeroB: 5 })
    return [biased(context, b.mul(product, b.mul(number(2), number(3))), 6)]
  },

  // The same with A quantised here.
  DynamicQuantizeMatMul(context) {
    const { b, number } = context
    const [a, scale, zero] = dynamic(context, number(0))
    const product = b.matMul(b.sub(a, zero), centred(context, 1, 3))
    return [biased(context, b.mul(product, b.mul(scale, number(2))), 4)]
  },

  ConvInteger(context) {
    const x = centred(context, 0, 2)
    return [convolution(context, x, centredFilters(context, 1, 3))]
  },

  // y = quantised (A - zA)(B - zB) sA sB / sY
  QLinearMatMul(context) {
    const product = integerProduct(context, { a: 0, zeroA: 2, b: 3, zeroB: 5 })
    return [requantised(context, product, { in: [1, 4], out: 6, zero: 7 })]
  },

  // The bias is quantised with the scale sX sW, so it is added to the whole numbers.
  QLinearConv(context) {
    const { b, number, has } = context
    const filters = centredFilters(context, 3, 5)
    const sums = convolution(context, centred(context, 0, 2), filters)
    const spatial = sums.shape.slice(2).map(() => 1)
    const perFilter = (value: Value) => (value.shape[0]! > 1 ? b.reshape(value, [value.shape[0]!, ...spatial]) : value)
    const all = has(8) ? b.add(sums, b.reshape(number(8), [filters.shape[0]!, ...spatial])) : sums
    const factor = b.div(b.mul(number(1), perFilter(number(4))), number(6))
    return [quantised(context, b.mul(all, factor), number(7))]
  },

  // y = alpha (A' - zA)(B' - zB) sA sB + C, quantised where sY is given
  QGemm(context) {
    const { b, node, number, has } = context
    const transposed = (name: string) => attributeOf(node, name, 'int') === 1
    const options = { transA: transposed('transA'), transB: transposed('transB') }
    const bOf = options.transB ? centredFilters(context, 3, 5) : centred(context, 3, 5)
    const product = b.gemm(centred(context, 0, 2), bOf, undefined, options)
    const sums = has(6) ? b.add(product, number(6)) : product
    const alpha = b.scalar(attributeOf(node, 'alpha', 'float') ?? 1, 'float32')
    const factor = b.mul(b.mul(number(1), number(4)), alpha)
    if (!has(7)) return [b.mul(sums, factor)]
    return [quantised(context, b.mul(sums, b.div(factor, number(7))), has(8) ? number(8) : undefined)]
  },

  QLinearAdd: context => [ofTwo(context, (a, b) => context.b.add(a, b))],
  QLinearMul: context => [ofTwo(context, (a, b) => context.b.mul(a, b))],

  QLinearSigmoid: context => [ofOne(context, x => context.b.sigmoid(x))],
  QLinearLeakyRelu: context => [
    ofOne(context, x => {
      const alpha = attributeOf(context.node, 'alpha', 'float')
      return context.b.emit('LeakyRelu', [x], { alpha }, [x])[0]!
    }),
  ],
  QLinearSoftmax: context => [
    ofOne(context, x => context.b.softmax(x, attributeOf(context.node, 'axis', 'int') ?? -1)),
  ],

  QLinearGlobalAveragePool(context) {
    const { b } = context
    if (attributeOf(context.node, 'channels_last', 'int') !== 1) return [ofOne(context, x => b.globalAveragePool(x))]
    return [ofOne(context, x => b.reduceMean(x, x.shape.map((_, axis) => axis).slice(1, -1), true))]
  },

  QLinearAveragePool(context) {
    if (attributeOf(context.node, 'channels_last', 'int') === 1) refuse(context, 'channels in the last place')
    return [ofOne(context, x => like(context, 'AveragePool', [x]))]
  },

  // Inputs: scale and zero point of y, then x, scale and zero point of each part.
  QLinearConcat(context) {
    const { b, node, number, has, outputType } = context
    const parts = node.inputs.slice(2).flatMap((_, i) => (i % 3 === 0 ? [i + 2] : []))
    const values = parts.map(i => b.mul(has(i + 2) ? b.sub(number(i), number(i + 2)) : number(i), number(i + 1)))
    const joined = b.concat(values, positive(attributeOf(node, 'axis', 'int') ?? 0, outputType().shape.length))
    return [quantised(context, b.div(joined, number(0)), has(1) ? number(1) : undefined)]
  },
} satisfies Record<string, QuantisedRule>

export const quantisedRules: Readonly<Record<string, QuantisedRule>> = rules

/** Operators that ONNX Runtime alone has; the others stand in ai.onnx, and some in both. */
const contributed = new Set([
  'MatMulIntegerToFloat',
  'DynamicQuantizeMatMul',
  'QGemm',
  'QLinearAdd',
  'QLinearMul',
  'QLinearSigmoid',
  'QLinearLeakyRelu',
  'QLinearSoftmax',
  'QLinearGlobalAveragePool',
  'QLinearAveragePool',
  'QLinearConcat',
])

export function isQuantised(node: Node): boolean {
  if (!Object.hasOwn(rules, node.op)) return false
  return node.domain === 'com.microsoft' || (node.domain === '' && !contributed.has(node.op))
}

function refuse({ node }: QuantisedContext, what: string): never {
  throw new RobustlyError('model-unsupported', `node "${node.name}" (${node.op}): ${what} is not supported`, {
    hint: 'Quantise the model per tensor or per channel, or attack it by scores or labels.',
  })
}

function refuseBlocks(context: QuantisedContext): void {
  if ((attributeOf(context.node, 'block_size', 'int') ?? 0) !== 0) refuse(context, 'quantisation in blocks')
}

/** clip(round(x) + zero) to the range of the output's type; x is divided by the scale already. */
function quantised(context: QuantisedContext, x: Value, zero: Value | undefined): Value {
  const { b, outputType } = context
  const [low, high] = wholeRange(outputType().dtype) ?? [0, 255]
  const rounded = roundedBy(context, x)
  return clipped(b, zero === undefined ? rounded : b.add(rounded, zero), low, high)
}

function roundedBy({ b, roundName }: QuantisedContext, x: Value): Value {
  return b.emit('Round', [x], {}, [x], roundName === undefined ? undefined : [roundName])[0]!
}

function clipped(b: GraphBuilder, x: Value, low: number, high: number): Value {
  return b.emit('Clip', [x, b.scalar(low, 'float32'), b.scalar(high, 'float32')], {}, [x])[0]!
}

/** Scale or zero point in input i, shaped to go along x: of the whole tensor, or one for each position of `axis`. */
function alongAxis({ b, node, number }: QuantisedContext, i: number, x: Value): Value {
  const value = number(i)
  if (value.shape.length !== 1 || x.shape.length === 0) return value
  if (value.shape[0] === 1) return b.reshape(value, [])
  const axis = positive(attributeOf(node, 'axis', 'int') ?? 1, x.shape.length)
  return b.reshape(
    value,
    x.shape.slice(axis).map((_, at) => (at === 0 ? value.shape[0]! : 1)),
  )
}

/** Input i less its zero point in input `zero`, which broadcasts from the last axis. */
function centred({ b, number, has }: QuantisedContext, i: number, zero: number): Value {
  return has(zero) ? b.sub(number(i), number(zero)) : number(i)
}

/** Filters [M, …] less a zero point of all or of each. */
function centredFilters(context: QuantisedContext, i: number, zero: number): Value {
  const { b, number, has } = context
  const filters = number(i)
  if (!has(zero)) return filters
  const point = number(zero)
  const one = point.shape.length === 0 || point.shape[0] === 1
  return b.sub(
    filters,
    one
      ? b.reshape(point, [])
      : b.reshape(
          point,
          filters.shape.map((dim, axis) => (axis === 0 ? dim : 1)),
        ),
  )
}

/** (A - zA)(B - zB); a zero point for each row of A stands as a column. */
function integerProduct(
  context: QuantisedContext,
  at: { readonly a: number; readonly zeroA: number; readonly b: number; readonly zeroB: number },
): Value {
  const { b, number, has } = context
  const rowsOf = (zero: Value) => (zero.shape.length === 1 && zero.shape[0]! > 1 ? b.unsqueeze(zero, [1]) : zero)
  const a = has(at.zeroA) ? b.sub(number(at.a), rowsOf(number(at.zeroA))) : number(at.a)
  return b.matMul(a, centred(context, at.b, at.zeroB))
}

function convolution(context: QuantisedContext, x: Value, filters: Value): Value {
  return like(context, 'Conv', [x, filters])
}

/** An operator with the attributes of the node, of the shape of its output. */
function like(context: QuantisedContext, op: 'Conv' | 'AveragePool', inputs: readonly Value[]): Value {
  const { b, node, outputType } = context
  const attributes = attributesOf({ ...node, op } as Node, op as OperatorName)
  return b.emit(op, inputs, attributes, [{ dtype: 'float32', shape: outputType().shape }])[0]!
}

function biased({ b, number, has }: QuantisedContext, x: Value, i: number): Value {
  return has(i) ? b.add(x, number(i)) : x
}

/** Whole sums of the scale sA sB as the output's integers. */
function requantised(
  context: QuantisedContext,
  sums: Value,
  at: { readonly in: readonly [number, number]; readonly out: number; readonly zero: number },
): Value {
  const { b, number } = context
  const factor = b.div(b.mul(number(at.in[0]), number(at.in[1])), number(at.out))
  return quantised(context, b.mul(sums, factor), number(at.zero))
}

/** y = f(x) with x in inputs 0 to 2 and the scale and zero point of y in 3 and 4. */
function ofOne(context: QuantisedContext, f: (x: Value) => Value): Value {
  const { b, number, has } = context
  const y = f(b.mul(centred(context, 0, 2), number(1)))
  return quantised(context, b.div(y, number(3)), has(4) ? number(4) : undefined)
}

/** y = f(a, c) with a in inputs 0 to 2, c in 3 to 5 and the scale and zero point of y in 6 and 7. */
function ofTwo(context: QuantisedContext, f: (a: Value, b: Value) => Value): Value {
  const { b, number, has } = context
  const y = f(b.mul(centred(context, 0, 2), number(1)), b.mul(centred(context, 3, 5), number(4)))
  return quantised(context, b.div(y, number(6)), has(7) ? number(7) : undefined)
}

/**
 * [y, scale, zero point] to uint8 over the range of each sample, which always holds 0:
 * scale = (max - min) / 255, zero = clip(round(-min / scale)).
 */
function dynamic(context: QuantisedContext, x: Value): [Value, Value, Value] {
  const { b } = context
  const axes = x.shape.map((_, axis) => axis).slice(x.shape.length > 1 ? 1 : 0)
  const nothing = b.scalar(0, 'float32')
  const high = b.max(b.reduceMax(x, axes, true), nothing)
  const low = b.min(b.neg(b.reduceMax(b.neg(x), axes, true)), nothing)
  const range = b.div(b.sub(high, low), b.scalar(255, 'float32'))
  const scale = b.where(b.greater(range, nothing), range, b.scalar(1, 'float32'))
  const zero = clipped(b, b.round(b.neg(b.div(low, scale))), 0, 255)
  const y = clipped(b, b.add(roundedBy(context, b.div(x, scale)), zero), 0, 255)
  return [y, scale, zero]
}
