/**
 * MI-FGSM and NI-FGSM: steps along a sum of normalised gradients that decays, for examples that transfer. Dong, Liao, Pang, Su, Zhu, Hu,
 * Li, "Boosting adversarial attacks with momentum" (CVPR 2018); Lin, Song, He, Wang, Hopcroft, "Nesterov accelerated gradient and
 * scale invariance for adversarial attacks" (ICLR 2020): the gradient is taken where the momentum leads.
 *
 * As in the reference implementations, and not in the papers' formula, the gradient is divided by the mean of its absolute values instead
 * of their sum: only then does the look-ahead have the length of a step.
 */
import { z } from 'zod'
import { regionOf, type ThreatModel } from '../threat/threat.js'
import { askGradient, askLabel, defineAttack, type Sample, type Steps } from './attack.js'
import { lengths } from './boundary.js'

export const momentumOptions = z.strictObject({
  steps: z.int().min(1).max(100_000).default(10).describe('gradient steps'),
  stepSize: z
    .number()
    .positive()
    .optional()
    .describe('length of a step, in the units of epsilon; default epsilon / steps'),
  decay: z.number().min(0).max(10).default(1).describe('share of the momentum kept at each step (mu)'),
})

type Options = z.infer<typeof momentumOptions>

const shared = {
  access: 'gradients',
  norms: ['Linf', 'L2', 'L1'],
  kind: 'budget',
  options: momentumOptions,
  losses: () => ['cross-entropy'] as const,
} as const

export const miFgsm = defineAttack({
  ...shared,
  name: 'mi-fgsm',
  paper: 'Dong et al., Boosting adversarial attacks with momentum, CVPR 2018',
  search: (sample, threat, options) => gatherMomentum(sample, threat, options, false),
})

export const niFgsm = defineAttack({
  ...shared,
  name: 'ni-fgsm',
  paper: 'Lin et al., Nesterov accelerated gradient and scale invariance for adversarial attacks, ICLR 2020',
  search: (sample, threat, options) => gatherMomentum(sample, threat, options, true),
})

function* gatherMomentum(
  sample: Sample,
  threat: ThreatModel,
  { steps, stepSize, decay }: Options,
  nesterov: boolean,
): Steps<'gradients'> {
  const region = regionOf(threat, sample.input)
  const size = stepSize ?? threat.epsilon / steps
  const point = sample.input.slice()
  const ahead = point.slice()
  const momentum = new Float32Array(point.length)
  for (let step = 0; step < steps; step++) {
    // x + size mu g: where the momentum alone would lead, in or out of the region.
    if (nesterov) for (let i = 0; i < point.length; i++) ahead[i] = point[i] + size * decay * momentum[i]
    const { gradient } = yield* askGradient(nesterov ? ahead : point, { loss: 'cross-entropy', label: sample.label })
    const mean = Math.max(lengths.L1(gradient) / point.length, 1e-30)
    for (let i = 0; i < point.length; i++) momentum[i] = decay * momentum[i] + gradient[i] / mean
    threat.norm.step(point, momentum, size, point)
    threat.norm.project(point, region)
  }
  yield* askLabel(point)
  return point
}
