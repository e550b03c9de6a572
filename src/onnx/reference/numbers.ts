/** Building blocks of the reference rules: any element type as numbers, broadcasting, and picking by place. */
import { RobustlyError } from '../../errors.js'
import {
  arrays,
  broadcastShapes,
  type DataType,
  type Shape,
  sizeOf,
  stridesOf,
  type Tensor,
} from '../../tensor/tensor.js'
import type { OperatorName } from '../operators.js'
import type { ReferenceContext, ReferenceRule } from './rule.js'

type Element = number | bigint

/** The type in which the reference keeps values of an element type: every float is a float64. */
export function keptAs(dtype: DataType): DataType {
  return ['float32', 'float16', 'bfloat16'].includes(dtype) ? 'float64' : dtype
}

/** Elements in order, 64-bit integers as bigint. Throws `model-unsupported` for strings and half floats. */
export function elementsOf(tensor: Tensor): Element[] {
  if (tensor.dtype === 'string' || tensor.dtype === 'float16' || tensor.dtype === 'bfloat16') {
    throw new RobustlyError(
      'model-unsupported',
      `the reference evaluation does not compute with ${tensor.dtype} values`,
    )
  }
  return Array.from<Element, Element>(tensor.data, element => element)
}

/** Elements as numbers; 64-bit integers beyond 2^53 are rounded, which suits values that are clamped anyway. */
export function numbersOf(tensor: Tensor): number[] {
  return elementsOf(tensor).map(Number)
}

/** A tensor of these elements; fractions are cut off and integers wrap as the type demands. */
export function tensorOf(dtype: DataType, elements: readonly Element[], shape: Shape): Tensor {
  if (elements.length !== sizeOf(shape)) {
    throw new RangeError(`shape [${shape}] wants ${sizeOf(shape)} elements, got ${elements.length}`)
  }
  if (dtype === 'string')
    throw new RobustlyError('model-unsupported', 'the reference evaluation does not compute with strings')
  if (dtype === 'int64' || dtype === 'uint64') {
    const whole = elements.map(element => (typeof element === 'bigint' ? element : BigInt(Math.trunc(element))))
    return dtype === 'int64'
      ? { dtype, shape, data: BigInt64Array.from(whole) }
      : { dtype, shape, data: BigUint64Array.from(whole) }
  }
  const data = arrays[dtype].from(elements.map(Number))
  return { dtype, shape, data } as Tensor
}

/** Coordinates of a flat index. */
export function placeOf(flat: number, shape: Shape): number[] {
  const strides = stridesOf(shape)
  return shape.map((dim, axis) => Math.floor(flat / strides[axis]!) % dim)
}

/** Flat index of coordinates. */
export function flatOf(place: readonly number[], shape: Shape): number {
  const strides = stridesOf(shape)
  return place.reduce((sum, at, axis) => sum + at * strides[axis]!, 0)
}

/** A tensor of `shape` whose element at each place is the one of `x` at the place that `source` gives, else `fill`. */
export function pick(
  x: Tensor,
  shape: Shape,
  source: (place: number[]) => readonly number[] | undefined,
  fill: Element = 0,
): Tensor {
  const elements = elementsOf(x)
  const picked = Array.from({ length: sizeOf(shape) }, (_, flat) => {
    const from = source(placeOf(flat, shape))
    return from === undefined ? fill : elements[flatOf(from, x.shape)]!
  })
  return tensorOf(x.dtype, picked, shape)
}

/** A tensor repeated to a shape that it broadcasts to. */
export function broadcastTo(x: Tensor, shape: Shape): Tensor {
  const offset = shape.length - x.shape.length
  return pick(x, shape, place => x.shape.map((dim, axis) => (dim === 1 ? 0 : place[axis + offset]!)))
}

/** Applies f to the elements of the inputs, broadcast against each other. */
export function mapElements(inputs: readonly Tensor[], dtype: DataType, f: (...values: number[]) => number): Tensor {
  const shape = broadcastShapes(...inputs.map(input => input.shape))
  const columns = inputs.map(input => numbersOf(broadcastTo(input, shape)))
  const values = columns[0]!.map((_, i) => f(...columns.map(column => column[i]!)))
  return tensorOf(dtype, values, shape)
}

/** A rule that applies f to each element; the output has the type of the first input, or `dtype`. */
export function elementwiseRule<O extends OperatorName>(
  f: (...values: number[]) => number,
  dtype?: DataType,
): ReferenceRule<O> {
  return ({ node, input }) => {
    const inputs = node.inputs.map((_, i) => input(i))
    return [mapElements(inputs, dtype ?? inputs[0]!.dtype, f)]
  }
}

/** Numbers of input i of a node, undefined when it is absent. */
export function listed(context: Pick<ReferenceContext<OperatorName>, 'inputs'>, i: number): number[] | undefined {
  const tensor = context.inputs[i]
  return tensor === undefined ? undefined : numbersOf(tensor)
}
