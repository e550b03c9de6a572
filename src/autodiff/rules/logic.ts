/** Comparisons and logic: their outputs are steps, nothing flows back through them. */
import type { GradientRules } from '../rule.js'

type Logic = 'Equal' | 'Greater' | 'GreaterOrEqual' | 'Less' | 'LessOrEqual' | 'And' | 'Or' | 'Not'

export const logic: GradientRules<Logic> = {
  Equal: 'constant',
  Greater: 'constant',
  GreaterOrEqual: 'constant',
  Less: 'constant',
  LessOrEqual: 'constant',
  And: 'constant',
  Or: 'constant',
  Not: 'constant',
}
