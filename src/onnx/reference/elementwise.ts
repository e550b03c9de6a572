/** Element-wise arithmetic by its definition. */
import { elementwiseRule, mapElements } from './numbers.js'
import type { ReferenceRules } from './rule.js'

type Elementwise =
  | ('Add' | 'Sub' | 'Mul' | 'Div' | 'Neg' | 'Abs' | 'Pow' | 'Sqrt' | 'Exp')
  | ('Log' | 'Erf' | 'Min' | 'Max' | 'Sum' | 'Mean' | 'Clip' | 'Sign')
  | ('Sin' | 'Cos' | 'Tan' | 'Asin' | 'Acos' | 'Atan' | 'Sinh' | 'Cosh' | 'Asinh' | 'Acosh' | 'Atanh')
  | ('Reciprocal' | 'Mod' | 'Round' | 'Floor' | 'Ceil')

const sum = (...values: number[]) => values.reduce((total, value) => total + value, 0)

export const elementwise: ReferenceRules<Elementwise> = {
  Add: elementwiseRule((a, b) => a! + b!),
  Sub: elementwiseRule((a, b) => a! - b!),
  Mul: elementwiseRule((a, b) => a! * b!),
  Div: elementwiseRule((a, b) => a! / b!),
  Neg: elementwiseRule(x => -x!),
  Abs: elementwiseRule(x => Math.abs(x!)),
  Pow: elementwiseRule((x, p) => x! ** p!),
  Sqrt: elementwiseRule(x => Math.sqrt(x!)),
  Exp: elementwiseRule(x => Math.exp(x!)),
  Log: elementwiseRule(x => Math.log(x!)),
  Erf: elementwiseRule(x => erf(x!)),
  Min: elementwiseRule((...values) => Math.min(...values)),
  Max: elementwiseRule((...values) => Math.max(...values)),
  Sum: elementwiseRule(sum),
  Mean: elementwiseRule((...values) => sum(...values) / values.length),
  Sign: elementwiseRule(x => Math.sign(x!)),
  Sin: elementwiseRule(x => Math.sin(x!)),
  Cos: elementwiseRule(x => Math.cos(x!)),
  Tan: elementwiseRule(x => Math.tan(x!)),
  Asin: elementwiseRule(x => Math.asin(x!)),
  Acos: elementwiseRule(x => Math.acos(x!)),
  Atan: elementwiseRule(x => Math.atan(x!)),
  Sinh: elementwiseRule(x => Math.sinh(x!)),
  Cosh: elementwiseRule(x => Math.cosh(x!)),
  Asinh: elementwiseRule(x => Math.asinh(x!)),
  Acosh: elementwiseRule(x => Math.acosh(x!)),
  Atanh: elementwiseRule(x => Math.atanh(x!)),
  Reciprocal: elementwiseRule(x => 1 / x!),
  Round: elementwiseRule(x => roundHalfToEven(x!)),
  Floor: elementwiseRule(x => Math.floor(x!)),
  Ceil: elementwiseRule(x => Math.ceil(x!)),

  // the remainder with the sign of the dividend (fmod) or of the divisor
  Mod({ input, attributes: { fmod } }) {
    const remainder = (a: number, b: number) => (fmod === 1 ? a % b : ((a % b) + b) % b)
    return [mapElements([input(0), input(1)], input(0).dtype, (a, b) => remainder(a!, b!))]
  },

  Clip({ input, inputs }) {
    let y = input(0)
    if (inputs[1] !== undefined) y = mapElements([y, inputs[1]], y.dtype, (x, low) => Math.max(x!, low!))
    if (inputs[2] !== undefined) y = mapElements([y, inputs[2]], y.dtype, (x, high) => Math.min(x!, high!))
    return [y]
  },
}

/** Halves go to the even neighbour. */
export function roundHalfToEven(x: number): number {
  const down = Math.floor(x)
  if (x - down !== 0.5) return Math.round(x)
  return down % 2 === 0 ? down : down + 1
}

/** erf x = (2/√π) e^(-x²) Σ 2ⁿ x^(2n+1) / (1·3·…·(2n+1)): all terms have one sign, so nothing cancels. */
export function erf(x: number): number {
  if (Number.isNaN(x) || Math.abs(x) > 6) return Math.sign(x)
  let [term, total] = [x, x]
  for (let n = 1; Math.abs(term) > Math.abs(total) * 1e-17; n++) {
    term *= (2 * x * x) / (2 * n + 1)
    total += term
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * total
}
