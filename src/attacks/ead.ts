/**
 * EAD: the elastic net in place of Carlini and Wagner's L2: c times the amount by which the label still wins + ||x - input||² + beta
 * ||x - input||_1, by accelerated proximal gradient steps. Chen, Sharma, Zhang, Yi, Hsieh, "EAD: elastic-net attacks to deep neural
 * networks via adversarial examples" (AAAI 2018).
 *
 * Differences from the reference implementations (EAD_Attack, foolbox): of the misclassified points the one of least L1 is kept (their
 * L1 rule), and each iterate's own class is asked, not that of the extrapolated point; a final bisection.
 */
import { z } from 'zod'
import type { Region } from '../threat/norm.js'
import { askGradient, askLabel, defineAttack } from './attack.js'
import { boxOf, nearestTo, refine, refinements } from './nearest.js'

export const ead = defineAttack({
  name: 'ead',
  paper: 'Chen et al., EAD: elastic-net attacks to deep neural networks, AAAI 2018',
  access: 'gradients',
  norms: ['L1'],
  kind: 'minimum',
  options: z.strictObject({
    steps: z.int().min(1).max(1_000_000).default(10_000).describe('steps for each constant'),
    searches: z.int().min(1).max(100).default(9).describe('constants tried'),
    stepSize: z.number().positive().default(0.01).describe('of the first step; falls with the root of the steps left'),
    initialConstant: z.number().positive().default(1e-3).describe('weight of the misclassification at first'),
    beta: z.number().min(0).default(0.01).describe('weight of the L1 distance'),
    confidence: z.number().min(0).default(0).describe('by how much another class must win'),
    abortEarly: z.boolean().default(true).describe('whether to end a constant when the objective stops falling'),
    refine: refinements,
  }),
  losses: () => ['margin'],
  *search(sample, threat, options) {
    const { input, label: truth } = sample
    const nearest = nearestTo(sample, threat)
    const box = boxOf(sample, threat)
    const period = Math.ceil(options.steps / 10)
    const point = input.slice()
    const ahead = input.slice()
    let constant = options.initialConstant
    let low = 0
    let high = Number.POSITIVE_INFINITY

    for (let turn = 0; turn < options.searches; turn++) {
      let found = false
      let previous = Number.POSITIVE_INFINITY
      point.set(input)
      ahead.set(input)
      for (let step = 0; step < options.steps; step++) {
        const { loss, gradient } = yield* askGradient(ahead, { loss: 'margin', label: truth })
        const excess = options.confidence - loss
        const weight = excess > 0 ? constant : 0
        const size = options.stepSize * Math.sqrt(1 - step / options.steps)
        let objective = constant * Math.max(excess, 0)
        for (let i = 0; i < input.length; i++) {
          const change = ahead[i] - input[i]
          objective += change * change
          const before = point[i]
          const after = shrink(ahead[i] - size * (2 * change - weight * gradient[i]), i, options.beta, box)
          point[i] = after
          ahead[i] = after + (step / (step + 3)) * (after - before)
        }
        const { label } = yield* askLabel(point)
        if (nearest.offer(point, label)) found = true
        if (!options.abortEarly || step % period !== 0) continue
        if (!(objective <= 0.9999 * previous)) break
        previous = objective
      }
      if (found) high = constant
      else low = constant
      constant = Number.isFinite(high) ? (low + high) / 2 : constant * 10
    }
    yield* refine(sample, threat, nearest, options.refine)
    return nearest.point
  },
})

/** The proximal step of the L1 distance inside the box: towards the input by beta, and onto it from nearer. */
function shrink(value: number, i: number, beta: number, { center, low, high }: Region): number {
  const change = value - center[i]
  if (change > beta) return Math.min(value - beta, high[i])
  if (change < -beta) return Math.max(value + beta, low[i])
  return center[i]
}
