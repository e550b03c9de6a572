/** Matrix products by their definition. */
import { broadcastShapes, float64, type Shape, sizeOf, stridesOf, type TensorOf } from '../../tensor/tensor.js'
import { labelSizes, parseEinsum } from '../einsum.js'
import { matMulShape } from '../shapes.js'
import { asFloats, zeros } from './floats.js'
import { placeOf } from './numbers.js'
import type { ReferenceRules } from './rule.js'

export const linear: Pick<ReferenceRules, 'Einsum' | 'Gemm' | 'MatMul'> = {
  MatMul({ input }) {
    const [a, b] = [asFloats(input(0)), asFloats(input(1))]
    const left = float64(a.data, a.shape.length === 1 ? [1, ...a.shape] : a.shape)
    const right = float64(b.data, b.shape.length === 1 ? [...b.shape, 1] : b.shape)
    const batch = broadcastShapes(left.shape.slice(0, -2), right.shape.slice(0, -2))
    const [m, k, n] = [left.shape.at(-2)!, left.shape.at(-1)!, right.shape.at(-1)!]
    const y = zeros(matMulShape(a.shape, b.shape))
    for (let i = 0; i < sizeOf(batch); i++) {
      const [from, and] = [matrixAt(left, i, batch), matrixAt(right, i, batch)]
      y.data.set(product(from, and, m, k, n), i * m * n)
    }
    return [y]
  },

  // the sum over all labels that the output lacks of the product of the operands
  Einsum({ node, input, attributes }) {
    const tensors = node.inputs.map((_, i) => asFloats(input(i)))
    const shapes = tensors.map(tensor => tensor.shape)
    const equation = parseEinsum(attributes.equation ?? '', shapes)
    const sizes = labelSizes(equation, shapes)
    const labels = [...equation.output, ...[...sizes.keys()].filter(label => !equation.output.includes(label))]
    const dims = labels.map(label => sizes.get(label)!)
    const strides = equation.operands.map((own, i) => labelStrides(labels, own, shapes[i]!))
    const shape = equation.output.map(label => sizes.get(label)!)
    const y = zeros(shape)
    const inner = sizeOf(dims.slice(shape.length))
    for (let flat = 0; flat < sizeOf(dims); flat++) {
      const place = placeOf(flat, dims)
      const factors = tensors.map(
        (tensor, i) => tensor.data[place.reduce((sum, at, axis) => sum + at * strides[i]![axis]!, 0)]!,
      )
      y.data[Math.floor(flat / inner)]! += factors.reduce((product, factor) => product * factor, 1)
    }
    return [y]
  },

  // alpha A' B' + beta C
  Gemm({ input, inputs, attributes: { alpha, beta, transA, transB } }) {
    const [a, b] = [asFloats(input(0)), asFloats(input(1))]
    const [m, k] = (transA ? a.shape.toReversed() : a.shape) as [number, number]
    const n = transB ? b.shape[0]! : b.shape[1]!
    const left = transA ? transposed(a) : a.data
    const right = transB ? transposed(b) : b.data
    const y = float64(
      product(left, right, m, k, n).map(value => alpha * value),
      [m, n],
    )
    if (inputs[2] === undefined) return [y]
    const c = asFloats(inputs[2])
    return [
      float64(
        y.data.map((value, i) => value + beta * c.data[broadcastIndex(i, y.shape, c.shape)]!),
        y.shape,
      ),
    ]
  },
}

/** Step in an operand for each label; a label that stands twice walks the diagonal, an axis of length 1 stands still. */
function labelStrides(labels: readonly string[], own: readonly string[], shape: Shape): number[] {
  const strides = stridesOf(shape)
  return labels.map(label =>
    own.reduce((sum, each, axis) => (each === label && shape[axis] !== 1 ? sum + strides[axis]! : sum), 0),
  )
}

/** Row-major [m, k] times [k, n]. */
function product(a: Float64Array, b: Float64Array, m: number, k: number, n: number): Float64Array {
  const y = new Float64Array(m * n)
  for (let row = 0; row < m; row++) {
    for (let inner = 0; inner < k; inner++) {
      const value = a[row * k + inner]!
      for (let column = 0; column < n; column++) y[row * n + column]! += value * b[inner * n + column]!
    }
  }
  return y
}

function transposed({ data, shape }: TensorOf<'float64'>): Float64Array {
  const [rows, columns] = shape as [number, number]
  return data.map((_, i) => data[(i % rows) * columns + Math.floor(i / rows)]!)
}

/** The matrix of `x` that takes part in batch `i` of the broadcast batch shape. */
function matrixAt(x: TensorOf<'float64'>, i: number, batch: Shape): Float64Array {
  const size = x.shape.at(-2)! * x.shape.at(-1)!
  const at = broadcastIndex(i, batch, x.shape.slice(0, -2))
  return x.data.subarray(at * size, (at + 1) * size)
}

/** Flat index into a tensor of shape `small` of the element that is broadcast to flat index `i` of `large`. */
function broadcastIndex(i: number, large: Shape, small: Shape): number {
  const largeStrides = stridesOf(large)
  const offset = large.length - small.length
  return stridesOf(small).reduce((sum, stride, axis) => {
    const at = Math.floor(i / largeStrides[axis + offset]!) % large[axis + offset]!
    return small[axis] === 1 ? sum : sum + at * stride
  }, 0)
}
