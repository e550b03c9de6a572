/**
 * FGSM: one step of the whole radius along the gradient of the cross-entropy. Goodfellow, Shlens, Szegedy, "Explaining and harnessing
 * adversarial examples" (ICLR 2015). In L2 and L1 the step has that norm.
 */
import { z } from 'zod'
import { regionOf } from '../threat/threat.js'
import { askGradient, askLabel, defineAttack } from './attack.js'

export const fgsm = defineAttack({
  name: 'fgsm',
  paper: 'Goodfellow, Shlens, Szegedy, Explaining and harnessing adversarial examples, ICLR 2015',
  access: 'gradients',
  norms: ['Linf', 'L2', 'L1'],
  kind: 'budget',
  options: z.strictObject({}),
  losses: () => ['cross-entropy'],
  *search(sample, threat) {
    const region = regionOf(threat, sample.input)
    const { gradient } = yield* askGradient(sample.input, { loss: 'cross-entropy', label: sample.label })
    const point = new Float32Array(sample.input.length)
    threat.norm.step(sample.input, gradient, threat.epsilon, point)
    threat.norm.project(point, region)
    yield* askLabel(point)
    return point
  },
})
