/**
 * The heart of the node builder: values, constants, and nodes whose types the caller states. The families of named
 * methods (`elementwise.ts`, `moves.ts`, `../build.ts`) stand on it.
 */
import {
  arrays,
  bool,
  type DataType,
  float32,
  float64,
  int64,
  type Shape,
  sizeOf,
  type Tensor,
} from '../../tensor/tensor.js'
import {
  type Attribute,
  type Initializer,
  initializer,
  type Node,
  type TypedGraph,
  type ValueInfo,
  type ValueType,
} from '../graph.js'
import { type AttributeValues, attributesFrom, canonicalOpset, type OperatorName } from '../operators.js'

/** A value of the graph under construction. */
export interface Value extends ValueType {
  readonly name: string
}

export class GraphCore {
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
    return this.deferred(initializer(tensor), name)
  }

  /** A constant whose values are made when they are loaded, so that large ones are not all in memory at once. */
  deferred(constant: Initializer, name = this.#fresh('constant')): Value {
    this.#initializers.set(name, constant)
    return this.#define(name, constant.dtype, constant.shape)
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
    return this.initializerOf(value)?.load()
  }

  /** The same, not loaded. */
  initializerOf(value: Value): Initializer | undefined {
    return this.#initializers.get(value.name)
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

  /** Emits a node of any operator as it is, over other inputs and with outputs of new names. */
  copy(node: Node, inputs: readonly (Value | undefined)[], types: readonly (ValueType | undefined)[]): Value[] {
    const outputs = types.map(type =>
      type === undefined ? undefined : this.#define(this.#fresh(node.op), type.dtype, type.shape),
    )
    this.#nodes.push({
      ...node,
      inputs: inputs.map(value => value?.name ?? ''),
      outputs: outputs.map(value => value?.name ?? ''),
    })
    return outputs.filter(value => value !== undefined)
  }

  /** Number of nodes so far: a place that `nodesFrom` takes. */
  get position(): number {
    return this.#nodes.length
  }

  /** The nodes emitted since the builder stood at `position`. */
  nodesFrom(position: number): readonly Node[] {
    return this.#nodes.slice(position)
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
