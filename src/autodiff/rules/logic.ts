/** Comparisons and logic: their outputs are steps, nothing flows back through them. */
import type { Logic } from '../../onnx/operators.js'
import type { GradientRules } from '../rule.js'

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
