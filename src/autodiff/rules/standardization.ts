/**
 * Gradients of normalizations by the statistics of the values themselves. With n = (x - mean) r, r = 1 / √(variance + ε)
 * over a group, and a the gradient to n: dx = r (a - mean(a) - n mean(a n)).
 */
import { RobustlyError } from '../../errors.js'
import type { GraphBuilder, Value } from '../../onnx/build.js'
import { positive } from '../../onnx/shapes.js'
import { sizeOf } from '../../tensor/tensor.js'
import type { GradientRules, RuleContext } from '../rule.js'

type Standardization =
  | ('LayerNormalization' | 'InstanceNormalization')
  | ('LpNormalization' | 'MeanVarianceNormalization' | 'LRN')

export const standardization: GradientRules<Standardization> = {
  // y = n scale + bias over the axes from `axis` on: a = G scale; G n; G
  LayerNormalization(context) {
    const { b, I, GO, G, needs, attributes } = context
    if (GO(1) !== undefined || GO(2) !== undefined) return context.through(() => layerNormalized(context))
    const axis = positive(attributes.axis, I(0).shape.length)
    const { n, r } = standardized(b, I(0), axis, attributes.epsilon)
    return [
      needs(0) ? toInput(b, b.mul(G(), I(1)), n, r, axis) : undefined,
      needs(1) ? b.mul(G(), n) : undefined,
      needs(2) ? G() : undefined,
    ]
  },

  // y = n scale + bias, with scale and bias per channel and statistics per sample and channel
  InstanceNormalization({ b, I, G, needs, attributes }) {
    const [x, g] = [I(0), G()]
    const [batch, channels, ...spatial] = x.shape as [number, number, ...number[]]
    const lined = [batch * channels, sizeOf(spatial)]
    const { n, r } = standardized(b, b.reshape(x, lined), 1, attributes.epsilon)
    const sumAxes = [0, ...spatial.map((_, i) => i + 2)]
    const a = () => b.reshape(b.mul(g, b.reshape(I(1), [channels, ...spatial.map(() => 1)])), lined)
    return [
      needs(0) ? b.reshape(toInput(b, a(), n, r, 1), x.shape) : undefined,
      needs(1) ? b.reduceSum(b.mul(g, b.reshape(n, x.shape)), sumAxes) : undefined,
      needs(2) ? b.reduceSum(g, sumAxes) : undefined,
    ]
  },

  // y = d / (√mean(d²) + 1e-9) with d = x - mean(x)
  MeanVarianceNormalization: ({ b, I, attributes, through }) =>
    through(() => {
      const axes = attributes.axes ?? [0, 2, 3]
      const d = b.sub(I(0), b.reduceMean(I(0), axes, true))
      const deviation = b.sqrt(b.reduceMean(b.mul(d, d), axes, true))
      return [b.div(d, b.add(deviation, b.scalar(1e-9, d.dtype)))]
    }),

  // y = x / ‖x‖; constant 0 where the norm is 0
  LpNormalization: ({ b, I, attributes: { axis, p }, through }) =>
    through(() => {
      const [x, zero] = [I(0), b.scalar(0, I(0).dtype)]
      const sum = b.reduceSum(p === 1 ? b.abs(x) : b.mul(x, x), [axis], true)
      const norm = p === 1 ? sum : b.sqrt(sum)
      const some = b.greater(norm, zero)
      return [b.where(some, b.div(x, b.where(some, norm, b.scalar(1, x.dtype))), zero)]
    }),

  // y = x (bias + α mean(x²))^-β, the mean over the `size` channels around each, with zeros beyond the first and last
  LRN: ({ node, b, I, attributes: { alpha, beta, bias, size }, through }) =>
    through(() => {
      const x = I(0)
      const [batch, channels, ...spatial] = x.shape as [number, number, ...number[]]
      if (size === undefined || size < 1 || size > 2 * channels + 1) {
        throw new RobustlyError(
          'model-unsupported',
          `node "${node.name}" (LRN): size ${size} with ${channels} channels, expected 1 to ${2 * channels + 1}`,
          { hint: 'A larger neighbourhood than all channels is written as a reduction over them.' },
        )
      }
      const lined = b.reshape(b.mul(x, x), [batch, 1, channels, sizeOf(spatial)])
      const pads = [Math.floor((size - 1) / 2), 0, Math.ceil((size - 1) / 2), 0]
      const mean = b.reshape(b.averagePool(lined, [size, 1], { pads, countIncludePad: true }), x.shape)
      const base = b.add(b.mul(mean, b.scalar(alpha, x.dtype)), b.scalar(bias, x.dtype))
      return [b.mul(x, b.pow(base, b.scalar(-beta, x.dtype)))]
    }),
}

/** n and r over the axes from `axis` on, by one fused node. */
function standardized(b: GraphBuilder, x: Value, axis: number, epsilon: number): { n: Value; r: Value } {
  const rest = { dtype: x.dtype, shape: x.shape.map((dim, i) => (i < axis ? dim : 1)) }
  const scale = b.full(x.shape.slice(axis), 1, x.dtype)
  const [n, , r] = b.emit('LayerNormalization', [x, scale], { axis, epsilon }, [x, rest, rest]) as [Value, Value, Value]
  return { n, r }
}

/** r (a - mean(a) - n mean(a n)) */
function toInput(b: GraphBuilder, a: Value, n: Value, r: Value, axis: number): Value {
  const axes = n.shape.flatMap((_, i) => (i < axis ? [] : [i]))
  const mean = (value: Value) => b.reduceMean(value, axes, true)
  const off = b.add(b.mul(n, mean(b.mul(a, n))), mean(a))
  return b.mul(r, b.sub(a, off))
}

/** Y, Mean and InvStdDev with simple operators, for gradients to the last two. */
function layerNormalized({ b, I, has, attributes }: RuleContext<'LayerNormalization'>): Value[] {
  const x = I(0)
  const axis = positive(attributes.axis, x.shape.length)
  const axes = x.shape.flatMap((_, i) => (i < axis ? [] : [i]))
  const mean = b.reduceMean(x, axes, true)
  const d = b.sub(x, mean)
  const variance = b.reduceMean(b.mul(d, d), axes, true)
  const r = b.reciprocal(b.sqrt(b.add(variance, b.scalar(attributes.epsilon, x.dtype))))
  const scaled = b.mul(b.mul(d, r), I(1))
  return [has(2) ? b.add(scaled, I(2)) : scaled, mean, r]
}
