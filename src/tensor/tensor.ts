/** Tensors are plain readonly data in row-major order. Half floats are kept as their 16-bit patterns. */

export interface DataOf {
  float32: Float32Array
  float64: Float64Array
  float16: Uint16Array
  bfloat16: Uint16Array
  int8: Int8Array
  uint8: Uint8Array
  int16: Int16Array
  uint16: Uint16Array
  int32: Int32Array
  uint32: Uint32Array
  int64: BigInt64Array
  uint64: BigUint64Array
  bool: Uint8Array
  string: string[]
}

export type DataType = keyof DataOf

export type Shape = readonly number[]

export interface TensorOf<D extends DataType> {
  readonly dtype: D
  readonly shape: Shape
  readonly data: DataOf[D]
}

/** A tensor whose element type is known only at run time; narrow it by `dtype`. */
export type Tensor = { [D in DataType]: TensorOf<D> }[DataType]

type NumericArray = Exclude<DataOf[DataType], string[]>
type NumericArrayConstructor = { new (length: number): NumericArray; readonly BYTES_PER_ELEMENT: number }

/** Typed array that holds each element type. */
export const arrays = {
  float32: Float32Array,
  float64: Float64Array,
  float16: Uint16Array,
  bfloat16: Uint16Array,
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
  bool: Uint8Array,
} as const satisfies Record<Exclude<DataType, 'string'>, NumericArrayConstructor>

export function sizeOf(shape: Shape): number {
  let size = 1
  for (const dim of shape) size *= dim
  return size
}

/** Row-major strides in elements. */
export function stridesOf(shape: Shape): number[] {
  const strides = new Array<number>(shape.length)
  let stride = 1
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = stride
    stride *= shape[axis]!
  }
  return strides
}

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((dim, axis) => dim === b[axis])
}

/** Shape that numpy broadcasting gives. Throws when the shapes do not broadcast. */
export function broadcastShapes(...shapes: readonly Shape[]): number[] {
  const rank = Math.max(0, ...shapes.map(shape => shape.length))
  const result = new Array<number>(rank).fill(1)
  for (const shape of shapes) {
    const offset = rank - shape.length
    shape.forEach((dim, axis) => {
      const at = offset + axis
      if (dim === result[at] || dim === 1) return
      if (result[at] !== 1) throw new RangeError(`shapes ${shapes.map(s => `[${s}]`).join(' and ')} do not broadcast`)
      result[at] = dim
    })
  }
  return result
}

export function float32(data: Float32Array | readonly number[], shape?: Shape): TensorOf<'float32'> {
  const values = data instanceof Float32Array ? data : Float32Array.from(data)
  return checked({ dtype: 'float32', shape: shape ?? [values.length], data: values })
}

export function float64(data: Float64Array | readonly number[], shape?: Shape): TensorOf<'float64'> {
  const values = data instanceof Float64Array ? data : Float64Array.from(data)
  return checked({ dtype: 'float64', shape: shape ?? [values.length], data: values })
}

export function int64(data: BigInt64Array | readonly number[], shape?: Shape): TensorOf<'int64'> {
  const values = data instanceof BigInt64Array ? data : BigInt64Array.from(data, BigInt)
  return checked({ dtype: 'int64', shape: shape ?? [values.length], data: values })
}

export function bool(data: Uint8Array | readonly (boolean | number)[], shape?: Shape): TensorOf<'bool'> {
  const values = data instanceof Uint8Array ? data : Uint8Array.from(data, Number)
  return checked({ dtype: 'bool', shape: shape ?? [values.length], data: values })
}

/** All elements as JavaScript numbers (64-bit integers must be safe integers). Throws for strings and half floats. */
export function toNumbers(tensor: Tensor): number[] {
  if (tensor.dtype === 'string' || tensor.dtype === 'float16' || tensor.dtype === 'bfloat16') {
    throw new TypeError(`a ${tensor.dtype} tensor has no plain numbers`)
  }
  return Array.from<number | bigint, number>(tensor.data, value => {
    const number = Number(value)
    if (typeof value === 'bigint' && !Number.isSafeInteger(number))
      throw new RangeError(`${value} is not a safe integer`)
    return number
  })
}

function checked<T extends Tensor>(tensor: T): T {
  if (sizeOf(tensor.shape) !== tensor.data.length) {
    throw new RangeError(`shape [${tensor.shape}] wants ${sizeOf(tensor.shape)} elements, got ${tensor.data.length}`)
  }
  return tensor
}
