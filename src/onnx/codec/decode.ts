/**
 * ONNX bytes to a graph. Tensors stay where they are until loaded. `Constant` nodes become initializers, initializers
 * that the file also lists as inputs are no inputs, nodes come out in topological order.
 */
import { fromBinary } from '@bufbuild/protobuf'
import { RobustlyError } from '../../errors.js'
import { printable } from '../../printable.js'
import { float32, int64, type Tensor } from '../../tensor/tensor.js'
import {
  type AttributeProto,
  AttributeProto_AttributeType as AttributeType,
  type FunctionProto,
  type GraphProto,
  type ModelProto,
  ModelProtoSchema,
  type NodeProto,
} from '../generated/onnx-ml_pb.js'
import { type Attribute, type Graph, type Initializer, initializer, type Node, type ValueInfo } from '../graph.js'
import { readAttribute, typeOf } from './attributes.js'
import { looksLike } from './sniff.js'
import { type Consumer, describe, sorted } from './sort.js'
import { readTensor, type TensorSources } from './tensors.js'
import { readValueInfo } from './types.js'

/** The newest versions that ONNX Runtime 1.30 runs. */
export const newestOpset = 26
export const newestIrVersion = 13

/** What a model file says besides its graph. */
export interface Model {
  readonly graph: Graph
  readonly irVersion: number
  /** Tool that wrote the file, with its version, as stated; may be empty. */
  readonly producer: string
  readonly metadata: ReadonlyMap<string, string>
  /** Model-local functions: kept for writing back, not looked into. */
  readonly functions: readonly ModelFunction[]
}

export interface ModelFunction {
  readonly domain: string
  readonly name: string
  /** The function as read. */
  readonly opaque: unknown
}

/**
 * `external` reads tensors that lie in other files; without it, a model that has any is refused. `reread` reads from the
 * start of `bytes`, which must then be a buffer of their own.
 */
export type DecodeOptions = TensorSources

/**
 * Reads a model from bytes, which must not be changed afterwards: tensors are read from them when loaded.
 * Throws RobustlyError: `model-unreadable` when this is no ONNX file, `model-invalid` when it breaks the standard,
 * `model-unsafe` for external data outside of the model's folder, `model-unsupported` for what no runtime here runs.
 */
export function decodeModel(bytes: Uint8Array, options: DecodeOptions = {}): Model {
  try {
    return decode(bytes, options)
  } catch (error) {
    throw error instanceof RobustlyError ? withPrintableMessage(error) : error
  }
}

/** Names in messages come from the file and may hold anything, at any length. */
function withPrintableMessage(error: RobustlyError): RobustlyError {
  const message = printable(error.message, 600)
  if (message === error.message) return error
  return new RobustlyError(error.code, message, { ...(error.hint !== undefined && { hint: error.hint }), cause: error })
}

function decode(bytes: Uint8Array, options: DecodeOptions): Model {
  const proto = parse(bytes)
  checkVersions(proto)
  if (proto.graph === undefined) throw notOnnx('it holds no graph', looksLike(bytes))
  const opsets = new Map(proto.opsetImport.map(entry => [domainOf(entry.domain), Number(entry.version)]))
  const { graph } = readGraph(proto.graph, { opsets, sources: options, nested: false })
  if (graph.inputs.length === 0) throw invalid(`the graph "${graph.name}" has no inputs: there is nothing to attack`)
  if (graph.outputs.length === 0) throw invalid(`the graph "${graph.name}" has no outputs`)
  if (proto.graph.node.length === 0) throw invalid(`the graph "${graph.name}" has no nodes`)
  return {
    graph,
    irVersion: Number(proto.irVersion),
    producer: [proto.producerName, proto.producerVersion].filter(text => text !== '').join(' '),
    metadata: new Map(proto.metadataProps.map(entry => [entry.key, entry.value])),
    functions: proto.functions.map((opaque: FunctionProto) => ({ domain: opaque.domain, name: opaque.name, opaque })),
  }
}

interface Context {
  readonly opsets: ReadonlyMap<string, number>
  readonly sources: TensorSources
  /** A subgraph may use values of the graphs around it. */
  readonly nested: boolean
}

function parse(bytes: Uint8Array): ModelProto {
  if (bytes.length === 0)
    throw new RobustlyError('model-unreadable', 'the model file is empty (0 bytes)', { hint: again })
  if (bytes.length > 2 ** 31 - 1) {
    throw new RobustlyError(
      'model-unreadable',
      `the model is one protobuf message of ${bytes.length} bytes; the limit is 2 GB`,
      {
        hint: 'save it with external data (onnx.save_model(…, save_as_external_data=True))',
      },
    )
  }
  const kind = looksLike(bytes)
  if (kind !== undefined) throw notOnnx('it is another kind of file', kind)
  try {
    return fromBinary(ModelProtoSchema, bytes)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new RobustlyError('model-unreadable', `not an ONNX file, or a damaged one: ${reason}`, { hint: again, cause })
  }
}

const again = 'export or download the model again'

function notOnnx(reason: string, kind: string | undefined): RobustlyError {
  const looks = kind === undefined ? '' : ` (looks like ${kind})`
  return new RobustlyError('model-unreadable', `not an ONNX file${looks}: ${reason}`, {
    hint: 'export the model to ONNX first: https://onnx.ai/get-started.html lists how each framework does it',
  })
}

function invalid(message: string, hint?: string): RobustlyError {
  return new RobustlyError('model-invalid', message, hint === undefined ? {} : { hint })
}

function checkVersions(proto: ModelProto): void {
  const opset = proto.opsetImport.find(entry => domainOf(entry.domain) === '')?.version ?? 0n
  if (proto.irVersion <= BigInt(newestIrVersion) && opset <= BigInt(newestOpset)) return
  const got = opset > BigInt(newestOpset) ? `opset ${opset}` : `IR version ${proto.irVersion}`
  throw new RobustlyError(
    'model-unsupported',
    `the model needs a newer runtime: it has ${got}; opset ${newestOpset} and IR version ${newestIrVersion} are the newest known`,
    { hint: `re-export with opset <= ${newestOpset}` },
  )
}

/** 'ai.onnx' is another spelling of the default domain. */
function domainOf(domain: string): string {
  return domain === 'ai.onnx' ? '' : domain
}

function readGraph(proto: GraphProto, context: Context): { graph: Graph; free: ReadonlySet<string> } {
  if (proto.sparseInitializer.length > 0) {
    const name = proto.sparseInitializer[0]!.values?.name ?? ''
    throw new RobustlyError('model-unsupported', `the initializer "${name}" is sparse, which robustly does not read`, {
      hint: 'export the model with dense weights',
    })
  }
  const initializers = new Map<string, Initializer>()
  for (const tensor of proto.initializer) {
    if (initializers.has(tensor.name)) throw invalid(`the initializer "${tensor.name}" is defined twice`)
    initializers.set(tensor.name, readTensor(tensor, `initializer "${tensor.name}"`, context.sources))
  }
  const inputs = proto.input.filter(input => !initializers.has(input.name)).map(readValueInfo)
  const given = new Set([...initializers.keys(), ...inputs.map(input => input.name)])
  if (given.size !== initializers.size + inputs.length)
    throw invalid(`two inputs of graph "${proto.name}" share a name`)
  const consumers: Consumer[] = []
  for (const node of proto.node) {
    const constant = readConstant(node, context.sources)
    if (constant === undefined) {
      consumers.push(readNode(node, context))
    } else {
      const name = node.output[0] ?? ''
      if (given.has(name)) throw invalid(`the value "${name}" is defined twice: again by ${describe(nodeName(node))}`)
      given.add(name)
      initializers.set(name, constant)
    }
  }
  const { nodes, free } = sorted(given, consumers, context.nested)
  const outputs = proto.output.map(readValueInfo)
  checkOutputs(proto.name, outputs, new Set([...given, ...nodes.flatMap(node => node.outputs)]), free, context.nested)
  const valueInfo = new Map(proto.valueInfo.map(info => [info.name, readValueInfo(info)]))
  return { graph: { name: proto.name, opsets: context.opsets, inputs, outputs, nodes, initializers, valueInfo }, free }
}

function checkOutputs(
  graph: string,
  outputs: readonly ValueInfo[],
  defined: ReadonlySet<string>,
  free: Set<string>,
  nested: boolean,
): void {
  for (const { name } of outputs) {
    if (name !== '' && defined.has(name)) continue
    if (!nested) throw invalid(`the output "${name}" of graph "${graph}" is computed by no node`)
    free.add(name)
  }
}

function readNode(proto: NodeProto, context: Context): Consumer {
  const captured = new Set<string>()
  const readers = {
    tensor: (tensor: NonNullable<AttributeProto['t']>) =>
      readTensor(tensor, `a tensor of ${describe(nodeName(proto))}`, context.sources),
    graph: (inner: GraphProto) => {
      const { graph, free } = readGraph(inner, { ...context, nested: true })
      for (const name of free) captured.add(name)
      return graph
    },
  }
  const attributes = new Map<string, Attribute>()
  for (const attribute of proto.attribute) {
    if (attributes.has(attribute.name)) {
      throw invalid(`${describe(nodeName(proto))} states the attribute "${attribute.name}" twice`)
    }
    attributes.set(attribute.name, readAttribute(attribute, readers))
  }
  const node: Node = {
    ...nodeName(proto),
    domain: domainOf(proto.domain),
    inputs: proto.input,
    outputs: proto.output,
    attributes,
  }
  return { node, needs: [...proto.input.filter(name => name !== ''), ...captured] }
}

function nodeName(proto: NodeProto): { name: string; op: string } {
  return { name: proto.name, op: proto.opType }
}

/** The value of a `Constant` node; undefined for other nodes and for constants that are kept as nodes (sparse, in functions). */
function readConstant(proto: NodeProto, sources: TensorSources): Initializer | undefined {
  if (proto.opType !== 'Constant' || domainOf(proto.domain) !== '' || proto.output.length !== 1) return undefined
  const value = proto.attribute.find(attribute => attribute.name.startsWith('value') && attribute.refAttrName === '')
  if (value === undefined) return undefined
  if (value.t !== undefined) return readTensor(value.t, `the constant "${proto.output[0]}"`, sources)
  const tensor = listedConstant(value)
  return tensor === undefined ? undefined : initializer(tensor)
}

function listedConstant(value: AttributeProto): Tensor | undefined {
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)
  switch (typeOf(value)) {
    case AttributeType.FLOAT:
      return float32([value.f], [])
    case AttributeType.FLOATS:
      return float32(value.floats)
    case AttributeType.INT:
      return int64(BigInt64Array.of(value.i), [])
    case AttributeType.INTS:
      return int64(BigInt64Array.from(value.ints))
    case AttributeType.STRING:
      return { dtype: 'string', shape: [], data: [text(value.s)] }
    case AttributeType.STRINGS:
      return { dtype: 'string', shape: [value.strings.length], data: value.strings.map(text) }
    default:
      return undefined
  }
}
