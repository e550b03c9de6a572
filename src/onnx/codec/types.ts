/** Element types and value types: between the protobuf messages and `ValueInfo`. */
import { create } from '@bufbuild/protobuf'
import type { DataType } from '../../tensor/tensor.js'
import {
  TensorProto_DataType,
  type TensorShapeProto,
  TensorShapeProto_DimensionSchema,
  TensorShapeProtoSchema,
  type TypeProto,
  TypeProto_MapSchema,
  TypeProto_OpaqueSchema,
  TypeProto_OptionalSchema,
  TypeProto_SequenceSchema,
  TypeProto_SparseTensorSchema,
  TypeProto_TensorSchema,
  TypeProtoSchema,
  type ValueInfoProto,
  ValueInfoProtoSchema,
} from '../generated/onnx-ml_pb.js'
import type { Dim, ValueInfo } from '../graph.js'
import { elementTypes } from '../operators.js'

const byNumber = new Map(Object.entries(elementTypes).map(([name, number]) => [number as number, name as DataType]))

/** The element type of that ONNX number, undefined for those that nothing here computes with (4-bit, 8-bit floats, complex). */
export function dataTypeOf(elementType: number): DataType | undefined {
  return byNumber.get(elementType)
}

/** Name of any ONNX element type, for messages. */
export function elementTypeText(elementType: number): string {
  return dataTypeOf(elementType) ?? TensorProto_DataType[elementType]?.toLowerCase() ?? `type ${elementType}`
}

export function readValueInfo(proto: ValueInfoProto): ValueInfo {
  const type = proto.type?.value
  if (type?.case === 'tensorType') {
    const dtype = dataTypeOf(type.value.elemType)
    const shape = type.value.shape?.dim.map(readDim)
    if (dtype !== undefined) return { name: proto.name, dtype, shape }
    return { name: proto.name, dtype: 'other', typeText: elementTypeText(type.value.elemType), shape }
  }
  return { name: proto.name, dtype: 'other', typeText: typeText(proto.type), shape: undefined }
}

/** Round trips everything that `readValueInfo` keeps: shapes inside sequences, maps and optionals are not. */
export function writeValueInfo(info: ValueInfo): ValueInfoProto {
  const tensor = info.dtype !== 'other' || elementTypeNumber(info.typeText) !== undefined
  const type = tensor ? tensorType(info) : parseType(info.typeText ?? 'unknown')
  return create(ValueInfoProtoSchema, type === undefined ? { name: info.name } : { name: info.name, type })
}

function readDim(dim: TensorShapeProto['dim'][number]): Dim {
  if (dim.value.case === 'dimParam') return dim.value.value === '' ? undefined : dim.value.value
  if (dim.value.case !== 'dimValue') return undefined
  const size = Number(dim.value.value)
  // Some exporters write -1 for "any".
  return size >= 0 && Number.isSafeInteger(size) ? size : undefined
}

function typeText(type: TypeProto | undefined): string {
  switch (type?.value.case) {
    case 'tensorType':
      return elementTypeText(type.value.value.elemType)
    case 'sequenceType':
      return `sequence(${typeText(type.value.value.elemType)})`
    case 'optionalType':
      return `optional(${typeText(type.value.value.elemType)})`
    case 'mapType':
      return `map(${elementTypeText(type.value.value.keyType)}, ${typeText(type.value.value.valueType)})`
    case 'sparseTensorType':
      return `sparse(${elementTypeText(type.value.value.elemType)})`
    case 'opaqueType':
      return `opaque(${type.value.value.domain}, ${type.value.value.name})`
    default:
      return 'unknown'
  }
}

function elementTypeNumber(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (Object.hasOwn(elementTypes, text)) return elementTypes[text as DataType]
  const number = TensorProto_DataType[text.toUpperCase() as keyof typeof TensorProto_DataType]
  if (typeof number === 'number') return number
  const unnamed = /^type (\d{1,9})$/.exec(text)
  return unnamed === null ? undefined : Number(unnamed[1])
}

function tensorType(info: ValueInfo): TypeProto {
  const elemType = info.dtype === 'other' ? elementTypeNumber(info.typeText)! : elementTypes[info.dtype]
  const shape = info.shape === undefined ? undefined : create(TensorShapeProtoSchema, { dim: info.shape.map(writeDim) })
  const value = create(TypeProto_TensorSchema, shape === undefined ? { elemType } : { elemType, shape })
  return create(TypeProtoSchema, { value: { case: 'tensorType', value } })
}

function writeDim(dim: Dim): TensorShapeProto['dim'][number] {
  if (dim === undefined) return create(TensorShapeProto_DimensionSchema)
  return typeof dim === 'number'
    ? create(TensorShapeProto_DimensionSchema, { value: { case: 'dimValue', value: BigInt(dim) } })
    : create(TensorShapeProto_DimensionSchema, { value: { case: 'dimParam', value: dim } })
}

/** The inverse of `typeText`, undefined for 'unknown'. */
function parseType(text: string): TypeProto | undefined {
  const elemType = elementTypeNumber(text)
  if (elemType !== undefined) {
    return create(TypeProtoSchema, {
      value: { case: 'tensorType', value: create(TypeProto_TensorSchema, { elemType }) },
    })
  }
  const [, kind, inside] = /^(sequence|optional|map|sparse|opaque)\((.*)\)$/s.exec(text) ?? []
  if (kind === undefined || inside === undefined) return undefined
  const comma = inside.indexOf(', ')
  const [first, second] = [inside.slice(0, comma), inside.slice(comma + 2)]
  return create(TypeProtoSchema, { value: containerType(kind, inside, first, second) })
}

function containerType(kind: string, inside: string, first: string, second: string): TypeProto['value'] {
  const elementType = (text: string) => elementTypeNumber(text) ?? 0
  const inner = (text: string) => {
    const elemType = parseType(text)
    return elemType === undefined ? {} : { elemType }
  }
  switch (kind) {
    case 'sequence':
      return { case: 'sequenceType', value: create(TypeProto_SequenceSchema, inner(inside)) }
    case 'optional':
      return { case: 'optionalType', value: create(TypeProto_OptionalSchema, inner(inside)) }
    case 'sparse':
      return {
        case: 'sparseTensorType',
        value: create(TypeProto_SparseTensorSchema, { elemType: elementType(inside) }),
      }
    case 'map': {
      const valueType = parseType(second)
      const keyType = elementType(first)
      const value = create(TypeProto_MapSchema, valueType === undefined ? { keyType } : { keyType, valueType })
      return { case: 'mapType', value }
    }
    default:
      return { case: 'opaqueType', value: create(TypeProto_OpaqueSchema, { domain: first, name: second }) }
  }
}
