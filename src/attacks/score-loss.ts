/** Losses that score-based attacks compute from the scores they see; the adversary wants them high. */
import { z } from 'zod'
import { marginOf } from '../model/batch-model.js'

export type ScoreLossName = 'cross-entropy' | 'margin'

export const scoreLosses: { readonly [L in ScoreLossName]: (scores: Float32Array, label: number) => number } = {
  // log sum exp(z) - z_y, in float64
  'cross-entropy'(scores, label) {
    let largest = Number.NEGATIVE_INFINITY
    for (let i = 0; i < scores.length; i++) if (scores[i] > largest) largest = scores[i]
    let sum = 0
    for (let i = 0; i < scores.length; i++) sum += Math.exp(scores[i] - largest)
    return Math.log(sum) + largest - scores[label]
  },
  // max_{i != y} z_i - z_y
  margin: (scores, label) => -marginOf(scores, label),
}

export const scoreLoss = z.enum(['cross-entropy', 'margin']).describe('what the search raises')
