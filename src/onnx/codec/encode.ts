/** A graph to ONNX bytes, in one message or with its large tensors in a second file. */
import { create, toBinary } from '@bufbuild/protobuf'
import { RobustlyError } from '../../errors.js'
import { arrays, sizeOf, type Tensor } from '../../tensor/tensor.js'
import {
  type FunctionProto,
  type GraphProto,
  GraphProtoSchema,
  ModelProtoSchema,
  NodeProtoSchema,
  type TensorProto,
} from '../generated/onnx-ml_pb.js'
import type { Graph, Initializer, Node } from '../graph.js'
import { writeAttribute } from './attributes.js'
import type { ModelFunction } from './decode.js'
import { rawBytes, writeExternalTensor, writeTensor } from './tensors.js'
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
  return encode(graph, options, (name, constant) => writeTensor(name, constant.load()))
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
    if (tensor.dtype === 'string' || tensor.data.byteLength < threshold) return writeTensor(name, tensor)
    const padding = (alignment - (offset % alignment)) % alignment
    if (padding > 0) sink.write(new Uint8Array(padding))
    offset += padding
    const bytes = rawBytes(tensor)
    sink.write(bytes)
    const place = { location: sink.location, offset, length: bytes.length }
    offset += bytes.length
    return writeExternalTensor(name, tensor, place)
  })
}

/** True when `encodeModel` takes the graph. */
export function fitsOneMessage(graph: Graph): boolean {
  return tensorBytes(graph) <= messageLimit
}

type TensorWriter = (name: string, constant: Initializer) => TensorProto

function encode(graph: Graph, options: EncodeOptions, tensor: TensorWriter): Uint8Array {
  const model = create(ModelProtoSchema, {
    irVersion: BigInt(options.irVersion ?? irVersionFor(graph.opsets.get('') ?? 0)),
    producerName: options.producer ?? 'robustly',
    opsetImport: Array.from(graph.opsets, ([domain, version]) => ({ domain, version: BigInt(version) })),
    metadataProps: Array.from(options.metadata ?? [], ([key, value]) => ({ key, value })),
    functions: (options.functions ?? []).map(entry => entry.opaque as FunctionProto),
    graph: writeGraph(graph, tensor),
  })
  return toBinary(ModelProtoSchema, model)
}

/** IR versions as ONNX released them with the opsets; 10 is what opset 21 came with. */
function irVersionFor(opset: number): number {
  if (opset <= 22) return 10
  if (opset <= 23) return 11
  return opset <= 25 ? 12 : 13
}

function writeGraph(graph: Graph, tensor: TensorWriter): GraphProto {
  return create(GraphProtoSchema, {
    name: graph.name === '' ? 'graph' : graph.name,
    node: withUniqueNames(graph.nodes).map(writeNode),
    initializer: Array.from(graph.initializers, ([name, constant]) => tensor(name, constant)),
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
  const inner: TensorWriter = (name, constant) => writeTensor(name, constant.load())
  const writers = {
    tensor: (name: string, value: Tensor) => writeTensor(name, value),
    graph: (graph: Graph) => writeGraph(graph, inner),
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
  let bytes = 0
  for (const { dtype, shape } of graph.initializers.values()) {
    if (dtype !== 'string') bytes += sizeOf(shape) * arrays[dtype].BYTES_PER_ELEMENT
  }
  return bytes
}
