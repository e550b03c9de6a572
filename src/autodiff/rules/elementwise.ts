/**
 * Gradient rules of element-wise arithmetic. G is the gradient to the output y; broadcast inputs get a gradient of the
 * output's shape, which the walk sums back.
 */
import type { Value } from '../../onnx/build.js'
import { sizeOf, toNumbers } from '../../tensor/tensor.js'
import type { GradientRules, RuleContext } from '../rule.js'
import { above, below } from './steps.js'

type Elementwise =
  | ('Add' | 'Sub' | 'Mul' | 'Div' | 'Neg' | 'Abs' | 'Pow' | 'Sqrt' | 'Exp')
  | ('Log' | 'Erf' | 'Min' | 'Max' | 'Sum' | 'Mean' | 'Clip' | 'Sign')
  | ('Reciprocal' | 'Mod' | 'Round' | 'Floor' | 'Ceil')

export const elementwise: GradientRules<Elementwise> = {
  // y = a + b: G, G
  Add: ({ G }) => [G(), G()],

  // y = a - b: G, -G
  Sub: ({ b, G }) => [G(), b.neg(G())],

  // y = a b: G b, G a
  Mul: ({ b, I, G }) => [b.mul(G(), I(1)), b.mul(G(), I(0))],

  // y = a / b: G / b, -(G / b) y
  Div({ b, I, O, G }) {
    const quotient = b.div(G(), I(1))
    return [quotient, b.neg(b.mul(quotient, O()))]
  },

  // y = -x: -G
  Neg: ({ b, G }) => [b.neg(G())],

  // y = |x|: G sign(x), 0 at 0
  Abs: ({ b, I, G }) => [b.mul(G(), b.sign(I(0)))],

  // y = x^p: G p x^(p-1), G y ln x
  Pow: context => [gradientToBase(context), gradientToExponent(context)],

  // y = √x: G / (2 y). The slope at 0 is infinite; 0 is given there, so that √(x²) keeps the subgradient 0 at 0.
  Sqrt({ b, I, O, G }) {
    const slope = b.div(b.scalar(0.5, I(0).dtype), O())
    return [b.where(b.greater(O(), b.scalar(0, I(0).dtype)), b.mul(G(), slope), b.scalar(0, I(0).dtype))]
  },

  // y = e^x: G y
  Exp: ({ b, O, G }) => [b.mul(G(), O())],

  // y = ln x: G / x
  Log: ({ b, I, G }) => [b.div(G(), I(0))],

  // y = erf x: G (2/√π) e^(-x²)
  Erf({ b, I, G }) {
    const bell = b.exp(b.neg(b.mul(I(0), I(0))))
    return [b.mul(G(), b.mul(bell, b.scalar(2 / Math.sqrt(Math.PI), I(0).dtype)))]
  },

  Min: gradientToFirstEqual,
  Max: gradientToFirstEqual,

  // y = Σ xᵢ: G each
  Sum: ({ node, G }) => node.inputs.map(() => G()),

  // y = Σ xᵢ / n: G / n each
  Mean({ node, b, I, G }) {
    const share = b.mul(G(), b.scalar(1 / node.inputs.length, I(0).dtype))
    return node.inputs.map(() => share)
  },

  // y = min(max(x, low), high): G goes to x where y = x (so at the bounds too), to the bound that is active elsewhere
  Clip(context) {
    const { b, I, O, G, has, needs } = context
    const x = I(0)
    const zero = b.scalar(0, x.dtype)
    const toLow = () => {
      const isLess = b.less(x, I(1))
      return b.where(has(2) ? b.and(isLess, b.lessOrEqual(I(1), I(2))) : isLess, G(), zero)
    }
    const toHigh = () => b.where(b.greater(has(1) ? b.max(x, I(1)) : x, I(2)), G(), zero)
    const toInput = clipSteps(context)?.reduce((slope, step) => b.sub(slope, step), b.scalar(1, x.dtype))
    const inside = () => b.where(b.equal(x, O()), G(), zero)
    return [
      toInput === undefined ? inside() : b.mul(G(), toInput),
      needs(1) ? toLow() : undefined,
      needs(2) ? toHigh() : undefined,
    ]
  },

  // y = 1 / x: -G y²
  Reciprocal: ({ b, O, G }) => [b.neg(b.mul(G(), b.mul(O(), O())))],

  // y = a - n c with a whole number n = (a - y) / c, constant between its jumps: G, -G n
  Mod({ b, I, O, G, needs }) {
    const times = () => b.round(b.div(b.sub(I(0), O()), I(1)))
    return [G(), needs(1) ? b.neg(b.mul(G(), times())) : undefined]
  },

  Sign: 'refused',
  Round: 'refused',
  Floor: 'refused',
  Ceil: 'refused',
}

/** Where constant bounds are passed, downwards and upwards; undefined when a bound is computed or they leave nothing between. */
function clipSteps({ b, I, has, constant }: RuleContext<'Clip'>): Value[] | undefined {
  const bound = (i: number, none: number) => {
    const known = constant(i)
    return !has(i) ? none : known === undefined ? Number.NaN : toNumbers(known)[0]!
  }
  const [low, high] = [bound(1, Number.NEGATIVE_INFINITY), bound(2, Number.POSITIVE_INFINITY)]
  if (!(low <= high)) return undefined
  return [
    ...(Number.isFinite(low) ? [below(b, I(0), low)] : []),
    ...(Number.isFinite(high) ? [above(b, I(0), high)] : []),
  ]
}

/** y = max(x₁, x₂, …), likewise min: G goes to the first input that equals y. */
function gradientToFirstEqual({ node, b, I, O, G }: RuleContext<'Min' | 'Max'>): Value[] {
  const zero = b.scalar(0, O().dtype)
  let rest = G()
  return node.inputs.map((_, i) => {
    if (i === node.inputs.length - 1) return rest
    const chosen = b.equal(I(i), O())
    const gradient = b.where(chosen, rest, zero)
    rest = b.where(chosen, zero, rest)
    return gradient
  })
}

/**
 * G p x^(p-1). At x = 0 this is 0 for p = 0 (the power alone would give 0·∞) and, as for Sqrt, for 0 < p < 1 where the
 * slope is infinite.
 */
function gradientToBase({ b, I, G, constant, needs }: RuleContext<'Pow'>): Value | undefined {
  if (!needs(0)) return undefined
  const [x, zero, one] = [I(0), b.scalar(0, I(0).dtype), b.scalar(1, I(0).dtype)]
  const known = constant(1)
  const exponents = known === undefined ? undefined : toNumbers(known)
  const only = exponents !== undefined && sizeOf(I(1).shape) === 1 ? exponents[0] : undefined
  if (only === 1) return G()
  if (only === 2) return b.mul(b.mul(G(), x), b.scalar(2, x.dtype))
  const p = only === undefined ? b.cast(I(1), x.dtype) : b.scalar(only, x.dtype)
  const power = b.pow(x, only === undefined ? b.sub(p, one) : b.scalar(only - 1, x.dtype))
  const gradient = b.mul(b.mul(G(), p), power)
  if (exponents?.every(exponent => exponent < 0 || exponent >= 1)) return gradient
  const steep = b.and(b.greaterOrEqual(p, zero), b.less(p, one))
  return b.where(b.and(b.equal(x, zero), steep), zero, gradient)
}

/** G y ln x, taken as 0 for x ≤ 0 where the power is constant or not defined around p. */
function gradientToExponent({ b, I, O, G, needs }: RuleContext<'Pow'>): Value | undefined {
  const [x, p] = [I(0), I(1)]
  if (!needs(1) || p.dtype !== x.dtype) return undefined
  const zero = b.scalar(0, x.dtype)
  return b.where(b.greater(x, zero), b.mul(b.mul(G(), O()), b.log(x)), zero)
}
