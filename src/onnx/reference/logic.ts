/** Comparisons and logic by their definition. */
import type { Logic } from '../operators.js'
import { elementwiseRule, mapElements } from './numbers.js'
import type { ReferenceRules } from './rule.js'

export const logic: ReferenceRules<Logic> = {
  Equal: elementwiseRule((a, b) => Number(a! === b!), 'bool'),
  Greater: elementwiseRule((a, b) => Number(a! > b!), 'bool'),
  GreaterOrEqual: elementwiseRule((a, b) => Number(a! >= b!), 'bool'),
  Less: elementwiseRule((a, b) => Number(a! < b!), 'bool'),
  LessOrEqual: elementwiseRule((a, b) => Number(a! <= b!), 'bool'),
  And: elementwiseRule((a, b) => Number(a! !== 0 && b! !== 0), 'bool'),
  Or: elementwiseRule((a, b) => Number(a! !== 0 || b! !== 0), 'bool'),
  Xor: elementwiseRule((a, b) => Number((a! !== 0) !== (b! !== 0)), 'bool'),
  IsNaN: elementwiseRule(a => Number(Number.isNaN(a!)), 'bool'),
  IsInf({ input, attributes: { detect_negative, detect_positive } }) {
    const found = (a: number) => (a === Infinity && detect_positive === 1) || (a === -Infinity && detect_negative === 1)
    return [mapElements([input(0)], 'bool', a => Number(found(a!)))]
  },
  Not: elementwiseRule(a => Number(a! === 0), 'bool'),
}
