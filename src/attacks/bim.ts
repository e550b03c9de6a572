/**
 * BIM, also I-FGSM: projected steps from the input itself along the gradient of the cross-entropy. Kurakin, Goodfellow, Bengio,
 * "Adversarial examples in the physical world" (ICLR workshop 2017). PGD without a random start, with foolbox's few long steps.
 */
import { z } from 'zod'
import { regionOf } from '../threat/threat.js'
import { askGradient, askLabel, defineAttack } from './attack.js'

export const bim = defineAttack({
  name: 'bim',
  paper: 'Kurakin, Goodfellow, Bengio, Adversarial examples in the physical world, ICLR workshop 2017',
  access: 'gradients',
  norms: ['Linf', 'L2', 'L1'],
  kind: 'budget',
  options: z.strictObject({
    steps: z.int().min(1).max(100_000).default(10).describe('gradient steps'),
    stepSize: z
      .number()
      .positive()
      .optional()
      .describe('length of a step, in the units of epsilon; default epsilon / 5'),
  }),
  losses: () => ['cross-entropy'],
  *search(sample, threat, options) {
    const region = regionOf(threat, sample.input)
    const size = options.stepSize ?? threat.epsilon / 5
    const point = sample.input.slice()
    for (let step = 0; step < options.steps; step++) {
      const { gradient } = yield* askGradient(point, { loss: 'cross-entropy', label: sample.label })
      threat.norm.ascend({ point, previous: point, gradient, size, momentum: 1, features: undefined }, region, point)
    }
    yield* askLabel(point)
    return point
  },
})
