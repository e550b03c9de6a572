/** Gradients of batch normalization at inference and of the softmaxes. */
import { RobustlyError } from '../../errors.js'
import type { GraphBuilder, Value } from '../../onnx/build.js'
import { toNumbers } from '../../tensor/tensor.js'
import type { GradientRules, RuleContext } from '../rule.js'
import { floatsOf } from './constants.js'

export const normalization: Pick<GradientRules, 'BatchNormalization' | 'Hardmax' | 'LogSoftmax' | 'Softmax'> = {
  // y = scale (x - mean) / sqrt(var + eps) + bias, per channel, with given statistics. With r = 1 / sqrt(var + eps):
  // dx = G scale r, dscale = r sum(G (x - mean)), dbias = sum(G), dmean = -scale r sum(G),
  // dvar = -1/2 scale r^3 sum(G (x - mean)).
  BatchNormalization(context) {
    const { b, I, G, needs, node, attributes } = context
    if (attributes.training_mode === 1) {
      throw new RobustlyError(
        'model-unsupported',
        `node "${node.name}" (BatchNormalization) is in training mode, expected inference mode`,
        { hint: 'Export the model in evaluation mode.' },
      )
    }
    const [x, scale, g] = [I(0), I(1), G()]
    const perChannel = (value: Value) => b.reshape(value, [1, value.shape[0]!, ...x.shape.slice(2).map(() => 1)])
    const axes = [0, ...x.shape.slice(2).map((_, i) => i + 2)]
    const sumOfG = () => b.reduceSum(g, axes)
    const sumOfProduct = () => b.reduceSum(b.mul(g, b.sub(x, perChannel(I(3)))), axes)
    const r = () => inverseDeviation(context)
    return [
      needs(0) ? b.mul(g, channelFactor(context, perChannel)) : undefined,
      needs(1) ? b.mul(sumOfProduct(), r()) : undefined,
      needs(2) ? sumOfG() : undefined,
      needs(3) ? b.neg(b.mul(sumOfG(), b.mul(scale, r()))) : undefined,
      needs(4) ? b.mul(sumOfProduct(), varianceFactor(b, scale, r())) : undefined,
    ]
  },

  Hardmax: 'refused',

  // y = exp(x) / sum(exp(x)): dx = y (G - sum(G y)).
  Softmax({ b, O, G, attributes: { axis } }) {
    return [b.mul(O(), b.sub(G(), b.reduceSum(b.mul(G(), O()), [axis], true)))]
  },

  // y = x - log(sum(exp(x))): dx = G - exp(y) sum(G).
  LogSoftmax({ b, O, G, attributes: { axis } }) {
    return [b.sub(G(), b.mul(b.exp(O()), b.reduceSum(G(), [axis], true)))]
  },
}

/** 1 / sqrt(var + eps). */
function inverseDeviation({ b, I, attributes }: RuleContext<'BatchNormalization'>): Value {
  const variance = I(4)
  const one = b.scalar(1, variance.dtype)
  return b.div(one, b.sqrt(b.add(variance, b.scalar(attributes.epsilon, variance.dtype))))
}

function varianceFactor(b: GraphBuilder, scale: Value, r: Value): Value {
  return b.mul(b.mul(scale, b.scalar(-0.5, scale.dtype)), b.mul(r, b.mul(r, r)))
}

/** scale / sqrt(var + eps) shaped to broadcast over the channels, computed now when both are constants. */
function channelFactor(context: RuleContext<'BatchNormalization'>, perChannel: (value: Value) => Value): Value {
  const { b, I, constant, attributes } = context
  const [scale, variance] = [constant(1), constant(4)]
  if (scale === undefined || variance === undefined) return perChannel(b.mul(I(1), inverseDeviation(context)))
  const variances = toNumbers(variance)
  const factors = toNumbers(scale).map((value, i) => value / Math.sqrt(variances[i]! + attributes.epsilon))
  return b.constant(
    floatsOf(factors, I(1).dtype, [
      1,
      factors.length,
      ...I(0)
        .shape.slice(2)
        .map(() => 1),
    ]),
  )
}
