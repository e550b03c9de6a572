/** Attributes: between AttributeProto and `Attribute`. What the graph has no form for is kept as read, as 'opaque'. */
import { create } from '@bufbuild/protobuf'
import type { Tensor } from '../../tensor/tensor.js'
import {
  type AttributeProto,
  AttributeProtoSchema,
  AttributeProto_AttributeType as AttributeType,
  type GraphProto,
} from '../generated/onnx-ml_pb.js'
import type { Attribute, Graph, Initializer } from '../graph.js'

export interface AttributeReaders {
  tensor(proto: NonNullable<AttributeProto['t']>): Initializer
  graph(proto: GraphProto): Graph
}

export interface AttributeWriters {
  tensor(name: string, tensor: Tensor): NonNullable<AttributeProto['t']>
  graph(graph: Graph): GraphProto
}

export function readAttribute(proto: AttributeProto, readers: AttributeReaders): Attribute {
  switch (typeOf(proto)) {
    case AttributeType.FLOAT:
      return { type: 'float', value: proto.f }
    case AttributeType.INT:
      return { type: 'int', value: Number(proto.i) }
    case AttributeType.STRING: {
      const text = utf8(proto.s)
      return text === undefined ? { type: 'opaque', value: proto } : { type: 'string', value: text }
    }
    case AttributeType.FLOATS:
      return { type: 'floats', value: proto.floats }
    case AttributeType.INTS:
      return { type: 'ints', value: proto.ints.map(Number) }
    case AttributeType.STRINGS: {
      const texts = proto.strings.map(utf8)
      return texts.includes(undefined)
        ? { type: 'opaque', value: proto }
        : { type: 'strings', value: texts as readonly string[] }
    }
    case AttributeType.TENSOR:
      if (proto.t === undefined) return { type: 'opaque', value: proto }
      return { type: 'tensor', value: readers.tensor(proto.t).load() }
    case AttributeType.GRAPH:
      if (proto.g === undefined) return { type: 'opaque', value: proto }
      return { type: 'graph', value: readers.graph(proto.g) }
    default:
      return { type: 'opaque', value: proto }
  }
}

export function writeAttribute(name: string, attribute: Attribute, writers: AttributeWriters): AttributeProto {
  switch (attribute.type) {
    case 'float':
      return create(AttributeProtoSchema, { name, type: AttributeType.FLOAT, f: attribute.value })
    case 'int':
      return create(AttributeProtoSchema, { name, type: AttributeType.INT, i: int64Of(attribute.value) })
    case 'string':
      return create(AttributeProtoSchema, { name, type: AttributeType.STRING, s: bytesOf(attribute.value) })
    case 'floats':
      return create(AttributeProtoSchema, { name, type: AttributeType.FLOATS, floats: [...attribute.value] })
    case 'ints':
      return create(AttributeProtoSchema, { name, type: AttributeType.INTS, ints: attribute.value.map(int64Of) })
    case 'strings':
      return create(AttributeProtoSchema, { name, type: AttributeType.STRINGS, strings: attribute.value.map(bytesOf) })
    case 'tensor':
      return create(AttributeProtoSchema, { name, type: AttributeType.TENSOR, t: writers.tensor('', attribute.value) })
    case 'graph':
      return create(AttributeProtoSchema, { name, type: AttributeType.GRAPH, g: writers.graph(attribute.value) })
    case 'opaque':
      return attribute.value as AttributeProto
  }
}

/** Files of IR version 1 state no attribute type: the field in use says it. */
export function typeOf(proto: AttributeProto): AttributeType {
  if (proto.type !== AttributeType.UNDEFINED) return proto.type
  if (proto.t !== undefined) return AttributeType.TENSOR
  if (proto.g !== undefined) return AttributeType.GRAPH
  if (proto.ints.length > 0) return AttributeType.INTS
  if (proto.floats.length > 0) return AttributeType.FLOATS
  if (proto.strings.length > 0) return AttributeType.STRINGS
  if (Object.hasOwn(proto, 'f')) return AttributeType.FLOAT
  if (Object.hasOwn(proto, 'i')) return AttributeType.INT
  if (Object.hasOwn(proto, 's')) return AttributeType.STRING
  return AttributeType.UNDEFINED
}

function utf8(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return undefined
  }
}

const bytesOf = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text)

/** INT64_MAX, which old Slice nodes write for "to the end", reads as 2^63 and is written back as INT64_MAX. */
function int64Of(value: number): bigint {
  if (!Number.isInteger(value)) throw new RangeError(`attribute value ${value} is no integer`)
  const wide = BigInt(value)
  return BigInt.asIntN(64, wide) === wide ? wide : wide > 0n ? 2n ** 63n - 1n : -(2n ** 63n)
}
