/**
 * SignHunter: finds the signs of the gradient by flipping ever smaller blocks of them, each flip kept when the loss does not fall.
 * Al-Dujaili and O'Reilly, "Sign bits are all you need for black-box attacks" (ICLR 2020).
 *
 * Differences from the reference implementation: it asks about the point that the signs lead to, once per flip, where the reference asks about the
 * origin as well; when all blocks were tried the next round starts from the best point, projected, as the paper's algorithm has it.
 */
import { z } from 'zod'
import { regionOf } from '../threat/threat.js'
import { askScores, defineAttack } from './attack.js'
import { scoreLoss, scoreLosses } from './score-loss.js'

export const signHunterOptions = z.strictObject({
  queries: z.int().min(1).max(10_000_000).default(10_000).describe('queries in all'),
  loss: scoreLoss.default('cross-entropy'),
})

export const signHunter = defineAttack({
  name: 'sign-hunter',
  paper: "Al-Dujaili and O'Reilly, Sign bits are all you need for black-box attacks, ICLR 2020",
  access: 'scores',
  norms: ['Linf', 'L2'],
  kind: 'budget',
  options: signHunterOptions,
  losses: () => [],
  *search(sample, threat, { queries, loss: lossName }) {
    const { norm, epsilon } = threat
    const region = regionOf(threat, sample.input)
    const features = sample.input.length
    const loss = (scores: Float32Array) => scoreLosses[lossName](scores, sample.label)
    const origin = sample.input.slice()
    const signs = new Float32Array(features).fill(1)
    const point = new Float32Array(features)
    const best = new Float32Array(features)

    const place = () => {
      norm.step(origin, signs, epsilon, point)
      norm.project(point, region)
    }
    const flip = (start: number, end: number) => {
      for (let i = start; i < end; i++) signs[i] = -signs[i]
    }

    let used = 0
    while (used < queries) {
      signs.fill(1)
      place()
      used++
      let highest = loss((yield* askScores(point)).logits)
      best.set(point)
      for (let size = features; size >= 1 && used < queries; size = size > 1 ? Math.ceil(size / 2) : 0) {
        for (let start = 0; start < features && used < queries; start += size) {
          const end = Math.min(features, start + size)
          flip(start, end)
          place()
          used++
          const value = loss((yield* askScores(point)).logits)
          if (value >= highest) {
            highest = value
            best.set(point)
          } else flip(start, end)
        }
      }
      origin.set(best)
    }
    return best
  },
})
