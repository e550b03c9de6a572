/** Gradient rules of operators that pick and place by indices: the gradient goes back to where the value came from. */
import { RobustlyError } from '../../errors.js'
import type { Value } from '../../onnx/build.js'
import { positive } from '../../onnx/shapes.js'
import { int64, type Shape, sizeOf, stridesOf } from '../../tensor/tensor.js'
import type { GradientRules, RuleContext } from '../rule.js'

type Indexing = ('GatherElements' | 'GatherND' | 'ScatterND' | 'OneHot') | ('NonZero' | 'Compress' | 'ReverseSequence')

export const indexing: GradientRules<Indexing> = {
  // y[…, i, …] = x[…, indices[…, i, …], …]: G added at the indices
  GatherElements({ b, I, G, attributes }) {
    const axis = positive(attributes.axis, I(0).shape.length)
    return [b.scatterElements(b.full(I(0).shape, 0, I(0).dtype), I(1), G(), axis, 'add')]
  },

  // y[p, …] = x[indices[p], …]: G added at the indices
  GatherND(context) {
    const { b, I, G } = context
    return [b.scatterND(b.full(I(0).shape, 0, I(0).dtype), fullIndices(context), G(), 'add')]
  },

  // y = x with updates written (or added) at indices: G, without what was overwritten, and G at the indices
  ScatterND({ node, b, I, G, attributes: { reduction } }) {
    if (reduction !== 'none' && reduction !== 'add') {
      throw new RobustlyError(
        'model-unsupported',
        `node "${node.name}" (ScatterND): no gradient rule for reduction "${reduction}"`,
        { hint: 'Supported reductions: none, add.' },
      )
    }
    const toData = reduction === 'add' ? G() : b.scatterND(G(), I(1), b.full(I(2).shape, 0, I(2).dtype))
    return [toData, undefined, b.gatherND(G(), I(1))]
  },

  // y = off + (on - off) hot: ΣG (1 - hot), ΣG hot
  OneHot({ b, I, O, G, needs, attributes }) {
    if (!needs(2)) return []
    const { dtype } = I(2)
    const unit = b.concat([b.full([1], 0, dtype), b.full([1], 1, dtype)], 0)
    const hot = b.emit('OneHot', [I(0), I(1), unit], attributes, [O()])[0]!
    const all = (x: Value) => b.reshape(b.reduceSum(x, axesOf(x)), [1])
    const toOn = all(b.mul(G(), hot))
    return [undefined, undefined, b.concat([b.sub(all(G()), toOn), toOn], 0)]
  },

  NonZero: 'constant',

  // y = x at the indices that the condition keeps
  Compress: ({ b, I, integers, attributes, through }) =>
    through(() => {
      const kept = integers(1).flatMap((holds, i) => (holds !== 0 ? [i] : []))
      const flat = attributes.axis === undefined ? b.reshape(I(0), [sizeOf(I(0).shape)]) : I(0)
      return [b.gather(flat, b.integers(kept), attributes.axis ?? 0)]
    }),

  // its own inverse: G reversed
  ReverseSequence: ({ b, I, G, attributes }) => [b.emit('ReverseSequence', [G(), I(1)], attributes, [G()])[0]!],
}

function axesOf(x: Value): number[] {
  return x.shape.map((_, axis) => axis)
}

/** The indices with those of the batch dimensions in front, so that there are no batch dimensions. */
function fullIndices({ b, I, attributes: { batch_dims } }: RuleContext<'GatherND'>): Value {
  if (batch_dims === 0) return I(1)
  const outer: Shape = I(1).shape.slice(0, -1)
  const strides = stridesOf(outer)
  const batch = Array.from({ length: sizeOf(outer) * batch_dims }, (_, i) => {
    const axis = i % batch_dims
    return Math.floor(Math.floor(i / batch_dims) / strides[axis]!) % outer[axis]!
  })
  return b.concat([b.constant(int64(batch, [...outer, batch_dims])), b.cast(I(1), 'int64')], outer.length)
}
