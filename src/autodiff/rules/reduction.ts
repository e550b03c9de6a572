/** Gradient rules of reductions: the gradient is spread back over the axes that were reduced. */
import type { Value } from '../../onnx/build.js'
import { positive, reducedShape } from '../../onnx/shapes.js'
import type { GradientRules, RuleContext } from '../rule.js'

type Reduce = 'ReduceSum' | 'ReduceMean' | 'ReduceMax'

export const reduction: GradientRules<Reduce | 'ArgMax' | 'TopK'> = {
  // y = Σ x: G everywhere
  ReduceSum: context => [context.b.expand(kept(context, context.G()), context.I(0).shape)],

  // y = Σ x / n: G / n everywhere
  ReduceMean(context) {
    const { b, I, G } = context
    const count = reducedAxes(context).reduce((product, axis) => product * I(0).shape[axis]!, 1)
    return [b.expand(kept(context, b.mul(G(), b.scalar(1 / count, I(0).dtype))), I(0).shape)]
  },

  // y = max x: G where x = y, shared equally among ties
  ReduceMax(context) {
    const { b, I, O, G } = context
    const { dtype } = I(0)
    const largest = b.equal(I(0), kept(context, O()))
    const ties = b.reduceSum(b.cast(largest, dtype), reducedAxes(context), true)
    return [b.where(largest, b.div(kept(context, G()), ties), b.scalar(0, dtype))]
  },

  ArgMax: 'refused',

  // y = the k largest (smallest) values: G back to where they came from
  TopK({ b, I, O, G, attributes }) {
    const zeros = b.full(I(0).shape, 0, I(0).dtype)
    return [b.scatterElements(zeros, O(1), G(), positive(attributes.axis, I(0).shape.length))]
  },
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
