/**
 * Gradient rules of trigonometric and hyperbolic functions and their inverses. Where a slope is infinite at the end of
 * the domain, 0 is given, as for Sqrt.
 */
import type { Value } from '../../onnx/build.js'
import type { GradientRules, RuleContext } from '../rule.js'

type Transcendental =
  | ('Sin' | 'Cos' | 'Tan' | 'Asin' | 'Acos' | 'Atan')
  | ('Sinh' | 'Cosh' | 'Asinh' | 'Acosh' | 'Atanh')

export const transcendental: GradientRules<Transcendental> = {
  // y = sin x: G cos x
  Sin: ({ b, I, G }) => [b.mul(G(), b.cos(I(0)))],

  // y = cos x: -G sin x
  Cos: ({ b, I, G }) => [b.neg(b.mul(G(), b.sin(I(0))))],

  // y = tan x: G (1 + y²)
  Tan: ({ b, O, G }) => [b.mul(G(), b.add(b.mul(O(), O()), b.scalar(1, O().dtype)))],

  // y = asin x: G / √(1 - x²)
  Asin: context => [overRoot(context, oneMinusSquare(context))],

  // y = acos x: -G / √(1 - x²)
  Acos: context => [context.b.neg(overRoot(context, oneMinusSquare(context)))],

  // y = atan x: G / (1 + x²)
  Atan: ({ b, I, G }) => [b.div(G(), b.add(b.mul(I(0), I(0)), b.scalar(1, I(0).dtype)))],

  // y = sinh x: G cosh x
  Sinh: ({ b, I, G }) => [b.mul(G(), b.cosh(I(0)))],

  // y = cosh x: G sinh x
  Cosh: ({ b, I, G }) => [b.mul(G(), b.sinh(I(0)))],

  // y = asinh x: G / √(x² + 1)
  Asinh: ({ b, I, G }) => [b.div(G(), b.sqrt(b.add(b.mul(I(0), I(0)), b.scalar(1, I(0).dtype))))],

  // y = acosh x: G / √(x² - 1)
  Acosh: context => [overRoot(context, context.b.neg(oneMinusSquare(context)))],

  // y = atanh x: G / (1 - x²)
  Atanh(context) {
    const square = oneMinusSquare(context)
    return [wherePositive(context, square, context.b.div(context.G(), square))]
  },
}

function oneMinusSquare({ b, I }: RuleContext<Transcendental>): Value {
  return b.sub(b.scalar(1, I(0).dtype), b.mul(I(0), I(0)))
}

/** G / √r, 0 where r is not positive. */
function overRoot(context: RuleContext<Transcendental>, r: Value): Value {
  return wherePositive(context, r, context.b.div(context.G(), context.b.sqrt(r)))
}

function wherePositive({ b }: RuleContext<Transcendental>, r: Value, gradient: Value): Value {
  const zero = b.scalar(0, r.dtype)
  return b.where(b.greater(r, zero), gradient, zero)
}
