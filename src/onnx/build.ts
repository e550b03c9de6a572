/**
 * The node builder: emits standard ai.onnx nodes at the canonical opset and knows the fixed shape of every value it
 * makes, so that a wrong graph fails where it is built. Rules, losses, architectures and benchmarks all use it.
 */
import {
  arrays,
  bool,
  broadcastShapes,
  type DataType,
  float32,
  float64,
  int64,
  type Shape,
  sizeOf,
  type Tensor,
} from '../tensor/tensor.js'
import {
  type Attribute,
  type Initializer,
  initializer,
  type Node,
  type TypedGraph,
  type ValueInfo,
  type ValueType,
} from './graph.js'
import { type AttributeValues, attributesFrom, canonicalOpset, elementTypes, type OperatorName } from './operators.js'
import {
  filledWindow,
  matMulShape,
  positive,
  reducedShape,
  sliceLength,
  type Window,
  windowedLength,
} from './shapes.js'

/** A value of the graph under construction. */
export interface Value extends ValueType {
  readonly name: string
}

export class GraphBuilder {
  readonly #inputs: ValueInfo[]
  readonly #outputs: ValueInfo[]
  readonly #nodes: Node[]
  readonly #initializers: Map<string, Initializer>
  readonly #types: Map<string, ValueType>
  readonly #name: string
  readonly #scalars = new Map<string, Value>()
  #counter = 0

  /** Starts empty, or with everything that `base` holds. */
  constructor(base: TypedGraph | string) {
    const from = typeof base === 'string' ? undefined : base
    this.#name = from?.name ?? (base as string)
    this.#inputs = [...(from?.inputs ?? [])]
    this.#outputs = [...(from?.outputs ?? [])]
    this.#nodes = [...(from?.nodes ?? [])]
    this.#initializers = new Map(from?.initializers)
    this.#types = new Map(from?.types)
  }

  /** The value of that name. Throws when there is none. */
  value(name: string): Value {
    const type = this.#types.get(name)
    if (type === undefined) throw new RangeError(`the graph has no value named "${name}"`)
    return { name, ...type }
  }

  input(name: string, dtype: DataType, shape: Shape): Value {
    this.#inputs.push({ name, dtype, shape })
    return this.#define(name, dtype, shape)
  }

  /** A constant. With a name, the name must be free. */
  constant(tensor: Tensor, name = this.#fresh('constant')): Value {
    this.#initializers.set(name, initializer(tensor))
    return this.#define(name, tensor.dtype, tensor.shape)
  }

  /** A rank-0 constant; equal ones are shared. */
  scalar(value: number, dtype: DataType): Value {
    const key = `${dtype} ${Object.is(value, -0) ? '-0' : value}`
    const known = this.#scalars.get(key)
    if (known !== undefined) return known
    const made = this.constant(filled(dtype, [], value))
    this.#scalars.set(key, made)
    return made
  }

  /** A constant tensor of one value. */
  full(shape: Shape, value: number, dtype: DataType): Value {
    return this.constant(filled(dtype, shape, value))
  }

  /** A 1-D int64 constant: axes, shapes, starts. */
  integers(values: readonly number[]): Value {
    return this.constant(int64(values))
  }

  /** The values of a constant, undefined for anything computed. */
  constantOf(value: Value): Tensor | undefined {
    return this.#initializers.get(value.name)?.load()
  }

  /** Lists a value among the graph's outputs, under `name` when given. */
  output(value: Value, name?: string): Value {
    const out = name === undefined || name === value.name ? value : this.#identity(value, name)
    this.#outputs.push({ name: out.name, dtype: out.dtype, shape: out.shape })
    return out
  }

  /**
   * Emits any operator; the caller states the types of its outputs. `undefined` inputs are absent optional ones.
   * Prefer the named methods below, which work the types out.
   */
  emit<O extends OperatorName>(
    op: O,
    inputs: readonly (Value | undefined)[],
    attributes: AttributeValues<O>,
    types: readonly ValueType[],
    names?: readonly string[],
  ): Value[] {
    const outputs = types.map((type, i) => this.#define(names?.[i] ?? this.#fresh(op), type.dtype, type.shape))
    this.#push(op, inputs, attributesFrom(op, attributes), outputs)
    return outputs
  }

  /** The graph as it stands. Nodes and constants that neither an output nor a value named in `keep` needs are left out. */
  build(keep: readonly string[] = []): TypedGraph {
    const needed = new Set([...this.#outputs.map(output => output.name), ...keep])
    const nodes: Node[] = []
    for (const node of this.#nodes.toReversed()) {
      if (!node.outputs.some(name => needed.has(name))) continue
      nodes.push(node)
      for (const name of node.inputs) needed.add(name)
    }
    return {
      name: this.#name,
      opsets: new Map([['', canonicalOpset]]),
      inputs: this.#inputs,
      outputs: this.#outputs,
      nodes: nodes.reverse(),
      initializers: new Map([...this.#initializers].filter(([name]) => needed.has(name))),
      valueInfo: new Map(),
      types: this.#types,
    }
  }

  // Element-wise, with broadcasting.
  add = (a: Value, b: Value) => this.#broadcast('Add', [a, b])
  sub = (a: Value, b: Value) => this.#broadcast('Sub', [a, b])
  mul = (a: Value, b: Value) => this.#broadcast('Mul', [a, b])
  div = (a: Value, b: Value) => this.#broadcast('Div', [a, b])
  pow = (a: Value, b: Value) => this.#broadcast('Pow', [a, b])
  min = (...values: Value[]) => this.#broadcast('Min', values)
  max = (...values: Value[]) => this.#broadcast('Max', values)
  sum = (...values: Value[]) => (values.length === 1 ? values[0]! : this.#broadcast('Sum', values))
  equal = (a: Value, b: Value) => this.#broadcast('Equal', [a, b], 'bool')
  greater = (a: Value, b: Value) => this.#broadcast('Greater', [a, b], 'bool')
  greaterOrEqual = (a: Value, b: Value) => this.#broadcast('GreaterOrEqual', [a, b], 'bool')
  less = (a: Value, b: Value) => this.#broadcast('Less', [a, b], 'bool')
  lessOrEqual = (a: Value, b: Value) => this.#broadcast('LessOrEqual', [a, b], 'bool')
  and = (a: Value, b: Value) => this.#broadcast('And', [a, b])
  or = (a: Value, b: Value) => this.#broadcast('Or', [a, b])
  where = (condition: Value, a: Value, b: Value) => this.#broadcast('Where', [condition, a, b], a.dtype)

  // Element-wise, of one value.
  abs = (x: Value) => this.#same('Abs', x)
  neg = (x: Value) => this.#same('Neg', x)
  not = (x: Value) => this.#same('Not', x)
  exp = (x: Value) => this.#same('Exp', x)
  log = (x: Value) => this.#same('Log', x)
  sqrt = (x: Value) => this.#same('Sqrt', x)
  erf = (x: Value) => this.#same('Erf', x)
  sign = (x: Value) => this.#same('Sign', x)
  relu = (x: Value) => this.#same('Relu', x)
  sigmoid = (x: Value) => this.#same('Sigmoid', x)
  tanh = (x: Value) => this.#same('Tanh', x)
  identity = (x: Value) => this.#same('Identity', x)

  cast(x: Value, dtype: DataType): Value {
    if (x.dtype === dtype) return x
    return this.emit('Cast', [x], { to: elementTypes[dtype] }, [{ dtype, shape: x.shape }])[0]!
  }

  softmax = (x: Value, axis = -1): Value => this.emit('Softmax', [x], { axis }, [x])[0]!
  logSoftmax = (x: Value, axis = -1): Value => this.emit('LogSoftmax', [x], { axis }, [x])[0]!

  reshape(x: Value, shape: Shape): Value {
    if (sizeOf(shape) !== sizeOf(x.shape)) throw new RangeError(`cannot reshape [${x.shape}] to [${shape}]`)
    if (shape.length === x.shape.length && shape.every((dim, axis) => dim === x.shape[axis])) return x
    return this.emit('Reshape', [x, this.integers(shape)], { allowzero: 1 }, [{ dtype: x.dtype, shape }])[0]!
  }

  transpose(x: Value, perm: readonly number[]): Value {
    if (perm.every((from, to) => from === to)) return x
    const shape = perm.map(axis => x.shape[axis]!)
    return this.emit('Transpose', [x], { perm }, [{ dtype: x.dtype, shape }])[0]!
  }

  expand(x: Value, shape: Shape): Value {
    const wanted = broadcastShapes(x.shape, shape)
    if (wanted.length === x.shape.length && sizeOf(wanted) === sizeOf(x.shape)) return x
    return this.emit('Expand', [x, this.integers(wanted)], {}, [{ dtype: x.dtype, shape: wanted }])[0]!
  }

  concat(values: readonly Value[], axis: number): Value {
    if (values.length === 1) return values[0]!
    const at = positive(axis, values[0]!.shape.length)
    const shape = values[0]!.shape.with(
      at,
      values.reduce((sum, value) => sum + value.shape[at]!, 0),
    )
    return this.emit('Concat', values, { axis: at }, [{ dtype: values[0]!.dtype, shape }])[0]!
  }

  /** Numpy-like slice along some axes; ends may lie past the axis, steps may be negative (then `end` may be `-dim - 1`). */
  slice(
    x: Value,
    axes: readonly number[],
    starts: readonly number[],
    ends: readonly number[],
    steps?: readonly number[],
  ): Value {
    const shape = [...x.shape]
    axes.forEach((axis, i) => {
      shape[axis] = sliceLength(x.shape[axis]!, starts[i]!, ends[i]!, steps?.[i] ?? 1)
    })
    const [s, e, a, t] = [starts, ends, axes, steps ?? axes.map(() => 1)].map(list => this.integers(list))
    return this.emit('Slice', [x, s, e, a, t], {}, [{ dtype: x.dtype, shape }])[0]!
  }

  /** Reverses the order along the axes. */
  flip(x: Value, axes: readonly number[]): Value {
    const minus = axes.map(() => -1)
    return this.slice(
      x,
      axes,
      minus,
      axes.map(axis => -x.shape[axis]! - 1),
      minus,
    )
  }

  /** Pads with a constant; `pads` lists all starts, then all ends; negative numbers crop. */
  pad(x: Value, pads: readonly number[], value = 0): Value {
    if (pads.every(pad => pad === 0)) return x
    const rank = x.shape.length
    const shape = x.shape.map((dim, axis) => dim + pads[axis]! + pads[axis + rank]!)
    return this.emit('Pad', [x, this.integers(pads), this.scalar(value, x.dtype)], {}, [{ dtype: x.dtype, shape }])[0]!
  }

  squeeze = (x: Value, axes: readonly number[]): Value =>
    this.reshape(
      x,
      x.shape.filter((_, axis) => !axes.some(a => positive(a, x.shape.length) === axis)),
    )

  unsqueeze(x: Value, axes: readonly number[]): Value {
    const rank = x.shape.length + axes.length
    const at = new Set(axes.map(axis => positive(axis, rank)))
    const rest = [...x.shape]
    return this.reshape(
      x,
      Array.from({ length: rank }, (_, axis) => (at.has(axis) ? 1 : rest.shift()!)),
    )
  }

  /** Everything before `axis` becomes one dimension, everything from it on another. */
  flatten(x: Value, axis = 1): Value {
    const shape = [sizeOf(x.shape.slice(0, axis)), sizeOf(x.shape.slice(axis))]
    return this.emit('Flatten', [x], { axis }, [{ dtype: x.dtype, shape }])[0]!
  }

  reduceSum = (x: Value, axes: readonly number[], keepdims = false) => this.#reduce('ReduceSum', x, axes, keepdims)
  reduceMean = (x: Value, axes: readonly number[], keepdims = false) => this.#reduce('ReduceMean', x, axes, keepdims)
  reduceMax = (x: Value, axes: readonly number[], keepdims = false) => this.#reduce('ReduceMax', x, axes, keepdims)

  /** Index of the largest (the first of equals) along an axis, int64. */
  argMax(x: Value, axis: number, keepdims = false): Value {
    const shape = reducedShape(x.shape, [axis], keepdims)
    return this.emit('ArgMax', [x], { axis, keepdims: keepdims ? 1 : 0 }, [{ dtype: 'int64', shape }])[0]!
  }

  /** The k largest along an axis, in descending order: [values, indices (int64)]. */
  topK(x: Value, k: number, axis = -1): [Value, Value] {
    const shape = x.shape.with(positive(axis, x.shape.length), k)
    const types = [
      { dtype: x.dtype, shape },
      { dtype: 'int64', shape },
    ] as const
    return this.emit('TopK', [x, this.integers([k])], { axis }, types) as [Value, Value]
  }

  gather(x: Value, indices: Value, axis = 0): Value {
    const at = positive(axis, x.shape.length)
    const shape = [...x.shape.slice(0, at), ...indices.shape, ...x.shape.slice(at + 1)]
    return this.emit('Gather', [x, indices], { axis: at }, [{ dtype: x.dtype, shape }])[0]!
  }

  /** Writes `updates` into a copy of `x` at `indices` along an axis; 'add' sums what falls on the same place. */
  scatterElements(x: Value, indices: Value, updates: Value, axis = 0, reduction: 'none' | 'add' = 'none'): Value {
    return this.emit('ScatterElements', [x, indices, updates], { axis, reduction }, [x])[0]!
  }

  matMul(a: Value, b: Value): Value {
    const shape = matMulShape(a.shape, b.shape)
    return this.emit('MatMul', [a, b], {}, [{ dtype: a.dtype, shape }])[0]!
  }

  /** a [M, K] (or transposed) times b [K, N] (or transposed) plus c. */
  gemm(a: Value, b: Value, c?: Value, options: { transA?: boolean; transB?: boolean } = {}): Value {
    const [m, k] = options.transA ? a.shape.toReversed() : a.shape
    const [kb, n] = options.transB ? b.shape.toReversed() : b.shape
    if (k !== kb) throw new RangeError(`cannot multiply [${a.shape}] and [${b.shape}]`)
    const attributes = { transA: options.transA ? 1 : 0, transB: options.transB ? 1 : 0 }
    return this.emit('Gemm', c === undefined ? [a, b] : [a, b, c], attributes, [
      { dtype: a.dtype, shape: [m!, n!] },
    ])[0]!
  }

  /** x [N, C, …], w [M, C/group, …], bias [M]. */
  conv(x: Value, w: Value, bias?: Value, options: Window & { group?: number } = {}): Value {
    const kernel = w.shape.slice(2)
    const window = filledWindow(kernel, options)
    const spatial = x.shape.slice(2).map((dim, i) => windowedLength(dim, kernel[i]!, window, i))
    const shape = [x.shape[0]!, w.shape[0]!, ...spatial]
    if (w.shape[1]! * (options.group ?? 1) !== x.shape[1]) {
      throw new RangeError(`convolution of [${x.shape}] by [${w.shape}] in ${options.group ?? 1} groups`)
    }
    const attributes = { ...window, kernel_shape: kernel, group: options.group }
    return this.emit('Conv', bias === undefined ? [x, w] : [x, w, bias], attributes, [{ dtype: x.dtype, shape }])[0]!
  }

  /** x [N, C, …], w [C, M/group, …]; `outputPadding` adds to the end of each spatial axis. */
  convTranspose(
    x: Value,
    w: Value,
    bias?: Value,
    options: Window & { group?: number; outputPadding?: readonly number[] } = {},
  ): Value {
    const kernel = w.shape.slice(2)
    const { strides, pads, dilations } = filledWindow(kernel, options)
    const spatial = x.shape.slice(2).map((dim, i) => {
      const extent = (kernel[i]! - 1) * dilations[i]! + 1
      return (dim - 1) * strides[i]! + extent - pads[i]! - pads[i + kernel.length]! + (options.outputPadding?.[i] ?? 0)
    })
    const shape = [x.shape[0]!, w.shape[1]! * (options.group ?? 1), ...spatial]
    const attributes = {
      strides,
      pads,
      dilations,
      kernel_shape: kernel,
      group: options.group,
      output_padding: options.outputPadding,
    }
    return this.emit('ConvTranspose', bias === undefined ? [x, w] : [x, w, bias], attributes, [
      { dtype: x.dtype, shape },
    ])[0]!
  }

  maxPool(x: Value, kernel: readonly number[], options: Window = {}): Value {
    const window = filledWindow(kernel, options)
    const shape = [
      ...x.shape.slice(0, 2),
      ...x.shape.slice(2).map((dim, i) => windowedLength(dim, kernel[i]!, window, i)),
    ]
    return this.emit('MaxPool', [x], { ...window, kernel_shape: kernel }, [{ dtype: x.dtype, shape }])[0]!
  }

  averagePool(x: Value, kernel: readonly number[], options: Window & { countIncludePad?: boolean } = {}): Value {
    const window = filledWindow(kernel, options)
    const shape = [
      ...x.shape.slice(0, 2),
      ...x.shape.slice(2).map((dim, i) => windowedLength(dim, kernel[i]!, window, i)),
    ]
    const attributes = { ...window, kernel_shape: kernel, count_include_pad: options.countIncludePad ? 1 : 0 }
    return this.emit('AveragePool', [x], attributes, [{ dtype: x.dtype, shape }])[0]!
  }

  globalAveragePool(x: Value): Value {
    const shape = x.shape.map((dim, axis) => (axis < 2 ? dim : 1))
    return this.emit('GlobalAveragePool', [x], {}, [{ dtype: x.dtype, shape }])[0]!
  }

  #same(
    op: 'Abs' | 'Neg' | 'Not' | 'Exp' | 'Log' | 'Sqrt' | 'Erf' | 'Sign' | 'Relu' | 'Sigmoid' | 'Tanh' | 'Identity',
    x: Value,
  ): Value {
    return this.emit(op, [x], {}, [x])[0]!
  }

  #broadcast(op: OperatorName, values: readonly Value[], dtype: DataType = values[0]!.dtype): Value {
    const shape = broadcastShapes(...values.map(value => value.shape))
    return this.emit(op, values, {}, [{ dtype, shape }])[0]!
  }

  #reduce(op: 'ReduceSum' | 'ReduceMean' | 'ReduceMax', x: Value, axes: readonly number[], keepdims: boolean): Value {
    if (axes.length === 0) return x
    const shape = reducedShape(x.shape, axes, keepdims)
    return this.emit(op, [x, this.integers(axes)], { keepdims: keepdims ? 1 : 0 }, [{ dtype: x.dtype, shape }])[0]!
  }

  #identity(value: Value, name: string): Value {
    return this.emit('Identity', [value], {}, [value], [name])[0]!
  }

  #push(
    op: OperatorName,
    inputs: readonly (Value | undefined)[],
    attributes: Map<string, Attribute>,
    outputs: readonly Value[],
  ): void {
    const names = inputs.map(value => value?.name ?? '')
    while (names.at(-1) === '') names.pop()
    this.#nodes.push({
      name: outputs[0]!.name,
      op,
      domain: '',
      inputs: names,
      outputs: outputs.map(value => value.name),
      attributes,
    })
  }

  #define(name: string, dtype: DataType, shape: Shape): Value {
    if (this.#types.has(name)) throw new RangeError(`the graph already has a value named "${name}"`)
    const type = { dtype, shape: [...shape] }
    this.#types.set(name, type)
    return { name, ...type }
  }

  #fresh(stem: string): string {
    let name: string
    do name = `${stem}_${this.#counter++}`
    while (this.#types.has(name))
    return name
  }
}

function filled(dtype: DataType, shape: Shape, value: number): Tensor {
  const size = sizeOf(shape)
  switch (dtype) {
    case 'float32':
      return float32(new Float32Array(size).fill(value), shape)
    case 'float64':
      return float64(new Float64Array(size).fill(value), shape)
    case 'int64':
      return int64(new BigInt64Array(size).fill(BigInt(value)), shape)
    case 'bool':
      return bool(new Uint8Array(size).fill(value), shape)
    case 'int32':
      return { dtype, shape, data: new arrays.int32(size).fill(value) }
    default:
      throw new RangeError(`no constants of type ${dtype} are built here`)
  }
}
