/**
 * FAB, the fast adaptive boundary attack: steps onto the linearised decision boundary, biased towards the original point. Croce and
 * Hein, "Minimally distorted adversarial examples with a fast adaptive boundary attack" (ICML 2020).
 *
 * Differences from the reference implementation (auto-attack, fab_base.py): the projections are exact in linear time instead of by
 * sort and binary search over float32 sums; the box is the data's, not [0, 1]; the gradients of the logit differences are asked one
 * by one; random starts of later restarts lie within half the distance found so far.
 */
import { z } from 'zod'
import { contract, workspace } from '../tensor/kernels.js'
import { biasedSteps } from '../threat/biased-step.js'
import type { HyperplaneNorm } from '../threat/hyperplane.js'
import { held } from '../threat/norm.js'
import { regionOf, type ThreatModel } from '../threat/threat.js'
import { askLabel, defineAttack, type Sample, type Steps } from './attack.js'
import { nearestBoundary } from './boundary.js'
import { boxOf, type Nearest, nearestTo } from './nearest.js'

export const fabOptions = z.strictObject({
  steps: z.int().min(1).max(100_000).default(100).describe('steps of each run'),
  restarts: z
    .int()
    .min(1)
    .max(10_000)
    .default(1)
    .describe('runs; the first from the input, the others from random points'),
  alphaMax: z.number().min(0).max(1).default(0.1).describe('largest share of the step that starts from the input'),
  overshoot: z
    .number()
    .min(1)
    .max(10)
    .default(1.05)
    .describe('how far to step, as a multiple of the way to the boundary'),
  backward: z
    .number()
    .min(0)
    .max(1)
    .default(0.9)
    .describe('share of the way from the input kept after a misclassified point'),
})

export type FabOptions = z.infer<typeof fabOptions>

export const fabPaper = 'Croce and Hein, Minimally distorted adversarial examples with FAB, ICML 2020'

export const fab = defineAttack({
  name: 'fab',
  paper: fabPaper,
  access: 'gradients',
  norms: ['Linf', 'L2', 'L1'],
  kind: 'minimum',
  options: fabOptions,
  losses: () => ['logit-difference'],
  *search(given, threat, options, random) {
    using memory = workspace()
    const sample = { ...given, input: memory.hold(given.input) }
    const nearest = nearestTo(sample, threat)
    const others = Array.from({ length: sample.classes }, (_, k) => k).filter(k => k !== sample.label)
    for (let restart = 0; restart < options.restarts; restart++) {
      const start = sample.input.slice()
      if (restart > 0) threat.norm.sample(random(restart), startRegion(sample, threat, nearest), start)
      yield* approach({ sample, threat, options, nearest, targets: others }, start)
    }
    return nearest.point
  },
})

/** Random starts lie within half of epsilon or of the distance found so far. */
export function startRegion(sample: Sample, threat: ThreatModel, nearest: Nearest) {
  return regionOf({ ...threat, epsilon: Math.min(threat.epsilon, nearest.distance) / 2 }, sample.input)
}

interface Run {
  readonly sample: Sample
  readonly threat: ThreatModel
  readonly options: FabOptions
  readonly nearest: Nearest
  /** Of these classes' boundaries, each step takes the one that is nearest when linearised. */
  readonly targets: readonly number[]
}

/** One run from a point. Offers every misclassified point to `nearest`. */
export function* approach(run: Run, start: Float32Array): Steps<'gradients', void> {
  const { sample, threat, options, nearest } = run
  const norm = threat.norm.name as HyperplaneNorm
  using memory = workspace()
  const point = memory.copy(start)
  const box = held(boxOf(sample, threat), memory)
  const step = biasedSteps(norm, box, options, memory)

  for (let k = 0; k < options.steps; k++) {
    const { value, normal } = yield* nearestBoundary(sample, run.targets, norm, point)
    step(point, normal, value)
    const { label } = yield* askLabel(point)
    if (nearest.offer(point, label)) contract(point, box.center, options.backward)
  }
}
