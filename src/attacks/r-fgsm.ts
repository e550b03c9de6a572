/**
 * R-FGSM: a random step, then one along the gradient with what is left of the radius. Tramèr, Kurakin, Papernot, Goodfellow, Boneh,
 * McDaniel, "Ensemble adversarial training: attacks and defenses" (ICLR 2018): the random step is alpha sign(N(0, I)) in Linf; in L2 and
 * L1 it is the step of that length along a normal direction.
 */
import { z } from 'zod'
import { regionOf } from '../threat/threat.js'
import { askGradient, askLabel, defineAttack } from './attack.js'

export const rFgsm = defineAttack({
  name: 'r-fgsm',
  paper: 'Tramèr et al., Ensemble adversarial training: attacks and defenses, ICLR 2018',
  access: 'gradients',
  norms: ['Linf', 'L2', 'L1'],
  kind: 'budget',
  options: z.strictObject({
    randomShare: z.number().min(0).max(1).default(0.5).describe('share of epsilon that the random step takes'),
    restarts: z.int().min(1).max(10_000).default(1).describe('random steps tried'),
  }),
  losses: () => ['cross-entropy'],
  *search(sample, threat, options, random) {
    const { norm, epsilon } = threat
    const region = regionOf(threat, sample.input)
    const point = new Float32Array(sample.input.length)
    for (let restart = 0; restart < options.restarts; restart++) {
      const stream = random(restart)
      const direction = Float32Array.from(point, () => stream.normal())
      norm.step(sample.input, direction, options.randomShare * epsilon, point)
      norm.project(point, region)
      const { gradient } = yield* askGradient(point, { loss: 'cross-entropy', label: sample.label })
      norm.step(point, gradient, (1 - options.randomShare) * epsilon, point)
      norm.project(point, region)
      yield* askLabel(point)
    }
    return point
  },
})
