/** Element types of stored arrays: bytes to numbers, numbers to inputs and labels. */

import { RobustlyError } from '../errors.js'

/** Kind (bool, signed, unsigned, float) and bytes of one element, as numpy writes them. */
export type ElementCode = 'b1' | 'i1' | 'u1' | 'i2' | 'u2' | 'i4' | 'u4' | 'i8' | 'u8' | 'f2' | 'f4' | 'f8'

export interface ElementType {
  readonly code: ElementCode
  readonly bigEndian: boolean
}

export type Values =
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array
  | Float32Array
  | Float64Array

type View = (buffer: ArrayBuffer) => Values

/** All platforms that ONNX Runtime runs on are little endian, so typed arrays are too. */
const views: Readonly<Record<ElementCode, View>> = {
  b1: buffer => new Uint8Array(buffer).map(value => (value === 0 ? 0 : 1)),
  i1: buffer => new Int8Array(buffer),
  u1: buffer => new Uint8Array(buffer),
  i2: buffer => new Int16Array(buffer),
  u2: buffer => new Uint16Array(buffer),
  i4: buffer => new Int32Array(buffer),
  u4: buffer => new Uint32Array(buffer),
  i8: buffer => new BigInt64Array(buffer),
  u8: buffer => new BigUint64Array(buffer),
  f2: buffer => Float32Array.from(new Uint16Array(buffer), halfToNumber),
  f4: buffer => new Float32Array(buffer),
  f8: buffer => new Float64Array(buffer),
}

const names: Readonly<Record<ElementCode, string>> = {
  b1: 'bool',
  i1: 'int8',
  u1: 'uint8',
  i2: 'int16',
  u2: 'uint16',
  i4: 'int32',
  u4: 'uint32',
  i8: 'int64',
  u8: 'uint64',
  f2: 'float16',
  f4: 'float32',
  f8: 'float64',
}

export function isElementCode(text: string): text is ElementCode {
  return Object.hasOwn(views, text)
}

export function elementName(type: ElementType): string {
  return names[type.code]
}

export function bytesOf(type: ElementType): number {
  return Number(type.code[1])
}

/** Reads elements out of bytes, which must be a whole array buffer. Swaps a big-endian buffer in place. */
export function decode(bytes: Uint8Array<ArrayBuffer>, type: ElementType): Values {
  if (type.bigEndian) swap(bytes, bytesOf(type))
  return views[type.code](bytes.buffer)
}

function swap(bytes: Uint8Array<ArrayBuffer>, width: number): void {
  const buffer = Buffer.from(bytes.buffer)
  if (width === 2) buffer.swap16()
  if (width === 4) buffer.swap32()
  if (width === 8) buffer.swap64()
}

/** IEEE 754 half precision: 1 sign bit, 5 exponent bits with bias 15, 10 fraction bits. */
function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >> 10) & 0x1f
  const fraction = bits & 0x3ff
  if (exponent === 0) return sign * fraction * 2 ** -24
  if (exponent === 31) return fraction === 0 ? sign * Infinity : Number.NaN
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15)
}

/** Largest value of a pixel of each type, which becomes 1; 1 where values are taken as they are. */
const pixelMaximum: Readonly<Partial<Record<ElementCode, number>>> = { b1: 1, u1: 255, u2: 65535, f2: 1, f4: 1, f8: 1 }

/** What pixels of this type are divided by, or undefined when the type does not say what its white is. */
export function pixelScale(type: ElementType): number | undefined {
  return pixelMaximum[type.code]
}

const pixels8 = Float32Array.from({ length: 256 }, (_, value) => value / 255)

/** Values divided by `scale` in float64, rounded to float32. Float32 values with scale 1 are not copied. */
export function toInputs(values: Values, scale: number): Float32Array {
  if (values instanceof Float32Array && scale === 1) return values
  const inputs = new Float32Array(values.length)
  if (values instanceof Uint8Array && scale === 255) {
    for (let index = 0; index < inputs.length; index++) inputs[index] = pixels8[values[index]!]!
    return inputs
  }
  for (let index = 0; index < inputs.length; index++) inputs[index] = Number(values[index]!) / scale
  return inputs
}

/** Throws `data-invalid` for the first value that is not finite and names its row. `width` values make a row. */
export function checkFinite(inputs: Float32Array, width: number, firstRow: number, name: string): void {
  // The sum of finite values is finite in float64: one pass decides, and only bad data pay for the search.
  let sum = 0
  for (let index = 0; index < inputs.length; index++) sum += inputs[index]!
  if (Number.isFinite(sum)) return
  const at = inputs.findIndex(value => !Number.isFinite(value))
  const row = firstRow + Math.floor(at / width)
  throw new RobustlyError(
    'data-invalid',
    `row ${row} (counting from 0) of ${name} has the value ${inputs[at]} at position ${at % width}; all must be finite`,
    { hint: 'leave this sample out, or repair the data where they were made' },
  )
}

/** Labels as integers. Throws `data-invalid` and names the first row whose label is negative or no 32-bit integer. */
export function toLabels(values: Values, firstRow: number, name: string): Int32Array {
  const labels = new Int32Array(values.length)
  for (let index = 0; index < labels.length; index++) {
    const label = Number(values[index]!)
    if (!Number.isInteger(label) || label < 0 || label > 0x7fffffff) throw badLabel(label, firstRow + index, name)
    labels[index] = label
  }
  return labels
}

function badLabel(label: number, row: number, name: string): RobustlyError {
  const hint =
    label < 0 ? 'leave out the samples without a label' : 'labels are class numbers: integers that count from 0'
  return new RobustlyError('data-invalid', `row ${row} (counting from 0) of ${name} has the label ${label}`, { hint })
}
