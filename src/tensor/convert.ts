/**
 * Between float32 and the other element types, as a model's inputs and outputs need it. Half floats are 16-bit patterns:
 * float16 has 1 sign, 5 exponent and 10 fraction bits (IEEE 754 binary16), bfloat16 the upper half of a float32.
 */
import { arrays, type DataOf, type DataType } from './tensor.js'

/** Element types that hold numbers; the others have no float32 form. */
export type NumberType = Exclude<DataType, 'string' | 'bool'>

export function isNumberType(dtype: DataType | 'other'): dtype is NumberType {
  return dtype !== 'string' && dtype !== 'bool' && dtype !== 'other'
}

const wholeRanges: { readonly [D in NumberType]?: readonly [number, number] } = {
  int8: [-128, 127],
  uint8: [0, 255],
  int16: [-32768, 32767],
  uint16: [0, 65535],
  int32: [-(2 ** 31), 2 ** 31 - 1],
  uint32: [0, 2 ** 32 - 1],
  int64: [-(2 ** 53) + 1, 2 ** 53 - 1],
  uint64: [0, 2 ** 53 - 1],
}

/** Least and greatest value of an integer type, as far as numbers are exact; undefined for floats. */
export function wholeRange(dtype: DataType | 'other'): readonly [number, number] | undefined {
  return Object.hasOwn(wholeRanges, dtype) ? wholeRanges[dtype as NumberType] : undefined
}

/** Elements as float32, each rounded to the nearest. */
export function toFloat32<D extends NumberType>(dtype: D, data: DataOf[D]): Float32Array {
  if (data instanceof Float32Array) return data
  if (dtype === 'float16') return Float32Array.from(data as Uint16Array, floatOfHalf)
  if (dtype === 'bfloat16') return floatsOfBfloats(data as Uint16Array)
  return Float32Array.from(data as Iterable<number | bigint>, Number)
}

/**
 * Writes float32 values into an array of another type, from `at` on. Rounding is to the nearest, halves to even; integers
 * are clamped to their range and NaN becomes zero there, as no integer stands for it.
 */
export function writeFloats<D extends NumberType>(dtype: D, values: Float32Array, to: DataOf[D], at = 0): void {
  const range = wholeRange(dtype)
  if (range === undefined) {
    const convert = dtype === 'float16' ? halfOfFloat : dtype === 'bfloat16' ? bfloatOfFloat : undefined
    const target = to as Float32Array
    if (convert === undefined) target.set(values, at)
    else for (let i = 0; i < values.length; i++) target[at + i] = convert(values[i]!)
    return
  }
  const [low, high] = range
  for (let i = 0; i < values.length; i++) {
    const whole = Math.min(high, Math.max(low, roundToEven(values[i]!))) || 0
    if (to instanceof BigInt64Array || to instanceof BigUint64Array) to[at + i] = BigInt(whole)
    else (to as Int32Array)[at + i] = whole
  }
}

/** An array for so many elements. */
export function elementsFor<D extends NumberType>(dtype: D, count: number): DataOf[D] {
  return new arrays[dtype](count) as DataOf[D]
}

const pattern = new Uint32Array(1)
const number = new Float32Array(pattern.buffer)

/** The value of a float16 pattern, exactly. */
export function floatOfHalf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1
  const exponent = (bits >> 10) & 0x1f
  const fraction = bits & 0x3ff
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN
  // Without the implied leading one where the exponent is least.
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1024 + fraction) * 2 ** (exponent - 25)
}

/** The float16 pattern nearest to a float32, halves to even; 65,520 and above become infinite. */
export function halfOfFloat(value: number): number {
  number[0] = value
  const bits = pattern[0]!
  const sign = (bits >>> 16) & 0x8000
  const size = bits & 0x7fffffff
  if (size > 0x7f800000) return sign | 0x7e00
  if (size >= 0x477ff000) return sign | 0x7c00
  // Below 2^-14 the spacing is 2^-24 throughout.
  if (size < 0x38800000) return sign | roundToEven(Math.abs(number[0]!) * 2 ** 24)
  // 13 bits fall away: adding just below half of the last place, and its own last bit, rounds halves to even.
  return sign | ((size - 0x38000000 + 0xfff + ((size >>> 13) & 1)) >>> 13)
}

/** The bfloat16 pattern nearest to a float32, halves to even. */
export function bfloatOfFloat(value: number): number {
  number[0] = value
  const bits = pattern[0]!
  if ((bits & 0x7fffffff) > 0x7f800000) return (bits >>> 16) | 0x40
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16
}

function floatsOfBfloats(halves: Uint16Array): Float32Array {
  return new Float32Array(Uint32Array.from(halves, bits => bits << 16).buffer)
}

/** The nearest whole number, halves to even. */
function roundToEven(x: number): number {
  const down = Math.floor(x)
  const rest = x - down
  if (rest !== 0.5) return rest < 0.5 ? down : down + 1
  return down % 2 === 0 ? down : down + 1
}
