/** Gradient rules of operators that move, cut and repeat values: the gradient is moved back. */
import type { GraphBuilder, Value } from '../../onnx/build.js'
import { positive } from '../../onnx/shapes.js'
import { type DataType, sizeOf, type Tensor } from '../../tensor/tensor.js'
import type { GradientRule, GradientRules, RuleContext } from '../rule.js'
import { floatsOf } from './constants.js'

type Move =
  | ('Reshape' | 'Flatten' | 'Squeeze' | 'Unsqueeze' | 'Transpose' | 'Concat' | 'Split' | 'Slice' | 'Pad')
  | ('Expand' | 'Shape' | 'Constant' | 'ConstantOfShape')

/** Same elements in another shape: G in the shape of the input. */
const reshaped: GradientRule<'Reshape' | 'Flatten' | 'Squeeze' | 'Unsqueeze'> = ({ b, I, G }) => [
  b.reshape(G(), I(0).shape),
]

export const shape: GradientRules<Move> = {
  Reshape: reshaped,
  Flatten: reshaped,
  Squeeze: reshaped,
  Unsqueeze: reshaped,

  // yⱼ = x with axis j taken from perm[j]: G by the inverse permutation
  Transpose({ b, G, attributes }) {
    const rank = G().shape.length
    const perm = attributes.perm ?? Array.from({ length: rank }, (_, axis) => rank - 1 - axis)
    const inverse = new Array<number>(rank)
    perm.forEach((from, to) => {
      inverse[from] = to
    })
    return [b.transpose(G(), inverse)]
  },

  // y = x₁, x₂, … side by side: each gets its part of G
  Concat({ node, b, I, G, attributes }) {
    if (node.inputs.length === 1) return [G()]
    const axis = positive(attributes.axis ?? 0, G().shape.length)
    const parts = node.inputs.map((_, i) => I(i))
    return b.emit('Split', [G(), b.integers(parts.map(part => part.shape[axis]!))], { axis }, parts)
  },

  // x = y₁, y₂, … side by side: the gradients put together, zeros where none arrives
  Split({ node, b, O, GO, attributes }) {
    const parts = node.outputs.map((_, i) => GO(i) ?? b.full(O(i).shape, 0, O(i).dtype))
    return [b.concat(parts, attributes.axis)]
  },

  Slice: context => [unslice(context)],

  Pad: context => [unpad(context), undefined, gradientToFilling(context)],

  // y = x repeated along axes of length 1: G, which the walk sums back
  Expand: ({ G }) => [G()],

  Shape: 'constant',
  Constant: 'constant',
  ConstantOfShape: 'constant',
}

/** y = x[start:end:step]: G in its place among zeros. Steps beyond one put zeros between the elements first. */
function unslice(context: RuleContext<'Slice'>): Value {
  const { b, I, G, O, has, integers } = context
  const x = I(0).shape
  if (sizeOf(O().shape) === 0) return b.full(x, 0, I(0).dtype)
  const starts = bounds(context, 1)
  const axes = has(3) ? integers(3).map(axis => positive(axis, x.length)) : starts.map((_, axis) => axis)
  const steps = has(4) ? bounds(context, 4) : starts.map(() => 1)
  const before = x.map(() => 0)
  const after = x.map(() => 0)
  const backwards = axes.filter((_, i) => steps[i]! < 0)
  let spread = backwards.length === 0 ? G() : b.flip(G(), backwards)
  axes.forEach((axis, i) => {
    const [count, step, dim] = [O().shape[axis]!, steps[i]!, x[axis]!]
    const first = firstOfSlice(dim, starts[i]!, step)
    spread = spaced(b, spread, axis, Math.abs(step))
    before[axis] = step > 0 ? first : first + (count - 1) * step
    after[axis] = dim - before[axis]! - spread.shape[axis]!
  })
  return b.pad(spread, [...before, ...after])
}

/** Integers of any size: those beyond 2^53, which mean "as far as possible", are clamped to the axis anyway. */
function bounds({ constant, integers }: RuleContext<'Slice'>, i: number): readonly number[] {
  const known = constant(i)
  return known === undefined ? integers(i) : Array.from<unknown, number>(known.data, Number)
}

function firstOfSlice(dim: number, start: number, step: number): number {
  return Math.min(step > 0 ? dim : dim - 1, Math.max(0, start < 0 ? start + dim : start))
}

/** Puts step - 1 zeros after each element along an axis. */
function spaced(b: GraphBuilder, x: Value, axis: number, step: number): Value {
  const count = x.shape[axis]!
  if (step === 1 || count === 1) return x
  const apart = b.reshape(x, [...x.shape.slice(0, axis + 1), 1, ...x.shape.slice(axis + 1)])
  const pads = apart.shape.flatMap(() => [0, 0])
  pads[apart.shape.length + axis + 1] = step - 1
  return b.reshape(b.pad(apart, pads), x.shape.with(axis, count * step))
}

interface Padding {
  readonly before: readonly number[]
  readonly after: readonly number[]
}

function paddingOf({ I, has, integers }: Pick<RuleContext<'Pad'>, 'I' | 'has' | 'integers'>): Padding {
  const rank = I(0).shape.length
  const pads = integers(1)
  const axes = has(3) ? integers(3).map(axis => positive(axis, rank)) : I(0).shape.map((_, axis) => axis)
  const before = new Array<number>(rank).fill(0)
  const after = new Array<number>(rank).fill(0)
  axes.forEach((axis, i) => {
    before[axis] = pads[i]!
    after[axis] = pads[i + axes.length]!
  })
  return { before, after }
}

/** Constant mode: the inner part of G. Other modes repeat elements of x, y = P x along each axis: Pᵀ G. */
function unpad(context: RuleContext<'Pad'>): Value {
  const { b, I, G, attributes } = context
  const { before, after } = paddingOf(context)
  if (attributes.mode === 'constant')
    return b.pad(
      G(),
      [...before, ...after].map(pad => -pad),
    )
  return before.reduce((gradient, start, axis) => {
    const end = after[axis]!
    if (start === 0 && end === 0) return gradient
    const sources = paddingSources(attributes.mode, I(0).shape[axis]!, start, end)
    return summedBack(b, gradient, axis, sources, I(0).shape[axis]!)
  }, G())
}

/** The fill value appears everywhere outside: Σ G - Σ inner part. */
function gradientToFilling(context: RuleContext<'Pad'>): Value | undefined {
  const { b, G, needs } = context
  if (!needs(2)) return undefined
  const all = (x: Value) =>
    b.reduceSum(
      x,
      x.shape.map((_, axis) => axis),
    )
  return b.sub(all(G()), all(unpad(context)))
}

/** For each place along a padded axis, the place of x that it repeats. */
function paddingSources(mode: string, dim: number, before: number, after: number): number[] {
  const wrap = (at: number, period: number) => ((at % period) + period) % period
  const source = (at: number): number => {
    if (mode === 'edge') return Math.min(dim - 1, Math.max(0, at))
    if (mode === 'wrap') return wrap(at, dim)
    if (dim === 1) return 0
    const place = wrap(at, 2 * (dim - 1))
    return place < dim ? place : 2 * (dim - 1) - place
  }
  return Array.from({ length: before + dim + after }, (_, at) => source(at - before))
}

/** Sums the elements at each place i of an axis into place sources[i], of `dim`: a product with a 0/1 matrix. */
function summedBack(b: GraphBuilder, x: Value, axis: number, sources: readonly number[], dim: number): Value {
  const [outer, inner] = [sizeOf(x.shape.slice(0, axis)), sizeOf(x.shape.slice(axis + 1))]
  const matrix = b.constant(oneHot(sources, dim, x.dtype))
  const product = b.matMul(matrix, b.reshape(x, [outer, sources.length, inner]))
  return b.reshape(product, x.shape.with(axis, dim))
}

/** [dim, sources]: one where the row is the source of the column. */
function oneHot(sources: readonly number[], dim: number, dtype: DataType): Tensor {
  const values = new Array<number>(dim * sources.length).fill(0)
  sources.forEach((row, column) => {
    values[row * sources.length + column] = 1
  })
  return floatsOf(values, dtype, [dim, sources.length])
}
