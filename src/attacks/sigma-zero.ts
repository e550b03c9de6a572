/**
 * Sigma-zero: Adam on the margin plus a smooth count of the changed features, with a threshold that drops the smallest changes and
 * follows success and failure. Cinà, Villani, Pintor, Schönherr, Biggio, Pelillo, "sigma-zero: gradient-based optimization of
 * l0-norm adversarial examples" (ICLR 2025).
 *
 * Differences from the reference implementation (adversarial-library): a final restoration of single features.
 */
import { z } from 'zod'
import { clampToBox } from '../threat/norm.js'
import { askGradient, defineAttack } from './attack.js'
import { lengths } from './boundary.js'
import { boxOf, nearestTo, refine, refinements } from './nearest.js'
import { adam, cosine } from './optimize.js'

export const sigmaZero = defineAttack({
  name: 'sigma-zero',
  paper: 'Cinà et al., sigma-zero: gradient-based optimization of l0-norm adversarial examples, ICLR 2025',
  access: 'gradients',
  norms: ['L0'],
  kind: 'minimum',
  options: z.strictObject({
    steps: z.int().min(1).max(1_000_000).default(1000).describe('gradient steps'),
    stepSize: z.number().positive().default(1).describe('learning rate of Adam; falls to a tenth'),
    sigma: z.number().positive().default(0.001).describe('sharpness of the smooth count: change² / (change² + sigma)'),
    threshold: z.number().min(0).max(1).default(0.3).describe('changes below it are dropped, at first'),
    thresholdStep: z
      .number()
      .min(0)
      .default(0.01)
      .describe('how fast the threshold moves, as a share of the step size'),
    refine: refinements,
  }),
  losses: () => ['margin'],
  *search(sample, threat, options) {
    const { input, label: truth } = sample
    const nearest = nearestTo(sample, threat)
    const box = boxOf(sample, threat)
    const point = input.slice()
    const change = new Float64Array(input.length)
    const slope = new Float64Array(input.length)
    const optimizer = adam(input.length)
    let { threshold, stepSize: rate } = options

    for (let step = 0; step < options.steps; step++) {
      const { loss, label, gradient } = yield* askGradient(point, { loss: 'margin', label: truth })
      const misclassified = nearest.offer(point, label)
      for (let i = 0; i < slope.length; i++) {
        const square = change[i] * change[i] + options.sigma
        // d/dx of max(-margin, 0) + mean of x² / (x² + sigma)
        slope[i] = (2 * change[i] * options.sigma) / (square * square * slope.length) - (loss <= 0 ? gradient[i] : 0)
      }
      const scale = 1 / Math.max(lengths.Linf(slope), 1e-12)
      for (let i = 0; i < slope.length; i++) slope[i] *= scale
      optimizer.descend(change, slope, rate)
      rate = cosine(step / options.steps, options.stepSize, options.stepSize / 10)
      threshold += options.thresholdStep * (misclassified ? rate : -rate)
      threshold = Math.min(1, Math.max(0, threshold))

      for (let i = 0; i < point.length; i++) point[i] = input[i] + change[i]
      clampToBox(point, box)
      for (let i = 0; i < point.length; i++) {
        change[i] = point[i] - input[i]
        if (Math.abs(change[i]) >= threshold) continue
        change[i] = 0
        point[i] = input[i]
      }
    }
    yield* refine(sample, threat, nearest, options.refine)
    return nearest.point
  },
})
