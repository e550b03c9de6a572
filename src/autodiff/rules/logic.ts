/** Comparisons and logic: their outputs are steps, nothing flows back through them. */
import type { GradientRules } from '../rule.js'

type Logic =
  | 'Equal'
  | 'Greater'
  | 'GreaterOrEqual'
  | 'Less'
  | 'LessOrEqual'
  | 'And'
  | 'Or'
  | 'Xor'
  | 'Not'
  | 'IsNaN'
  | 'IsInf'

export const logic: GradientRules<Logic> = {
  Equal: 'constant',
  Greater: 'constant',
  GreaterOrEqual: 'constant',
  Less: 'constant',
  LessOrEqual: 'constant',
  And: 'constant',
  Or: 'constant',
  Xor: 'constant',
  IsNaN: 'constant',
  IsInf: 'constant',
  Not: 'constant',
}
