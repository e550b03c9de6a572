/**
 * MI-FGSM and what grew out of it: steps along a sum of normalised gradients that decays, for examples that transfer to other models. The
 * attacks differ in where the gradient is taken and what is done to it:
 *
 * - MI: at the point. Dong, Liao, Pang, Su, Zhu, Hu, Li, "Boosting adversarial attacks with momentum" (CVPR 2018).
 * - NI: where the momentum leads. Lin, Song, He, Wang, Hopcroft, "Nesterov accelerated gradient and scale invariance for adversarial
 *   attacks" (ICLR 2020). SI-NI: the mean over copies of that point scaled by 1, 1/2, 1/4, ….
 * - VMI: with the variance of the gradient around the last point added. Wang and He, "Enhancing the transferability of adversarial attacks
 *   through variance tuning" (CVPR 2021). Its neighbours are uniform in the cube of side 2 radius epsilon there; here they are what the norm
 *   calls a random point of the ball, which in Linf and many dimensions is the same.
 *
 * As in the reference implementations, and not in the papers' formula, the gradient is divided by the mean of its absolute values instead
 * of their sum: only then does the look-ahead have the length of a step.
 */
import { z } from 'zod'
import type { Random } from '../random.js'
import { regionOf, type ThreatModel } from '../threat/threat.js'
import {
  type Answer,
  askGradient,
  askLabel,
  defineAttack,
  type GradientReply,
  type Query,
  type Sample,
  type Steps,
} from './attack.js'
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

/** The gradient that a step adds to the momentum, found at a point. The point is not kept. */
export type GradientAt = (point: Float32Array) => Generator<Query<'gradients'>, Float32Array, Answer>

export const shared = {
  access: 'gradients',
  norms: ['Linf', 'L2', 'L1'],
  kind: 'budget',
  losses: () => ['cross-entropy'] as const,
} as const

export const miFgsm = defineAttack({
  ...shared,
  name: 'mi-fgsm',
  paper: 'Dong et al., Boosting adversarial attacks with momentum, CVPR 2018',
  options: momentumOptions,
  search: (sample, threat, options) => gatherMomentum(sample, threat, options, plain(sample)),
})

export const niFgsm = defineAttack({
  ...shared,
  name: 'ni-fgsm',
  paper: 'Lin et al., Nesterov accelerated gradient and scale invariance for adversarial attacks, ICLR 2020',
  options: momentumOptions,
  search: (sample, threat, options) => gatherMomentum(sample, threat, options, plain(sample), true),
})

export const siNiFgsm = defineAttack({
  ...shared,
  name: 'si-ni-fgsm',
  paper: 'Lin et al., Nesterov accelerated gradient and scale invariance for adversarial attacks, ICLR 2020',
  options: momentumOptions.extend({
    copies: z.int().min(1).max(30).default(5).describe('copies, each half as bright as the one before'),
  }),
  search: (sample, threat, options) => gatherMomentum(sample, threat, options, scaled(sample, options.copies), true),
})

export const vmiFgsm = defineAttack({
  ...shared,
  name: 'vmi-fgsm',
  paper: 'Wang and He, Enhancing the transferability of adversarial attacks through variance tuning, CVPR 2021',
  options: momentumOptions.extend({
    neighbours: z.int().min(1).max(10_000).default(20).describe('points around the last one for its variance (N)'),
    radius: z.number().positive().default(1.5).describe('how far they may lie, in units of epsilon (beta)'),
  }),
  search: (sample, threat, options, random) =>
    gatherMomentum(sample, threat, options, varianceTuned(sample, threat, options, random(0))),
})

/**
 * With `nesterov` the gradient is taken at x + size mu g: where the momentum alone would lead, in or out of the region. Gradients whose
 * features are all as large look as far ahead as a step goes, in each norm: Linf has that by the division above.
 */
export function* gatherMomentum(
  sample: Sample,
  threat: ThreatModel,
  { steps, stepSize, decay }: Options,
  gradientAt: GradientAt,
  nesterov = false,
): Steps<'gradients'> {
  const region = regionOf(threat, sample.input)
  const size = stepSize ?? threat.epsilon / steps
  const point = sample.input.slice()
  const ahead = point.slice()
  const momentum = new Float32Array(point.length)
  const lead =
    (size * decay) /
    threat.norm.distance(
      ahead.map(() => 1),
      ahead.map(() => 0),
    )
  for (let step = 0; step < steps; step++) {
    if (nesterov) for (let i = 0; i < point.length; i++) ahead[i] = point[i] + lead * momentum[i]
    const gradient = yield* gradientAt(nesterov ? ahead : point)
    const mean = Math.max(lengths.L1(gradient) / point.length, 1e-30)
    for (let i = 0; i < point.length; i++) momentum[i] = decay * momentum[i] + gradient[i] / mean
    threat.norm.step(point, momentum, size, point)
    threat.norm.project(point, region)
  }
  yield* askLabel(point)
  return point
}

/** The gradient of the cross-entropy itself. */
export function plain({ label }: Sample): GradientAt {
  return function* (point) {
    return (yield* askGradient(point, { loss: 'cross-entropy', label })).gradient
  }
}

/** The mean of the gradients through x / 2^i: each is that at the copy, divided by 2^i. */
function scaled({ label, input }: Sample, count: number): GradientAt {
  const copies = Array.from({ length: count }, () => new Float32Array(input.length))
  const mean = new Float32Array(input.length)
  return function* (point) {
    copies.forEach((copy, i) => {
      for (let j = 0; j < copy.length; j++) copy[j] = point[j] / 2 ** i
    })
    const replies = yield* askGradients(copies, label)
    mean.fill(0)
    for (const [i, { gradient }] of replies.entries()) addTo(mean, gradient, 1 / (count * 2 ** i))
    return mean
  }
}

/** grad(x) + v, with v the mean gradient around the last point minus the gradient there. */
function varianceTuned(
  { label, input }: Sample,
  { norm, epsilon }: ThreatModel,
  { neighbours, radius }: { readonly neighbours: number; readonly radius: number },
  random: Random,
): GradientAt {
  const points = Array.from({ length: neighbours }, () => new Float32Array(input.length))
  const variance = new Float32Array(input.length)
  const tuned = new Float32Array(input.length)
  const everywhere = { low: Number.NEGATIVE_INFINITY, high: Number.POSITIVE_INFINITY }
  return function* (point) {
    const { gradient } = yield* askGradient(point, { loss: 'cross-entropy', label })
    for (let i = 0; i < tuned.length; i++) tuned[i] = gradient[i] + variance[i]
    for (let i = 0; i < variance.length; i++) variance[i] = -gradient[i]
    const around = norm.region(point, radius * epsilon, everywhere)
    for (const each of points) norm.sample(random, around, each)
    for (const reply of yield* askGradients(points, label)) addTo(variance, reply.gradient, 1 / neighbours)
    return tuned
  }
}

function* askGradients(
  points: readonly Float32Array[],
  label: number,
): Generator<Query<'gradients'>, readonly GradientReply[], Answer> {
  return (yield { ask: 'gradients', points, loss: { loss: 'cross-entropy', label } }) as readonly GradientReply[]
}

/** sum += weight values */
function addTo(sum: Float32Array, values: Float32Array, weight: number): void {
  for (let i = 0; i < sum.length; i++) sum[i] += weight * values[i]
}
