/** Gradient rules of reductions: the gradient is spread back over the axes that were reduced. */
import type { Value } from '../../onnx/build.js'
import { positive, reducedShape } from '../../onnx/shapes.js'
import type { GradientRules, RuleContext } from '../rule.js'

type Reduce =
  | ('ReduceSum' | 'ReduceMean' | 'ReduceMax' | 'ReduceMin' | 'ReduceProd')
  | ('ReduceL1' | 'ReduceL2' | 'ReduceLogSum' | 'ReduceLogSumExp' | 'ReduceSumSquare')

export const reduction: GradientRules<Reduce | 'ArgMax' | 'ArgMin' | 'CumSum' | 'TopK'> = {
  // y = Σ x: G everywhere
  ReduceSum: context => [context.b.expand(kept(context, context.G()), context.I(0).shape)],

  // y = Σ x / n: G / n everywhere
  ReduceMean(context) {
    const { b, I, G } = context
    const count = reducedAxes(context).reduce((product, axis) => product * I(0).shape[axis]!, 1)
    return [b.expand(kept(context, b.mul(G(), b.scalar(1 / count, I(0).dtype))), I(0).shape)]
  },

  ReduceMax: toExtremes,
  ReduceMin: toExtremes,

  // y = Π x: G times the product of the others. Zeros are left out of the product p, so G p / x where there is none, G p
  // at an only zero, 0 elsewhere.
  ReduceProd(context) {
    const { b, I, G } = context
    const { dtype } = I(0)
    const [axes, one] = [reducedAxes(context), b.scalar(1, dtype)]
    const isZero = b.equal(I(0), b.scalar(0, dtype))
    const zero = b.cast(isZero, dtype)
    const safe = b.where(isZero, one, I(0))
    const reduced = [safe, b.integers(axes)]
    const like = { dtype, shape: reducedShape(I(0).shape, axes, true) }
    const product = axes.length === 0 ? safe : b.emit('ReduceProd', reduced, {}, [like])[0]!
    const others = b.equal(b.reduceSum(zero, axes, true), zero)
    return [b.mul(kept(context, G()), b.where(others, b.div(product, safe), b.scalar(0, dtype)))]
  },

  // y = Σ |x|: G sign x
  ReduceL1: context => [context.b.mul(kept(context, context.G()), context.b.sign(context.I(0)))],

  // y = √Σ x²: G x / y, 0 where y is 0
  ReduceL2(context) {
    const { b, I, O, G } = context
    const [zero, y] = [b.scalar(0, I(0).dtype), kept(context, O())]
    const some = b.greater(y, zero)
    const share = b.div(kept(context, G()), b.where(some, y, b.scalar(1, y.dtype)))
    return [b.where(some, b.mul(share, I(0)), zero)]
  },

  // y = ln Σ x: G / Σ x
  ReduceLogSum(context) {
    const { b, I, G } = context
    const sum = b.reduceSum(I(0), reducedAxes(context), true)
    return [b.expand(b.div(kept(context, G()), sum), I(0).shape)]
  },

  // y = ln Σ e^x: G e^(x - y)
  ReduceLogSumExp(context) {
    const { b, I, O, G } = context
    return [b.mul(kept(context, G()), b.exp(b.sub(I(0), kept(context, O()))))]
  },

  // y = Σ x²: 2 G x
  ReduceSumSquare(context) {
    const { b, I, G } = context
    return [b.mul(kept(context, b.mul(G(), b.scalar(2, I(0).dtype))), I(0))]
  },

  ArgMax: 'refused',
  ArgMin: 'refused',

  // y[i] = Σ over j ≤ i of x[j]: the sum of G over i ≥ j
  CumSum({ b, I, G, attributes: { exclusive, reverse } }) {
    return [b.emit('CumSum', [G(), I(1)], { exclusive, reverse: 1 - reverse }, [I(0)])[0]!]
  },

  // y = the k largest (smallest) values: G back to where they came from
  TopK({ b, I, O, G, attributes }) {
    const zeros = b.full(I(0).shape, 0, I(0).dtype)
    return [b.scatterElements(zeros, O(1), G(), positive(attributes.axis, I(0).shape.length))]
  },
}

/** y = max x or min x: G where x = y, shared equally among ties. */
function toExtremes(context: RuleContext<'ReduceMax' | 'ReduceMin'>): Value[] {
  const { b, I, O, G } = context
  const { dtype } = I(0)
  const extreme = b.equal(I(0), kept(context, O()))
  const ties = b.reduceSum(b.cast(extreme, dtype), reducedAxes(context), true)
  return [b.where(extreme, b.div(kept(context, G()), ties), b.scalar(0, dtype))]
}

/** The axes that a reduction sums over: all when the list is absent or empty, unless that means none. */
function reducedAxes({ I, has, integers, attributes }: RuleContext<Reduce>): number[] {
  const rank = I(0).shape.length
  const listed = has(1) ? integers(1).map(axis => positive(axis, rank)) : []
  if (listed.length > 0 || attributes.noop_with_empty_axes === 1) return listed
  return I(0).shape.map((_, axis) => axis)
}

/** A value of the output's shape, with the reduced axes as ones. */
function kept(context: RuleContext<Reduce>, value: Value): Value {
  return context.b.reshape(value, reducedShape(context.I(0).shape, reducedAxes(context), true))
}
