/**
 * The closed union of operators that the program interprets, with their attributes and defaults at the canonical
 * opset. Every table over operators (gradient rules, reference evaluation, …) is checked by the compiler against it.
 * Source: the ONNX operator specification (Operators.md), opset 21.
 */
import { RobustlyError } from '../errors.js'
import type { Attribute, Node } from './graph.js'

/** Loaded graphs are brought to this ai.onnx version, and rules emit it. */
export const canonicalOpset = 21

interface AttributeTypes {
  int: number
  float: number
  string: string
  ints: readonly number[]
  floats: readonly number[]
  strings: readonly string[]
}

interface AttributeSpec<T extends keyof AttributeTypes, D> {
  readonly type: T
  readonly default: D
}

interface OperatorSpec {
  /** Least and greatest number of inputs; optional inputs in between may be absent ('' in the file). */
  readonly inputs: readonly [number, number]
  readonly attributes: Readonly<Record<string, AttributeSpec<keyof AttributeTypes, unknown>>>
}

const int = <D extends number | undefined>(value: D) => ({ type: 'int', default: value }) as const
const float = <D extends number | undefined>(value: D) => ({ type: 'float', default: value }) as const
const string = <D extends string | undefined>(value: D) => ({ type: 'string', default: value }) as const
const ints = { type: 'ints', default: undefined } as const
const floats = { type: 'floats', default: undefined } as const
const strings = { type: 'strings', default: undefined } as const
const many = Number.POSITIVE_INFINITY

const unary = { inputs: [1, 1], attributes: {} } as const
const binary = { inputs: [2, 2], attributes: {} } as const
const variadic = { inputs: [1, many], attributes: {} } as const
const convolution = {
  auto_pad: string('NOTSET'),
  dilations: ints,
  group: int(1),
  kernel_shape: ints,
  pads: ints,
  strides: ints,
}
const pooling = {
  auto_pad: string('NOTSET'),
  ceil_mode: int(0),
  dilations: ints,
  kernel_shape: ints,
  pads: ints,
  strides: ints,
}
const reduction = { inputs: [1, 2], attributes: { keepdims: int(1), noop_with_empty_axes: int(0) } } as const
/** With a seed, a session draws the same numbers in the same order; each call goes on where the last one ended. */
const draw = { dtype: int(undefined), seed: float(undefined) }
const along = (axis: number) => ({ inputs: [1, 1], attributes: { axis: int(axis) } }) as const

const recurrence = {
  activation_alpha: floats,
  activation_beta: floats,
  activations: strings,
  clip: float(undefined),
  direction: string('forward'),
  hidden_size: int(undefined),
  layout: int(0),
}

export const operators = {
  Abs: unary,
  Acos: unary,
  Acosh: unary,
  Add: binary,
  And: binary,
  ArgMax: { inputs: [1, 1], attributes: { axis: int(0), keepdims: int(1), select_last_index: int(0) } },
  ArgMin: { inputs: [1, 1], attributes: { axis: int(0), keepdims: int(1), select_last_index: int(0) } },
  Asin: unary,
  Asinh: unary,
  Atan: unary,
  Atanh: unary,
  AveragePool: { inputs: [1, 1], attributes: { ...pooling, count_include_pad: int(0) } },
  BatchNormalization: {
    inputs: [5, 5],
    attributes: { epsilon: float(1e-5), momentum: float(0.9), training_mode: int(0) },
  },
  Cast: { inputs: [1, 1], attributes: { saturate: int(1), to: int(undefined) } },
  CastLike: { inputs: [2, 2], attributes: { saturate: int(1) } },
  Ceil: unary,
  Celu: { inputs: [1, 1], attributes: { alpha: float(1) } },
  Clip: { inputs: [1, 3], attributes: {} },
  Col2Im: { inputs: [3, 3], attributes: { dilations: ints, pads: ints, strides: ints } },
  Compress: { inputs: [2, 2], attributes: { axis: int(undefined) } },
  Concat: { inputs: [1, many], attributes: { axis: int(undefined) } },
  Constant: { inputs: [0, 0], attributes: {} },
  ConstantOfShape: { inputs: [1, 1], attributes: {} },
  Conv: { inputs: [2, 3], attributes: convolution },
  ConvTranspose: { inputs: [2, 3], attributes: { ...convolution, output_padding: ints, output_shape: ints } },
  Cos: unary,
  Cosh: unary,
  CumSum: { inputs: [2, 2], attributes: { exclusive: int(0), reverse: int(0) } },
  DFT: { inputs: [1, 3], attributes: { inverse: int(0), onesided: int(0) } },
  DepthToSpace: { inputs: [1, 1], attributes: { blocksize: int(undefined), mode: string('DCR') } },
  Div: binary,
  Dropout: { inputs: [1, 3], attributes: { seed: int(undefined) } },
  Einsum: { inputs: [1, many], attributes: { equation: string(undefined) } },
  Elu: { inputs: [1, 1], attributes: { alpha: float(1) } },
  Equal: binary,
  Erf: unary,
  Exp: unary,
  Expand: binary,
  EyeLike: { inputs: [1, 1], attributes: { dtype: int(undefined), k: int(0) } },
  Flatten: { inputs: [1, 1], attributes: { axis: int(1) } },
  Floor: unary,
  GRU: { inputs: [3, 6], attributes: { ...recurrence, linear_before_reset: int(0) } },
  Gather: { inputs: [2, 2], attributes: { axis: int(0) } },
  GatherElements: { inputs: [2, 2], attributes: { axis: int(0) } },
  GatherND: { inputs: [2, 2], attributes: { batch_dims: int(0) } },
  Gelu: { inputs: [1, 1], attributes: { approximate: string('none') } },
  Gemm: { inputs: [2, 3], attributes: { alpha: float(1), beta: float(1), transA: int(0), transB: int(0) } },
  GlobalAveragePool: unary,
  GlobalLpPool: { inputs: [1, 1], attributes: { p: int(2) } },
  GlobalMaxPool: unary,
  Greater: binary,
  GreaterOrEqual: binary,
  GridSample: {
    inputs: [2, 2],
    attributes: { align_corners: int(0), mode: string('linear'), padding_mode: string('zeros') },
  },
  HardSigmoid: { inputs: [1, 1], attributes: { alpha: float(0.2), beta: float(0.5) } },
  HardSwish: unary,
  Hardmax: along(-1),
  Identity: unary,
  InstanceNormalization: { inputs: [3, 3], attributes: { epsilon: float(1e-5) } },
  IsInf: { inputs: [1, 1], attributes: { detect_negative: int(1), detect_positive: int(1) } },
  IsNaN: unary,
  LRN: { inputs: [1, 1], attributes: { alpha: float(1e-4), beta: float(0.75), bias: float(1), size: int(undefined) } },
  LSTM: { inputs: [3, 8], attributes: { ...recurrence, input_forget: int(0) } },
  LayerNormalization: { inputs: [2, 3], attributes: { axis: int(-1), epsilon: float(1e-5), stash_type: int(1) } },
  LeakyRelu: { inputs: [1, 1], attributes: { alpha: float(0.01) } },
  Less: binary,
  LessOrEqual: binary,
  Log: unary,
  LogSoftmax: along(-1),
  LpNormalization: { inputs: [1, 1], attributes: { axis: int(-1), p: int(2) } },
  LpPool: { inputs: [1, 1], attributes: { ...pooling, p: int(2) } },
  MatMul: binary,
  Max: variadic,
  MaxPool: { inputs: [1, 1], attributes: { ...pooling, storage_order: int(0) } },
  MaxUnpool: { inputs: [2, 3], attributes: { kernel_shape: ints, pads: ints, strides: ints } },
  Mean: variadic,
  MeanVarianceNormalization: { inputs: [1, 1], attributes: { axes: ints } },
  Min: variadic,
  Mish: unary,
  Mod: { inputs: [2, 2], attributes: { fmod: int(0) } },
  Mul: binary,
  Neg: unary,
  NonZero: unary,
  Not: unary,
  OneHot: { inputs: [3, 3], attributes: { axis: int(-1) } },
  Or: binary,
  PRelu: binary,
  Pad: { inputs: [2, 4], attributes: { mode: string('constant') } },
  Pow: binary,
  RNN: { inputs: [3, 6], attributes: recurrence },
  RandomNormal: { inputs: [0, 0], attributes: { ...draw, mean: float(0), scale: float(1), shape: ints } },
  RandomNormalLike: { inputs: [1, 1], attributes: { ...draw, mean: float(0), scale: float(1) } },
  RandomUniform: { inputs: [0, 0], attributes: { ...draw, low: float(0), high: float(1), shape: ints } },
  RandomUniformLike: { inputs: [1, 1], attributes: { ...draw, low: float(0), high: float(1) } },
  Range: { inputs: [3, 3], attributes: {} },
  Reciprocal: unary,
  ReduceL1: reduction,
  ReduceL2: reduction,
  ReduceLogSum: reduction,
  ReduceLogSumExp: reduction,
  ReduceMax: reduction,
  ReduceMean: reduction,
  ReduceMin: reduction,
  ReduceProd: reduction,
  ReduceSum: reduction,
  ReduceSumSquare: reduction,
  Relu: unary,
  Reshape: { inputs: [2, 2], attributes: { allowzero: int(0) } },
  Resize: {
    inputs: [1, 4],
    attributes: {
      antialias: int(0),
      axes: ints,
      coordinate_transformation_mode: string('half_pixel'),
      cubic_coeff_a: float(-0.75),
      exclude_outside: int(0),
      extrapolation_value: float(0),
      keep_aspect_ratio_policy: string('stretch'),
      mode: string('nearest'),
      nearest_mode: string('round_prefer_floor'),
    },
  },
  ReverseSequence: { inputs: [2, 2], attributes: { batch_axis: int(1), time_axis: int(0) } },
  Round: unary,
  ScatterElements: { inputs: [3, 3], attributes: { axis: int(0), reduction: string('none') } },
  ScatterND: { inputs: [3, 3], attributes: { reduction: string('none') } },
  Selu: {
    inputs: [1, 1],
    attributes: { alpha: float(1.6732631921768188), gamma: float(1.0507010221481323) },
  },
  Shape: { inputs: [1, 1], attributes: { start: int(0), end: int(undefined) } },
  Shrink: { inputs: [1, 1], attributes: { bias: float(0), lambd: float(0.5) } },
  Sigmoid: unary,
  Sign: unary,
  Sin: unary,
  Sinh: unary,
  Size: unary,
  Slice: { inputs: [3, 5], attributes: {} },
  Softmax: along(-1),
  Softplus: unary,
  Softsign: unary,
  STFT: { inputs: [2, 4], attributes: { onesided: int(1) } },
  SpaceToDepth: { inputs: [1, 1], attributes: { blocksize: int(undefined) } },
  Split: { inputs: [1, 2], attributes: { axis: int(0), num_outputs: int(undefined) } },
  Sqrt: unary,
  Squeeze: { inputs: [1, 2], attributes: {} },
  Sub: binary,
  Sum: variadic,
  Tan: unary,
  Tanh: unary,
  ThresholdedRelu: { inputs: [1, 1], attributes: { alpha: float(1) } },
  Tile: binary,
  TopK: { inputs: [2, 2], attributes: { axis: int(-1), largest: int(1), sorted: int(1) } },
  Transpose: { inputs: [1, 1], attributes: { perm: ints } },
  Trilu: { inputs: [1, 2], attributes: { upper: int(1) } },
  Unsqueeze: { inputs: [2, 2], attributes: {} },
  Where: { inputs: [3, 3], attributes: {} },
  Xor: binary,
} as const satisfies Record<string, OperatorSpec>

export type OperatorName = keyof typeof operators

/** Operators that answer true or false. */
export type Logic = Extract<
  OperatorName,
  'Equal' | 'Greater' | 'GreaterOrEqual' | 'Less' | 'LessOrEqual' | 'And' | 'Or' | 'Xor' | 'Not' | 'IsNaN' | 'IsInf'
>

type Specs<O extends OperatorName> = (typeof operators)[O]['attributes']

/** Attributes of an operator as a rule reads them: defaults filled in, undefined where the standard has no default. */
export type AttributesOf<O extends OperatorName> = {
  readonly [K in keyof Specs<O>]: Specs<O>[K] extends AttributeSpec<infer T, infer D>
    ? AttributeTypes[T] | (D extends undefined ? undefined : never)
    : never
}

/** Attributes as a builder accepts them: all optional. */
export type AttributeValues<O extends OperatorName> = {
  readonly [K in keyof Specs<O>]?: AttributesOf<O>[K] | undefined
}

export function isOperator(node: Node): node is Node & { readonly op: OperatorName } {
  return node.domain === '' && Object.hasOwn(operators, node.op)
}

/** Reads a node's attributes by the table. Throws `model-invalid` on an attribute of another type. */
export function attributesOf<O extends OperatorName>(node: Node, op: O): AttributesOf<O> {
  const specs: OperatorSpec['attributes'] = operators[op].attributes
  const values: Record<string, unknown> = {}
  for (const [name, spec] of Object.entries(specs)) {
    const given = node.attributes.get(name)
    if (given !== undefined && given.type !== spec.type) {
      throw new RobustlyError(
        'model-invalid',
        `node "${node.name}" (${node.op}): attribute ${name} is of type ${given.type}, expected ${spec.type}`,
      )
    }
    values[name] = given === undefined ? spec.default : given.value
  }
  return values as AttributesOf<O>
}

/** The inverse of `attributesOf`: undefined values and defaults are left out. */
export function attributesFrom<O extends OperatorName>(op: O, values: AttributeValues<O>): Map<string, Attribute> {
  const specs: OperatorSpec['attributes'] = operators[op].attributes
  const attributes = new Map<string, Attribute>()
  for (const [name, value] of Object.entries(values)) {
    const spec = specs[name]
    if (spec === undefined) throw new RangeError(`${op} has no attribute ${name}`)
    if (value === undefined || value === spec.default) continue
    attributes.set(name, { type: spec.type, value } as Attribute)
  }
  return attributes
}

/** ONNX element type numbers (TensorProto.DataType), for Cast. */
export const elementTypes = {
  float32: 1,
  uint8: 2,
  int8: 3,
  uint16: 4,
  int16: 5,
  int32: 6,
  int64: 7,
  string: 8,
  bool: 9,
  float16: 10,
  float64: 11,
  uint32: 12,
  uint64: 13,
  bfloat16: 16,
} as const
