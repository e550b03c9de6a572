/** Gradient rules of operators that select values, convert them or pass them on. */
import { RobustlyError } from '../../errors.js'
import type { GraphBuilder, Value } from '../../onnx/build.js'
import { positive } from '../../onnx/shapes.js'
import { int64, type Shape, sizeOf, stridesOf, toNumbers } from '../../tensor/tensor.js'
import type { GradientRules, RuleContext } from '../rule.js'

type Selection = 'Where' | 'Gather' | 'ScatterElements' | 'Cast' | 'CastLike' | 'Identity' | 'Dropout'

export const selection: GradientRules<Selection> = {
  // y = a where the condition holds, c elsewhere: G there, 0 elsewhere, and the other way round
  Where({ b, I, G }) {
    const zero = b.scalar(0, G().dtype)
    return [undefined, b.where(I(0), G(), zero), b.where(I(0), zero, G())]
  },

  Gather: context => [ungather(context)],

  ScatterElements: context => unscatter(context),

  Cast: uncast,
  CastLike: uncast,

  Identity: ({ G }) => [G()],

  // at inference y = x: G
  Dropout({ node, G, has, constant }) {
    const training = constant(2)
    if (has(2) && (training === undefined || toNumbers(training)[0] !== 0)) {
      throw new RobustlyError('model-unsupported', `node "${node.name}" (Dropout) may run in training mode`, {
        hint: 'Export the model for inference.',
      })
    }
    return [G()]
  },
}

/** y = x in another float type: G in the type of x */
function uncast({ node, b, I, G, needs }: RuleContext<'Cast' | 'CastLike'>): Value[] {
  if (isFloat(I(0))) return [b.cast(G(), I(0).dtype)]
  if (!needs(0)) return []
  throw new RobustlyError(
    'model-unsupported',
    `node "${node.name}" (${node.op}): the output depends on the input through ${I(0).dtype} values, which have no gradient`,
    { hint: 'Attack this model with scores or labels only.' },
  )
}

function isFloat(value: Value): boolean {
  return value.dtype === 'float32' || value.dtype === 'float64'
}

/**
 * y = x[…, index, …]: each slice of G is added to the slice of x that it came from. Neighbouring slices in order need
 * zeros around them only.
 */
function ungather({ b, I, G, constant, attributes }: RuleContext<'Gather'>): Value {
  const { shape, dtype } = I(0)
  const axis = positive(attributes.axis, shape.length)
  const dim = shape[axis]!
  const count = sizeOf(I(1).shape)
  const lined = b.reshape(G(), [...shape.slice(0, axis), count, ...shape.slice(axis + 1)])
  const known = constant(1)
  const places = known && toNumbers(known).map(index => (index < 0 ? index + dim : index))
  if (places?.every((place, i) => place === places[0]! + i)) {
    const pads = shape.flatMap(() => [0, 0])
    pads[axis] = places[0] ?? 0
    pads[axis + shape.length] = dim - pads[axis]! - count
    return b.pad(lined, pads)
  }
  const column = [count, ...shape.slice(axis + 1).map(() => 1)]
  const indices =
    places === undefined
      ? b.expand(b.reshape(b.cast(I(1), 'int64'), column), lined.shape)
      : b.constant(repeated(places, lined.shape, axis))
  return b.scatterElements(b.full(shape, 0, dtype), indices, lined, axis, 'add')
}

/** The values along an axis, the same everywhere else. */
function repeated(values: readonly number[], shape: Shape, axis: number) {
  const inner = sizeOf(shape.slice(axis + 1))
  const data = BigInt64Array.from({ length: sizeOf(shape) }, (_, at) =>
    BigInt(values[Math.floor(at / inner) % values.length]!),
  )
  return int64(data, shape)
}

/**
 * y = x with updates written (or added) at indices: G, without what was overwritten, and G at the indices. Where several
 * updates are written to one place, the standard leaves open which one wins.
 */
function unscatter(context: RuleContext<'ScatterElements'>): (Value | undefined)[] {
  const { node, b, I, G, attributes } = context
  const { reduction } = attributes
  if (reduction !== 'none' && reduction !== 'add') {
    throw new RobustlyError(
      'model-unsupported',
      `node "${node.name}" (ScatterElements): no gradient rule for reduction "${reduction}"`,
      { hint: 'Supported reductions: none, add.' },
    )
  }
  const axis = positive(attributes.axis, I(0).shape.length)
  const toData = reduction === 'add' ? G() : b.scatterElements(G(), I(1), b.full(I(2).shape, 0, I(2).dtype), axis)
  const picked = b.gather(b.reshape(G(), [sizeOf(G().shape)]), flatIndices(b, I(1), I(0).shape, axis))
  return [toData, undefined, picked]
}

/** Places in the flattened data that the indices along an axis mean. */
function flatIndices(b: GraphBuilder, indices: Value, data: Shape, axis: number): Value {
  const strides = stridesOf(data)
  const own = stridesOf(indices.shape)
  const offsets = BigInt64Array.from({ length: sizeOf(indices.shape) }, (_, at) => {
    let offset = 0
    indices.shape.forEach((dim, d) => {
      if (d !== axis) offset += (Math.floor(at / own[d]!) % dim) * strides[d]!
    })
    return BigInt(offset)
  })
  const wide = b.cast(indices, 'int64')
  const dim = b.scalar(data[axis]!, 'int64')
  const forward = b.where(b.less(wide, b.scalar(0, 'int64')), b.add(wide, dim), wide)
  return b.add(b.mul(forward, b.scalar(strides[axis]!, 'int64')), b.constant(int64(offsets, indices.shape)))
}
