/**
 * NES: projected ascent on a gradient estimated by natural evolution strategies. Ilyas, Engstrom, Athalye, Lin, "Black-box adversarial
 * attacks with limited queries and information" (ICML 2018), the query-limited setting.
 *
 * Differences from the reference implementation (limited-blackbox-attacks): step sizes are shares of epsilon (its 0.01 and 5e-5 at
 * epsilon 0.05), the points it asks about are clamped to the box.
 */
import { z } from 'zod'
import { regionOf } from '../threat/threat.js'
import { askScores, defineAttack } from './attack.js'
import { estimator } from './gradient-estimate.js'
import { boxOf } from './nearest.js'
import { scoreLoss, scoreLosses } from './score-loss.js'

export const nesOptions = z.strictObject({
  queries: z.int().min(1).max(10_000_000).default(10_000).describe('queries in all'),
  samples: z.int().min(2).max(100_000).multipleOf(2).default(50).describe('queries of each gradient estimate'),
  width: z.number().positive().default(0.001).describe('standard deviation of the directions (sigma)'),
  stepSize: z.number().positive().max(2).default(0.2).describe('first step size, as a share of epsilon'),
  leastStepSize: z.number().positive().max(2).default(0.001).describe('last step size, as a share of epsilon'),
  momentum: z.number().min(0).max(1).default(0.9).describe('weight of the earlier gradients'),
  patience: z.int().min(1).default(5).describe('steps without progress after which the step size halves'),
  loss: scoreLoss.default('cross-entropy'),
})

export const nes = defineAttack({
  name: 'nes',
  paper: 'Ilyas et al., Black-box adversarial attacks with limited queries and information, ICML 2018',
  access: 'scores',
  norms: ['Linf', 'L2'],
  kind: 'budget',
  options: nesOptions,
  losses: () => [],
  *search(sample, threat, options, random) {
    const region = regionOf(threat, sample.input)
    const stream = random(0)
    const loss = (scores: Float32Array) => scoreLosses[options.loss](scores, sample.label)
    const { estimate } = estimator(boxOf(sample, threat), {
      pairs: options.samples / 2,
      width: options.width,
      draw: () => stream.normal(),
      loss,
    })
    const point = sample.input.slice()
    const estimated = new Float32Array(point.length)
    const gradient = new Float32Array(point.length)
    let size = options.stepSize * threat.epsilon
    let recent: number[] = []
    for (let used = 0; used + options.samples + 1 <= options.queries; used += options.samples + 1) {
      yield* estimate(point, estimated)
      for (let i = 0; i < point.length; i++) {
        gradient[i] = options.momentum * gradient[i] + (1 - options.momentum) * estimated[i]
      }
      threat.norm.ascend({ point, previous: point, gradient, size, momentum: 1, features: undefined }, region, point)
      recent.push(loss((yield* askScores(point)).logits))
      recent = recent.slice(-options.patience)
      if (recent.length === options.patience && recent[recent.length - 1] < recent[0]) {
        size = Math.max(size / 2, options.leastStepSize * threat.epsilon)
        recent = []
      }
    }
    return point
  },
})
