/** A graph to ONNX bytes, in one message or with its large tensors in a second file. */
import { create, toBinary } from '@bufbuild/protobuf'
import { RobustlyError } from '../../errors.js'
import type { Tensor } from '../../tensor/tensor.js'
import {
  type FunctionProto,
  type GraphProto,
  GraphProtoSchema,
  ModelProtoSchema,
  NodeProtoSchema,
  type TensorProto,
  TensorProtoSchema,
} from '../generated/onnx-ml_pb.js'
import { byteLength, type Graph, type Initializer, type Node } from '../graph.js'
import { writeAttribute } from './attributes.js'
import type { ModelFunction } from './decode.js'
import { rawBytes, writeExternalTensor, writeHead, writeTensor } from './tensors.js'
import { writeValueInfo } from './types.js'

export interface EncodeOptions {
  /** Default: the oldest that allows everything the graph holds. */
  readonly irVersion?: number
  readonly producer?: string
  readonly metadata?: ReadonlyMap<string, string>
  readonly functions?: readonly ModelFunction[]
}

/** Where `encodeExternal` puts the bytes of large tensors, one after the other. */
export interface ExternalSink {
  /** Relative path of the data file, as the model will state it. */
  readonly location: string
  /** Appends. */
  write(bytes: Uint8Array): void
}

/** Protobuf messages end at 2 GB; some room is left for everything that is no tensor. */
const messageLimit = 2 ** 31 - 2 ** 24
/** Data in the second file begins at multiples of this, so that it can be mapped into memory. */
const alignment = 4096

/** Throws `model-unsupported` when the tensors do not fit one message: use `encodeExternal`. */
export function encodeModel(graph: Graph, options: EncodeOptions = {}): Uint8Array {
  const size = tensorBytes(graph)
  if (size > messageLimit) {
    throw new RobustlyError('model-unsupported', `${size} bytes of weights do not fit one ONNX message (2 GB)`, {
      hint: 'write the model to a file: its weights then go to a data file beside it',
    })
  }
  return encode(graph, options, (name, constant) => {
    if (constant.dtype === 'string') return whole(writeTensor(name, constant.load()))
    const { dtype, shape } = constant
    const head = toBinary(TensorProtoSchema, writeHead(name, dtype, shape))
    return { head, bytes: byteLength(constant), load: () => rawBytes(constant.load() as NumericTensor) }
  })
}

/**
 * The same with every initializer of `threshold` bytes (default 1024) or more given to `sink`, one at a time: only one
 * tensor is in memory at once.
 */
export function encodeExternal(
  graph: Graph,
  sink: ExternalSink,
  options: EncodeOptions & { readonly threshold?: number } = {},
): Uint8Array {
  const threshold = options.threshold ?? 1024
  let offset = 0
  return encode(graph, options, (name, constant) => {
    const tensor = constant.load()
    if (tensor.dtype === 'string' || tensor.data.byteLength < threshold) return whole(writeTensor(name, tensor))
    const padding = (alignment - (offset % alignment)) % alignment
    if (padding > 0) sink.write(new Uint8Array(padding))
    offset += padding
    const bytes = rawBytes(tensor)
    sink.write(bytes)
    const place = { location: sink.location, offset, length: bytes.length }
    offset += bytes.length
    return whole(writeExternalTensor(name, tensor, place))
  })
}

/** True when `encodeModel` takes the graph. */
export function fitsOneMessage(graph: Graph): boolean {
  return tensorBytes(graph) <= messageLimit
}

type NumericTensor = Parameters<typeof rawBytes>[0]

/** The message of an initializer: its first fields, then so many bytes of raw data. */
interface TensorPart {
  readonly head: Uint8Array
  readonly bytes: number
  load(): Uint8Array
}

function whole(proto: TensorProto): TensorPart {
  return { head: toBinary(TensorProtoSchema, proto), bytes: 0, load: () => new Uint8Array() }
}

/** Tags of fields of the wire type "length-delimited". */
const tags = { modelGraph: (7 << 3) | 2, graphInitializer: (5 << 3) | 2, tensorRawData: (9 << 3) | 2 }

/**
 * The messages around the weights by the generated code; the weights are copied once, each to its place in the result: a
 * protobuf writer would hold several copies of all.
 */
function encode(
  graph: Graph,
  options: EncodeOptions,
  tensor: (name: string, constant: Initializer) => TensorPart,
): Uint8Array {
  const model = toBinary(
    ModelProtoSchema,
    create(ModelProtoSchema, {
      irVersion: BigInt(options.irVersion ?? irVersionFor(graph.opsets.get('') ?? 0)),
      producerName: options.producer ?? 'robustly',
      opsetImport: Array.from(graph.opsets, ([domain, version]) => ({ domain, version: BigInt(version) })),
      metadataProps: Array.from(options.metadata ?? [], ([key, value]) => ({ key, value })),
      functions: (options.functions ?? []).map(entry => entry.opaque as FunctionProto),
    }),
  )
  const frame = toBinary(GraphProtoSchema, writeGraph({ ...graph, initializers: new Map() }))
  const parts = Array.from(graph.initializers, ([name, constant]) => tensor(name, constant))
  const sizes = parts.map(({ head, bytes }) => head.length + (bytes === 0 ? 0 : fieldSize(bytes)))
  const body = sizes.reduce((sum, size) => sum + fieldSize(size), frame.length)
  const out = new Uint8Array(model.length + fieldSize(body))
  let at = 0
  const put = (bytes: Uint8Array) => {
    out.set(bytes, at)
    at += bytes.length
  }
  const open = (tag: number, length: number) => put(Uint8Array.of(tag, ...varint(length)))
  put(model)
  open(tags.modelGraph, body)
  put(frame)
  parts.forEach(({ head, bytes, load }, i) => {
    open(tags.graphInitializer, sizes[i]!)
    put(head)
    if (bytes === 0) return
    open(tags.tensorRawData, bytes)
    put(load())
  })
  return out
}

/** Size of a field of so many bytes with its tag, which takes one byte, and its length. */
function fieldSize(bytes: number): number {
  return 1 + varint(bytes).length + bytes
}

/** Seven bits a byte, the lowest first. */
function varint(value: number): number[] {
  const bytes: number[] = []
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return [...bytes, rest]
    bytes.push((rest % 128) + 128)
  }
}

/** IR versions as ONNX released them with the opsets; 10 is what opset 21 came with. */
function irVersionFor(opset: number): number {
  if (opset <= 22) return 10
  if (opset <= 23) return 11
  return opset <= 25 ? 12 : 13
}

function writeGraph(graph: Graph): GraphProto {
  return create(GraphProtoSchema, {
    name: graph.name === '' ? 'graph' : graph.name,
    node: withUniqueNames(graph.nodes).map(writeNode),
    initializer: Array.from(graph.initializers, ([name, constant]) => writeTensor(name, constant.load())),
    input: graph.inputs.map(writeValueInfo),
    output: graph.outputs.map(writeValueInfo),
    valueInfo: Array.from(graph.valueInfo.values(), writeValueInfo),
  })
}

/** ONNX Runtime refuses two nodes of one name, though names mean nothing; the second becomes `name#2`. */
function withUniqueNames(nodes: readonly Node[]): readonly Node[] {
  const seen = new Set(nodes.map(node => node.name))
  if (seen.size === nodes.length) return nodes
  const used = new Set<string>()
  return nodes.map(node => {
    let name = node.name
    for (let i = 2; used.has(name) && name !== ''; i++) {
      const wish = `${node.name}#${i}`
      if (!seen.has(wish)) name = wish
    }
    used.add(name)
    seen.add(name)
    return name === node.name ? node : { ...node, name }
  })
}

function writeNode(node: Node): GraphProto['node'][number] {
  const writers = {
    tensor: (name: string, value: Tensor) => writeTensor(name, value),
    graph: writeGraph,
  }
  return create(NodeProtoSchema, {
    name: node.name,
    opType: node.op,
    domain: node.domain,
    input: [...node.inputs],
    output: [...node.outputs],
    attribute: Array.from(node.attributes, ([name, attribute]) => writeAttribute(name, attribute, writers)),
  })
}

function tensorBytes(graph: Graph): number {
  return [...graph.initializers.values()].reduce((bytes, constant) => bytes + byteLength(constant), 0)
}
