/** Values for inputs of the model that are not attacked: constants of each sample, from columns of a table or arrays of an `.npz`. */
import { RobustlyError } from '../errors.js'
import type { BoundInputs } from '../model/data-space.js'
import { printable } from '../printable.js'
import { type Shape, sizeOf } from '../tensor/tensor.js'

export interface BoundPart {
  readonly input: string
  /** Of the values of one sample. */
  readonly shape: Shape
  /** Shown in messages: `mask in data.npz`. */
  readonly name: string
  /** Whole numbers may be numbers of things, which rounding would change. */
  readonly whole: boolean
  read(start: number, end: number): Promise<ArrayLike<number | bigint>>
}

export interface Bound {
  readonly inputs: BoundInputs
  /** [end - start, values of one sample] */
  read(start: number, end: number): Promise<Float32Array>
}

/** Throws `data-invalid` and `data-unsupported`, naming the row, for values that are not finite or that float32 does not hold. */
export async function boundTo(parts: readonly BoundPart[], count: number): Promise<Bound> {
  const twice = parts.find(({ input }, at) => parts.findIndex(other => other.input === input) < at)
  if (twice !== undefined)
    throw new RobustlyError('usage', `the input ${printable(twice.input, 60)} is bound to two arrays`)
  const width = parts.reduce((sum, { shape }) => sum + sizeOf(shape), 0)
  const read = async (start: number, end: number) => {
    const all = new Float32Array((end - start) * width)
    let offset = 0
    for (const part of parts) {
      const size = sizeOf(part.shape)
      const values = await part.read(start, end)
      for (let i = 0; i < values.length; i++) {
        const row = Math.floor(i / size)
        all[row * width + offset + (i % size)] = checked(Number(values[i]!), part, start + row)
      }
      offset += size
    }
    return all
  }
  const inputs = parts.map(({ input, shape }) => ({ input, shape }))
  return { inputs: { parts: inputs, example: await read(0, 1), last: await read(count - 1, count) }, read }
}

function checked(value: number, { name, whole }: BoundPart, row: number): number {
  if (!Number.isFinite(value))
    throw new RobustlyError(
      'data-invalid',
      `row ${row} (counting from 0) of ${name} has the value ${value}; all must be finite`,
    )
  if (whole && Number.isInteger(value) && Math.fround(value) !== value)
    throw new RobustlyError('data-unsupported', `row ${row} (counting from 0) of ${name} has the value ${value}`, {
      hint: 'values are kept as float32, which holds whole numbers exactly up to 16,777,216',
    })
  return value
}
