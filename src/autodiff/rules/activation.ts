/**
 * Gradient rules of activation functions. Where the output tells the slope, the rule uses it: no exponential is taken
 * twice and nothing overflows for large inputs. At a kink the slope is one of the two sides.
 */
import type { GradientRules, RuleContext } from '../rule.js'
import { above, below } from './steps.js'

type Activation =
  | ('Relu' | 'LeakyRelu' | 'PRelu' | 'Elu' | 'Selu' | 'Sigmoid')
  | ('Tanh' | 'Softplus' | 'HardSigmoid' | 'HardSwish' | 'Gelu')
  | ('Celu' | 'Mish' | 'Softsign' | 'Shrink' | 'ThresholdedRelu')

export const activation: GradientRules<Activation> = {
  // y = max(x, 0): G where y > 0
  Relu: ({ b, O, G }) => [b.mul(G(), above(b, O(), 0))],

  // y = x for x > 0, αx otherwise: G (α + (1 - α) [x > 0])
  LeakyRelu({ b, I, G, attributes }) {
    const number = (value: number) => b.scalar(value, I(0).dtype)
    const rise = b.mul(above(b, I(0), 0), number(1 - attributes.alpha))
    return [b.mul(G(), b.add(rise, number(attributes.alpha)))]
  },

  // y = x for x > 0, slope · x otherwise: G or slope · G; G min(x, 0)
  PRelu({ b, I, G }) {
    const zero = b.scalar(0, I(0).dtype)
    const toInput = b.where(b.greater(I(0), zero), G(), b.mul(G(), I(1)))
    return [toInput, b.mul(G(), b.min(I(0), zero))]
  },

  // y = x for x > 0, α(e^x - 1) otherwise: G or G (y + α)
  Elu({ b, I, O, G, attributes }) {
    const { dtype } = I(0)
    const negative = b.add(O(), b.scalar(attributes.alpha, dtype))
    const slope = b.where(b.greater(I(0), b.scalar(0, dtype)), b.scalar(1, dtype), negative)
    return [b.mul(G(), slope)]
  },

  // y = γx for x > 0, γα(e^x - 1) otherwise: γG or G (y + γα)
  Selu({ b, I, O, G, attributes: { alpha, gamma } }) {
    const { dtype } = I(0)
    const negative = b.add(O(), b.scalar(gamma * alpha, dtype))
    const slope = b.where(b.greater(I(0), b.scalar(0, dtype)), b.scalar(gamma, dtype), negative)
    return [b.mul(G(), slope)]
  },

  // y = x for x > 0, α(e^(x/α) - 1) otherwise: G or G (y/α + 1)
  Celu({ b, I, O, G, attributes: { alpha } }) {
    const { dtype } = I(0)
    const one = b.scalar(1, dtype)
    const negative = b.add(b.mul(O(), b.scalar(1 / alpha, dtype)), one)
    return [b.mul(G(), b.where(b.greater(I(0), b.scalar(0, dtype)), one, negative))]
  },

  // y = x t with t = tanh(ln(1 + e^x)): G (t + x (1 - t²) sigmoid(x))
  Mish({ b, I, G }) {
    const x = I(0)
    const t = b.tanh(b.softplus(x))
    const curve = b.mul(b.sub(b.scalar(1, x.dtype), b.mul(t, t)), b.mul(x, b.sigmoid(x)))
    return [b.mul(G(), b.add(t, curve))]
  },

  // y = x / (1 + |x|): G / (1 + |x|)²
  Softsign({ b, I, G }) {
    const below = b.add(b.abs(I(0)), b.scalar(1, I(0).dtype))
    return [b.div(b.div(G(), below), below)]
  },

  // y = x + bias for x < -λ, x - bias for x > λ, 0 between: G outside
  Shrink({ b, I, G, attributes: { lambd } }) {
    const { dtype } = I(0)
    const outside = b.greater(b.abs(I(0)), b.scalar(lambd, dtype))
    return [b.where(outside, G(), b.scalar(0, dtype))]
  },

  // y = x for x > α, 0 otherwise: G or 0
  ThresholdedRelu({ b, I, G, attributes: { alpha } }) {
    const { dtype } = I(0)
    return [b.where(b.greater(I(0), b.scalar(alpha, dtype)), G(), b.scalar(0, dtype))]
  },

  // y = 1 / (1 + e^-x): G y (1 - y)
  Sigmoid: ({ b, O, G }) => [b.mul(b.mul(G(), O()), b.sub(b.scalar(1, O().dtype), O()))],

  // y = tanh x: G (1 - y²)
  Tanh: ({ b, O, G }) => [b.mul(G(), b.sub(b.scalar(1, O().dtype), b.mul(O(), O())))],

  // y = ln(1 + e^x): G sigmoid(x)
  Softplus: ({ b, I, G }) => [b.mul(G(), b.sigmoid(I(0)))],

  // y = max(0, min(1, αx + β)): αG where 0 < y < 1
  HardSigmoid({ b, O, G, attributes }) {
    const inside = b.mul(above(b, O(), 0), below(b, O(), 1))
    return [b.mul(b.mul(G(), inside), b.scalar(attributes.alpha, O().dtype))]
  },

  // y = x max(0, min(1, x/6 + 1/2)): 0 for x ≤ -3, G for x ≥ 3, G (x/3 + 1/2) between.
  // In numbers, max(-1/2, min(3/2, x/3 + 1/2)) - [x > -3] / 2 + [x < 3] / 2.
  HardSwish({ b, I, G }) {
    const x = I(0)
    const number = (value: number) => b.scalar(value, x.dtype)
    const line = b.add(b.mul(x, number(1 / 3)), number(0.5))
    const cut = b.emit('Clip', [line, number(-0.5), number(1.5)], {}, [x])[0]!
    const left = b.add(b.mul(above(b, x, -3), number(-0.5)), cut)
    return [b.mul(G(), b.add(b.mul(below(b, x, 3), number(0.5)), left))]
  },

  Gelu: context => [context.attributes.approximate === 'tanh' ? tanhGelu(context) : exactGelu(context)],
}

/** y = x Φ(x): G (Φ(x) + x φ(x)) = G (1/2 + (erf u + (2/√π) u e^(-u²)) / 2) with u = x/√2. */
function exactGelu({ b, I, G }: RuleContext<'Gelu'>) {
  const number = (value: number) => b.scalar(value, I(0).dtype)
  const u = b.mul(I(0), number(Math.SQRT1_2))
  const bell = b.mul(b.mul(u, b.exp(b.neg(b.mul(u, u)))), number(2 / Math.sqrt(Math.PI)))
  return b.mul(G(), b.add(b.mul(b.add(b.erf(u), bell), number(0.5)), number(0.5)))
}

/**
 * y = x (1 + t)/2 with t = tanh(c (x + kx³)), c = √(2/π), k = 0.044715: G ((1 + t)/2 + x (1 - t²) c (1 + 3kx²)/2).
 * Outside [-10, 10] the slope is 0 or 1 to the last bit, so x is cut there and its powers cannot overflow.
 */
function tanhGelu({ b, I, G }: RuleContext<'Gelu'>) {
  const number = (value: number) => b.scalar(value, I(0).dtype)
  const [c, k] = [Math.sqrt(2 / Math.PI), 0.044715]
  const x = b.emit('Clip', [I(0), number(-10), number(10)], {}, [I(0)])[0]!
  const square = b.mul(x, x)
  const t = b.tanh(b.mul(x, b.add(b.mul(square, number(c * k)), number(c))))
  const inner = b.mul(x, b.add(b.mul(square, number(1.5 * c * k)), number(c / 2)))
  const curve = b.mul(b.sub(number(1), b.mul(t, t)), inner)
  return b.mul(G(), b.add(b.add(b.mul(t, number(0.5)), number(0.5)), curve))
}
