/** docs/operators.md, from the tables over operators. */
import { gradientRules } from '../../src/autodiff/rules/index.js'
import { rulesWith } from '../../src/autodiff/surrogates.js'
import { canonicalOpset, type OperatorName, operators } from '../../src/onnx/operators.js'
import { oldestOpset } from '../../src/onnx/passes/canonical.js'
import { newerOperators } from '../../src/onnx/passes/newer.js'
import { quantisedRules } from '../../src/onnx/passes/quantised-rules.js'
import { code, heading, table } from './markdown.js'

export function operatorDocument(): string {
  const names = Object.keys(operators).sort() as OperatorName[]
  const newer = [...newerOperators].map(([name, { since }]) => [code(name), `opset ${since}`])
  const quantised = Object.keys(quantisedRules).sort()
  return `${[
    heading('Operators'),
    `Opsets ${oldestOpset} to 26 are read; loaded graphs are brought to opset ${canonicalOpset}, in whose terms this list is. \`robustly inspect model.onnx\` says of a model which
operators it has and whether gradients get through.

- **yes**: has a gradient rule, tested against central differences.
- **surrogate**: its gradient is zero almost everywhere; another stands in, which the result names; \`--surrogate-gradients off\` refuses.
- **constant**: nothing flows back by nature (shapes, comparisons), and nothing needs to.
- **refused**: a gradient would be zero or undefined, and silently wrong; only attacks by scores or labels are possible through it.`,
    table(
      ['operator', 'gradient'],
      names.map(name => [code(name), state(name)]),
    ),
    `## Written with other operators

Newer ones than opset ${canonicalOpset}, or ones whose shapes engines do not see through:`,
    table(['operator', 'since'], newer),
    `Quantised operators (${quantised.length}) become the floating-point arithmetic that they stand for: ${quantised.map(code).join(', ')}.

\`If\`, \`Loop\` and \`Scan\` that are decided before the model runs are unrolled. Linear models and scalers of \`ai.onnx.ml\` are written out; tree
ensembles and support vector machines are attacked by scores or labels.`,
  ].join('\n\n')}\n`
}

function state(name: OperatorName): string {
  const plain = gradientRules[name]
  const replaced = rulesWith('on')[name]
  if (plain !== replaced) return name === 'Cast' ? 'yes; to and from whole numbers: surrogate' : 'surrogate'
  return typeof plain === 'function' ? 'yes' : plain
}
