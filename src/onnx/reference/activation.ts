/** Activation functions by their definition. */
import type { OperatorName } from '../operators.js'
import { erf } from './elementwise.js'
import { elementwiseRule, mapElements } from './numbers.js'
import type { ReferenceContext, ReferenceRule, ReferenceRules } from './rule.js'

type Activation =
  | ('Relu' | 'LeakyRelu' | 'PRelu' | 'Elu' | 'Selu' | 'Sigmoid')
  | ('Tanh' | 'Softplus' | 'HardSigmoid' | 'HardSwish' | 'Gelu')
  | ('Celu' | 'Mish' | 'Softsign' | 'Shrink' | 'ThresholdedRelu')

export const activation: ReferenceRules<Activation> = {
  Relu: elementwiseRule(x => Math.max(x!, 0)),
  LeakyRelu: withAttributes(({ alpha }, x) => (x > 0 ? x : alpha * x)),
  PRelu: elementwiseRule((x, slope) => (x! > 0 ? x! : slope! * x!)),
  Elu: withAttributes(({ alpha }, x) => (x > 0 ? x : alpha * Math.expm1(x))),
  Selu: withAttributes(({ alpha, gamma }, x) => gamma * (x > 0 ? x : alpha * Math.expm1(x))),
  Sigmoid: elementwiseRule(x => 1 / (1 + Math.exp(-x!))),
  Tanh: elementwiseRule(x => Math.tanh(x!)),
  Softplus: elementwiseRule(x => softplus(x!)),
  HardSigmoid: withAttributes(({ alpha, beta }, x) => hardSigmoid(x, alpha, beta)),
  Celu: withAttributes(({ alpha }, x) => (x > 0 ? x : alpha * Math.expm1(x / alpha))),
  Mish: elementwiseRule(x => x! * Math.tanh(softplus(x!))),
  Softsign: elementwiseRule(x => x! / (1 + Math.abs(x!))),
  Shrink: withAttributes(({ bias, lambd }, x) => (x < -lambd ? x + bias : x > lambd ? x - bias : 0)),
  ThresholdedRelu: withAttributes(({ alpha }, x) => (x > alpha ? x : 0)),
  HardSwish: elementwiseRule(x => x! * hardSigmoid(x!, 1 / 6, 0.5)),
  Gelu: withAttributes(({ approximate }, x) => {
    const inner = Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)
    return 0.5 * x * (1 + (approximate === 'tanh' ? Math.tanh(inner) : erf(x / Math.SQRT2)))
  }),
}

function softplus(x: number): number {
  return Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)))
}

function hardSigmoid(x: number, alpha: number, beta: number): number {
  return Math.max(0, Math.min(1, alpha * x + beta))
}

/** A rule for each element of the only input that reads the node's attributes. */
function withAttributes<O extends OperatorName>(
  f: (attributes: ReferenceContext<O>['attributes'], x: number) => number,
): ReferenceRule<O> {
  return ({ input, attributes }) => [mapElements([input(0)], input(0).dtype, x => f(attributes, x!))]
}
