/**
 * The program's one intermediate representation: an immutable ONNX graph. Functions give new graphs; nothing is
 * changed in place. Names come from files and are data: keep them in Maps, never as object keys.
 */
import { arrays, type DataType, type Shape, sizeOf, type Tensor } from '../tensor/tensor.js'

export interface Graph {
  readonly name: string
  /** Versions of the operator sets, by domain; '' is ai.onnx. */
  readonly opsets: ReadonlyMap<string, number>
  /** Real inputs only: initializers that a file also lists as inputs are not here. */
  readonly inputs: readonly ValueInfo[]
  readonly outputs: readonly ValueInfo[]
  /** In topological order. */
  readonly nodes: readonly Node[]
  readonly initializers: ReadonlyMap<string, Initializer>
  /** Types stated by the file for intermediate values, if any. */
  readonly valueInfo: ReadonlyMap<string, ValueInfo>
}

/** A number when fixed, a string when symbolic, undefined when nothing is known. */
export type Dim = number | string | undefined

export interface ValueInfo {
  readonly name: string
  /** 'sequence', 'map', 'optional' and 'sparse' values exist in files; nothing here computes with them. */
  readonly dtype: DataType | 'other'
  /** What `dtype` 'other' stands for, as text for messages (e.g. `sequence(map(int64, float32))`, `float8e4m3fn`). */
  readonly typeText?: string
  /** undefined when the file does not even state the rank. */
  readonly shape: readonly Dim[] | undefined
}

export interface Node {
  /** May be empty; not unique. */
  readonly name: string
  readonly op: string
  /** '' is ai.onnx. */
  readonly domain: string
  /** '' marks an absent optional input. */
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
  readonly attributes: ReadonlyMap<string, Attribute>
}

export type Attribute =
  | { readonly type: 'float'; readonly value: number }
  | { readonly type: 'int'; readonly value: number }
  | { readonly type: 'string'; readonly value: string }
  | { readonly type: 'tensor'; readonly value: Tensor }
  | { readonly type: 'graph'; readonly value: Graph }
  | { readonly type: 'floats'; readonly value: readonly number[] }
  | { readonly type: 'ints'; readonly value: readonly number[] }
  | { readonly type: 'strings'; readonly value: readonly string[] }
  /** Kept as read, for writing back: type_proto, sparse tensors, lists of tensors or graphs. */
  | { readonly type: 'opaque'; readonly value: unknown }

/** A constant of the graph. Its bytes stay where they are until `load` is called. */
export interface Initializer {
  readonly dtype: DataType
  readonly shape: Shape
  /** Reads the values; not cached. Throws RobustlyError when the bytes are missing or unsafe to read. */
  load(): Tensor
}

/** An initializer whose values are already in memory. */
export function initializer(tensor: Tensor): Initializer {
  return { dtype: tensor.dtype, shape: tensor.shape, load: () => tensor }
}

/** Element type and fixed shape of a value. */
export interface ValueType {
  readonly dtype: DataType
  readonly shape: Shape
}

/** Bytes of a tensor's values; 0 for strings, which have no fixed size. */
export function byteLength({ dtype, shape }: ValueType): number {
  return dtype === 'string' ? 0 : sizeOf(shape) * arrays[dtype].BYTES_PER_ELEMENT
}

/** A graph of which the type and fixed shape of every value is known: what rules and builders work on. */
export interface TypedGraph extends Graph {
  readonly types: ReadonlyMap<string, ValueType>
}
