/**
 * PGD: projected gradient ascent on the cross-entropy from random starts. Madry, Makelov, Schmidt, Tsipras, Vladu, "Towards deep learning
 * models resistant to adversarial attacks" (ICLR 2018). For L1 the sparse steps of SLIDE (Tramer and Boneh, NeurIPS 2019); for L0 the
 * ascent of Croce and Hein, "Sparse and imperceivable adversarial attacks" (ICCV 2019): a step in L2, then the k best features.
 */
import { z } from 'zod'
import { workspace } from '../tensor/kernels.js'
import { held } from '../threat/norm.js'
import { regionOf } from '../threat/threat.js'
import { askGradient, askLabel, defineAttack } from './attack.js'

export const pgdOptions = z.strictObject({
  steps: z.int().min(1).max(100_000).default(40).describe('gradient steps of each restart'),
  stepSize: z
    .number()
    .positive()
    .optional()
    .describe(
      'length of a step, in the units of epsilon; default epsilon / 30 for Linf, 2.5 epsilon / steps for L2 and L1, 1 for L0',
    ),
  restarts: z.int().min(1).max(10_000).default(1).describe('random starts'),
  randomStart: z.boolean().default(true).describe('start at a random point of the region instead of the input'),
})

/** Default step size as a share of epsilon: foolbox's Linf 0.01 / 0.3; 2.5 / steps reaches every point of the ball in L2 and L1. */
const relativeStep = {
  Linf: () => 0.01 / 0.3,
  L2: (steps: number) => 2.5 / steps,
  L1: (steps: number) => 2.5 / steps,
  L0: () => undefined,
}

export const pgd = defineAttack({
  name: 'pgd',
  paper: 'Madry et al., Towards deep learning models resistant to adversarial attacks, ICLR 2018',
  access: 'gradients',
  norms: ['Linf', 'L2', 'L1', 'L0'],
  kind: 'budget',
  options: pgdOptions,
  losses: () => ['cross-entropy'],
  *search(sample, threat, options, random) {
    const { norm, epsilon } = threat
    using memory = workspace()
    const region = held(regionOf(threat, sample.input), memory)
    const relative = relativeStep[norm.name](options.steps)
    const size = options.stepSize ?? (relative === undefined ? 1 : relative * epsilon)
    const loss = { loss: 'cross-entropy', label: sample.label } as const
    const point = memory.floats(sample.input.length)
    for (let restart = 0; restart < options.restarts; restart++) {
      if (options.randomStart) norm.sample(random(restart), region, point)
      else point.set(sample.input)
      for (let step = 0; step < options.steps; step++) {
        const { gradient } = yield* askGradient(point, loss)
        norm.ascend({ point, previous: point, gradient, size, momentum: 1, features: undefined }, region, point)
      }
      yield* askLabel(point)
    }
    return point.slice()
  },
})
