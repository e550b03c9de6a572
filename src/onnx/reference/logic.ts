/** Comparisons and logic by their definition. */
import { elementwiseRule } from './numbers.js'
import type { ReferenceRules } from './rule.js'

type Logic = 'Equal' | 'Greater' | 'GreaterOrEqual' | 'Less' | 'LessOrEqual' | 'And' | 'Or' | 'Not'

export const logic: ReferenceRules<Logic> = {
  Equal: elementwiseRule((a, b) => Number(a! === b!), 'bool'),
  Greater: elementwiseRule((a, b) => Number(a! > b!), 'bool'),
  GreaterOrEqual: elementwiseRule((a, b) => Number(a! >= b!), 'bool'),
  Less: elementwiseRule((a, b) => Number(a! < b!), 'bool'),
  LessOrEqual: elementwiseRule((a, b) => Number(a! <= b!), 'bool'),
  And: elementwiseRule((a, b) => Number(a! !== 0 && b! !== 0), 'bool'),
  Or: elementwiseRule((a, b) => Number(a! !== 0 || b! !== 0), 'bool'),
  Not: elementwiseRule(a => Number(a! === 0), 'bool'),
}
