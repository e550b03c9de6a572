/** Arrays that are read by rows (the first axis) straight from where they are stored. */

import { RobustlyError } from '../errors.js'
import { sizeOf } from '../tensor/tensor.js'
import { bytesOf, decode, type ElementType, type Values } from './elements.js'
import { readNpyHeader } from './npy-header.js'
import type { Source } from './source.js'

export interface Rows {
  /** Shown in messages: `x in data.npz`. */
  readonly name: string
  readonly type: ElementType
  /** [rows, …]: at least one axis. */
  readonly shape: readonly number[]
  /** Rows `start` to `end` in row-major order, in an array of their own. */
  read(start: number, end: number): Promise<Values>
}

/** Rows of a C-ordered array whose elements start at `offset`. The caller has checked that the bytes are there. */
export function rowsAt(source: Source, offset: number, type: ElementType, shape: readonly number[]): Rows {
  const rowBytes = sizeOf(shape.slice(1)) * bytesOf(type)
  const read = async (start: number, end: number) =>
    decode(await source.read(offset + start * rowBytes, (end - start) * rowBytes), type)
  return { name: source.name, type, shape, read }
}

/** Rows of an `.npy` file in any order of axes and bytes. */
export async function npyRows(source: Source, fortranLimit: number): Promise<Rows> {
  const { type, fortranOrder, shape, offset } = await readNpyHeader(source)
  if (shape.length === 0) {
    throw new RobustlyError(
      'data-invalid',
      `${source.name} holds a single number, not an array with one row per sample`,
    )
  }
  if (!fortranOrder || shape.length === 1) return rowsAt(source, offset, type, shape)
  if (source.size > fortranLimit) {
    throw new RobustlyError(
      'data-unsupported',
      `${source.name} is in Fortran order and has ${source.size} bytes; up to ${fortranLimit} are read`,
      { hint: 'a row is scattered over the whole file: save np.ascontiguousarray(x)' },
    )
  }
  return fortranRows(source, offset, type, shape)
}

/** In Fortran order the first axis varies fastest: the rows are gathered from the whole array, held in memory. */
function fortranRows(source: Source, offset: number, type: ElementType, shape: readonly number[]): Rows {
  const width = bytesOf(type)
  const offsets = fortranOffsets(shape)
  let loading: Promise<Uint8Array<ArrayBuffer>> | undefined
  const read = async (start: number, end: number) => {
    loading ??= source.read(offset, source.size - offset)
    const stored = await loading
    const bytes = new Uint8Array((end - start) * offsets.length * width)
    let at = 0
    for (let row = start; row < end; row++) {
      for (const element of offsets) {
        const from = (row + element) * width
        for (let byte = 0; byte < width; byte++) bytes[at++] = stored[from + byte]!
      }
    }
    return decode(bytes, type)
  }
  return { name: source.name, type, shape, read }
}

/** Where each element of row 0, in row-major order, lies in the Fortran-ordered array. */
function fortranOffsets(shape: readonly number[]): Float64Array {
  let offsets = Float64Array.of(0)
  let stride = shape[0]!
  // Built axis by axis; a later axis varies faster in row-major order and slower in Fortran order.
  for (const dimension of shape.slice(1)) {
    const grown = new Float64Array(offsets.length * dimension)
    offsets.forEach((base, index) => {
      for (let step = 0; step < dimension; step++) grown[index * dimension + step] = base + step * stride
    })
    offsets = grown
    stride *= dimension
  }
  return offsets
}
