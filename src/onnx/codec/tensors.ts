/**
 * Tensors: between TensorProto and `Initializer`. Everything is checked by arithmetic on the numbers of the file before
 * any memory is reserved, and bytes are copied only when an initializer is loaded.
 * Typed arrays are little-endian on every platform that runs this, as ONNX's raw data is.
 */
import { create } from '@bufbuild/protobuf'
import { RobustlyError } from '../../errors.js'
import { arrays, type DataType, type Tensor } from '../../tensor/tensor.js'
import { type TensorProto, TensorProto_DataLocation, TensorProtoSchema } from '../generated/onnx-ml_pb.js'
import type { Initializer } from '../graph.js'
import { elementTypes } from '../operators.js'
import { checkLocation, type ExternalReader } from './external.js'
import { dataTypeOf, elementTypeText } from './types.js'

/** Tensors of so many bytes are worth a file of their own, or a second look into the file they come from. */
export const largeTensor = 2 ** 20

/** Where the bytes of tensors are, besides the message. */
export interface TensorSources {
  readonly external?: ExternalReader | undefined
  /** Reads the bytes of the model once more; with it, large tensors do not keep the message in memory. */
  readonly reread?: ((offset: number, length: number) => Uint8Array) | undefined
}

type NumericType = Exclude<DataType, 'string'>
type ListField = 'floatData' | 'int32Data' | 'int64Data' | 'doubleData' | 'uint64Data' | 'stringData'

/** The field of TensorProto that holds the values of each type when they are not in raw_data. */
const listFields: Readonly<Record<DataType, ListField>> = {
  float32: 'floatData',
  float64: 'doubleData',
  float16: 'int32Data',
  bfloat16: 'int32Data',
  int8: 'int32Data',
  uint8: 'int32Data',
  int16: 'int32Data',
  uint16: 'int32Data',
  int32: 'int32Data',
  bool: 'int32Data',
  int64: 'int64Data',
  uint32: 'uint64Data',
  uint64: 'uint64Data',
  string: 'stringData',
}

/**
 * A checked, lazy view of a tensor of a file; `what` names it in messages.
 * Throws `model-invalid` (sizes that do not fit), `model-unsupported` (element types that nothing here computes with),
 * `model-unsafe` and `model-unreadable` (external data).
 */
export function readTensor(proto: TensorProto, what: string, { external, reread }: TensorSources = {}): Initializer {
  const dtype = dataTypeOf(proto.dataType)
  if (dtype === undefined) {
    throw new RobustlyError(
      'model-unsupported',
      `${what} holds elements of type ${elementTypeText(proto.dataType)}, which robustly does not compute with`,
      { hint: 'export the model with float32 weights' },
    )
  }
  const { shape, count } = checkedShape(proto, what)
  if (proto.dataLocation === TensorProto_DataLocation.EXTERNAL) {
    return externalTensor(proto, what, dtype, shape, count, external)
  }
  const length = proto.rawData.length > 0 || dtype === 'string' ? undefined : proto[listFields[dtype]].length
  const listed = dtype === 'string' ? proto.stringData.length : (length ?? 0)
  if (dtype === 'string' || listed > 0) {
    refuseUnless(BigInt(listed) === count, what, shape, dtype, `${count} elements`, `${listed}`)
    return { dtype, shape, load: () => listTensor(proto, dtype, shape) }
  }
  const bytes = count * BigInt(arrays[dtype].BYTES_PER_ELEMENT)
  refuseUnless(BigInt(proto.rawData.length) === bytes, what, shape, dtype, `${bytes} bytes`, `${proto.rawData.length}`)
  if (reread === undefined) return rawInitializer(dtype, shape, proto.rawData)
  if (proto.rawData.length < largeTensor) return rawInitializer(dtype, shape, proto.rawData.slice())
  return rereadInitializer(dtype, shape, proto.rawData, reread)
}

// Functions of their own: all closures of one function hold what any of them does, there the whole message.
function rawInitializer(dtype: NumericType, shape: readonly number[], bytes: Uint8Array): Initializer {
  return { dtype, shape, load: () => rawTensor(new Uint8Array(bytes), dtype, shape) }
}

function rereadInitializer(
  dtype: NumericType,
  shape: readonly number[],
  { byteOffset, length }: Uint8Array,
  reread: (offset: number, length: number) => Uint8Array,
): Initializer {
  return { dtype, shape, load: () => rawTensor(reread(byteOffset, length), dtype, shape) }
}

/** A tensor as a protobuf message, its values as raw data (strings as strings). Throws when a string is not Unicode. */
export function writeTensor(name: string, tensor: Tensor): TensorProto {
  const head = { name, dims: tensor.shape.map(BigInt), dataType: elementTypes[tensor.dtype] }
  if (tensor.dtype === 'string') {
    return create(TensorProtoSchema, { ...head, stringData: tensor.data.map(text => new TextEncoder().encode(text)) })
  }
  return create(TensorProtoSchema, { ...head, rawData: rawBytes(tensor) })
}

/** The message without the values. */
export function writeHead(name: string, dtype: DataType, shape: readonly number[]): TensorProto {
  return create(TensorProtoSchema, { name, dims: shape.map(BigInt), dataType: elementTypes[dtype] })
}

/** The message of a tensor whose bytes lie in another file. */
export function writeExternalTensor(
  name: string,
  tensor: Tensor,
  place: { readonly location: string; readonly offset: number; readonly length: number },
): TensorProto {
  return create(TensorProtoSchema, {
    name,
    dims: tensor.shape.map(BigInt),
    dataType: elementTypes[tensor.dtype],
    dataLocation: TensorProto_DataLocation.EXTERNAL,
    externalData: Object.entries(place).map(([key, value]) => ({ key, value: `${value}` })),
  })
}

/** The bytes of a numeric tensor, not copied. */
export function rawBytes(tensor: Exclude<Tensor, { readonly dtype: 'string' }>): Uint8Array {
  return new Uint8Array(tensor.data.buffer, tensor.data.byteOffset, tensor.data.byteLength)
}

function checkedShape(proto: TensorProto, what: string): { shape: number[]; count: bigint } {
  let count = 1n
  for (const dim of proto.dims) {
    if (dim < 0n) throw new RobustlyError('model-invalid', `${what} has the negative dimension ${dim}: [${proto.dims}]`)
    count *= dim
    if (dim > BigInt(Number.MAX_SAFE_INTEGER) || count > BigInt(Number.MAX_SAFE_INTEGER)) {
      throw new RobustlyError('model-invalid', `${what} claims an impossible shape: [${proto.dims}]`)
    }
  }
  if (proto.segment !== undefined) {
    throw new RobustlyError('model-unsupported', `${what} is stored in segments, which no runtime reads`)
  }
  return { shape: proto.dims.map(Number), count }
}

function refuseUnless(
  fits: boolean,
  what: string,
  shape: readonly number[],
  dtype: DataType,
  expected: string,
  got: string,
): void {
  if (fits) return
  throw new RobustlyError(
    'model-invalid',
    `${what} of shape [${shape}] and type ${dtype} needs ${expected}, the file holds ${got}`,
    { hint: 'the file is damaged or was cut off: export or download it again' },
  )
}

function listTensor(proto: TensorProto, dtype: DataType, shape: readonly number[]): Tensor {
  if (dtype === 'string') {
    const decoder = new TextDecoder()
    return { dtype, shape, data: proto.stringData.map(bytes => decoder.decode(bytes)) }
  }
  const values: Iterable<number | bigint> = proto[listFields[dtype]] as (number | bigint)[]
  const wide = dtype === 'int64' || dtype === 'uint64'
  // Half floats lie in int32_data as bit patterns; the typed arrays below keep the low 16 bits, as meant.
  const data = wide
    ? arrays[dtype].from(values as Iterable<bigint>)
    : arrays[dtype as Exclude<NumericType, 'int64' | 'uint64'>].from(Array.from(values, Number))
  return { dtype, shape, data } as Tensor
}

function rawTensor(bytes: Uint8Array, dtype: NumericType, shape: readonly number[]): Tensor {
  const size = arrays[dtype].BYTES_PER_ELEMENT
  // raw_data starts anywhere in a file; typed arrays want multiples of their element size.
  const aligned = bytes.byteOffset % size === 0 ? bytes : new Uint8Array(bytes)
  const data = new arrays[dtype](aligned.buffer as ArrayBuffer, aligned.byteOffset, aligned.byteLength / size)
  return { dtype, shape, data } as Tensor
}

function externalTensor(
  proto: TensorProto,
  what: string,
  dtype: DataType,
  shape: readonly number[],
  count: bigint,
  reader: ExternalReader | undefined,
): Initializer {
  const entries = new Map(proto.externalData.map(entry => [entry.key, entry.value]))
  const location = entries.get('location') ?? ''
  checkLocation(location, proto.name)
  if (dtype === 'string') throw new RobustlyError('model-invalid', `${what}: strings cannot lie in external data`)
  const needed = count * BigInt(arrays[dtype].BYTES_PER_ELEMENT)
  const offset = wholeNumber(entries.get('offset') ?? '0', what, 'offset')
  const length = entries.has('length') ? wholeNumber(entries.get('length')!, what, 'length') : needed
  refuseUnless(length === needed, what, shape, dtype, `${needed} bytes`, `${length} (its external data length)`)
  if (offset + length > BigInt(Number.MAX_SAFE_INTEGER)) {
    throw new RobustlyError('model-invalid', `${what}: external data at offset ${offset} is out of any file`)
  }
  if (reader === undefined) {
    throw new RobustlyError(
      'model-unreadable',
      `${what} lies in the external file "${location}", and only the bytes of the model itself were given`,
      { hint: 'load the model by its path, with its data files beside it' },
    )
  }
  const [at, size] = [Number(offset), Number(length)]
  reader.check(location, at, size)
  return { dtype, shape, load: () => rawTensor(reader.read(location, at, size), dtype, shape) }
}

function wholeNumber(text: string, what: string, name: string): bigint {
  if (/^\d{1,19}$/.test(text)) return BigInt(text)
  throw new RobustlyError(
    'model-invalid',
    `${what}: external data ${name} ${JSON.stringify(text.slice(0, 40))} is no whole number`,
  )
}
