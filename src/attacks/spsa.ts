/**
 * SPSA: Adam on a gradient estimated along random signs. Uesato, O'Donoghue, van den Oord, Kohli, "Adversarial risk and the
 * dangers of evaluating against weak attacks" (ICML 2018).
 *
 * Differences from the reference implementation (cleverhans): one more query per step for the point itself, the points asked about
 * are clamped to the box, and L2 next to Linf.
 */
import { z } from 'zod'
import { regionOf } from '../threat/threat.js'
import { askScores, defineAttack } from './attack.js'
import { estimator } from './gradient-estimate.js'
import { boxOf } from './nearest.js'
import { adam } from './optimize.js'
import { scoreLoss, scoreLosses } from './score-loss.js'

export const spsaOptions = z.strictObject({
  steps: z.int().min(1).max(100_000).default(100).describe('steps of Adam'),
  samples: z.int().min(1).max(100_000).default(128).describe('random directions of each step, two queries each'),
  width: z.number().positive().default(0.01).describe('length of the differences per feature (delta)'),
  stepSize: z.number().positive().default(0.01).describe('learning rate of Adam, in the units of the features'),
  loss: scoreLoss.default('margin'),
})

export const spsa = defineAttack({
  name: 'spsa',
  paper: 'Uesato et al., Adversarial risk and the dangers of evaluating against weak attacks, ICML 2018',
  access: 'scores',
  norms: ['Linf', 'L2'],
  kind: 'budget',
  options: spsaOptions,
  losses: () => [],
  *search(sample, threat, options, random) {
    const region = regionOf(threat, sample.input)
    const stream = random(0)
    const { estimate } = estimator(boxOf(sample, threat), {
      pairs: options.samples,
      width: options.width,
      draw: () => (stream.uint32() & 1 ? 1 : -1),
      loss: scores => -scoreLosses[options.loss](scores, sample.label),
    })
    const point = sample.input.slice()
    const values = Float64Array.from(point)
    const gradient = new Float64Array(point.length)
    const { descend } = adam(point.length)
    for (let step = 0; step < options.steps; step++) {
      yield* estimate(point, gradient)
      descend(values, gradient, options.stepSize)
      point.set(values)
      threat.norm.project(point, region)
      values.set(point)
      yield* askScores(point)
    }
    return point
  },
})
