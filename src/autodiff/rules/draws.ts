/** Operators that draw at random: what they draw does not depend on the values of their inputs, so nothing flows back. */
import type { GradientRules } from '../rule.js'

type Draws = 'RandomNormal' | 'RandomNormalLike' | 'RandomUniform' | 'RandomUniformLike'

export const draws: GradientRules<Draws> = {
  RandomNormal: 'constant',
  RandomNormalLike: 'constant',
  RandomUniform: 'constant',
  RandomUniformLike: 'constant',
}
