/**
 * Universal perturbations: one change that fools the model on many samples. It is found once for a run, on the run's first samples, and
 * then added to each sample.
 *
 * - uap: sample by sample, the shortest way that DeepFool finds from where the perturbation leads. Moosavi-Dezfooli, Fawzi, Fawzi,
 *   Frossard, "Universal adversarial perturbations" (CVPR 2017). Here a sample counts as fooled when its label is missed, not when the
 *   prediction differs from the clean one; points stay inside the box; and a way counts also where its steps end short of the boundary.
 * - uap-sgd: ascent on the mean loss of minibatches, each sample's loss cut off so that none dominates. Shafahi, Najibi, Xu, Dickerson,
 *   Davis, Goldstein, "Universal adversarial training" (AAAI 2020). Here the steps have the norm's own direction instead of Adam's.
 */
import { z } from 'zod'
import type { Random } from '../random.js'
import { clampToBox, type Norm, type Region } from '../threat/norm.js'
import { regionOf, type ThreatModel } from '../threat/threat.js'
import {
  askLabel,
  askScores,
  defineAttack,
  type GradientReply,
  type Preparation,
  type PreparingSteps,
  type Sample,
  type Steps,
} from './attack.js'
import { crossBoundary } from './deepfool.js'
import { boxOf } from './nearest.js'
import { likeliestOthers } from './targets.js'

const universalOptions = z.strictObject({
  samples: z.int().min(1).max(100_000).default(100).describe('first samples of the run on which it is found'),
  epochs: z.int().min(1).max(10_000).default(10).describe('passes over them at most'),
  targetRate: z.number().min(0).max(1).default(1).describe('share of them fooled at which the passes end'),
})

type Options = z.infer<typeof universalOptions>

const uapOptions = universalOptions.extend({
  targetRate: universalOptions.shape.targetRate.default(0.8),
  steps: z.int().min(1).max(1000).default(10).describe("DeepFool's steps for a sample"),
  candidates: z.int().min(2).max(100_000).default(10).describe('classes that it considers, the label included'),
  overshoot: z.number().min(0).max(10).default(0.02).describe('how much further than onto the boundary it goes'),
})

const uapSgdOptions = universalOptions.extend({
  batch: z.int().min(1).max(10_000).default(32).describe('samples of a step'),
  stepSize: z.number().positive().optional().describe('in the units of epsilon; default epsilon / 10'),
  lossLimit: z.number().positive().default(9).describe('cross-entropy from which on a sample counts no more'),
})

type UapOptions = z.infer<typeof uapOptions>
type UapSgdOptions = z.infer<typeof uapSgdOptions>

const shared = {
  access: 'gradients',
  norms: ['Linf', 'L2'],
  kind: 'budget',
  search: (sample: Sample, threat: ThreatModel, _options: Options, _random: unknown, universal?: Float32Array) =>
    addUniversal(sample, threat, universal),
} as const

export const uap = defineAttack({
  ...shared,
  name: 'uap',
  paper: 'Moosavi-Dezfooli et al., Universal adversarial perturbations, CVPR 2017',
  options: uapOptions,
  losses: () => ['logit-difference'],
  preparation: inPasses(1, function* (order, universal, threat, options: UapOptions) {
    for (const sample of order) yield* extend(universal, sample, threat, options)
  }),
})

export const uapSgd = defineAttack({
  ...shared,
  name: 'uap-sgd',
  paper: 'Shafahi et al., Universal adversarial training, AAAI 2020',
  options: uapSgdOptions,
  losses: () => ['cross-entropy'],
  preparation: inPasses(32, function* (order, universal, threat, options: UapSgdOptions) {
    for (let at = 0; at < order.length; at += options.batch) {
      yield* climb(universal, order.slice(at, at + options.batch), threat, options)
    }
  }),
})

function* addUniversal(sample: Sample, threat: ThreatModel, universal: Float32Array | undefined): Steps<'gradients'> {
  if (universal === undefined) throw new RangeError('the universal perturbation was not found before the search')
  const point = shifted(sample, universal)
  threat.norm.project(point, regionOf(threat, sample.input))
  yield* askLabel(point)
  return point
}

/** One pass over the samples in this order, which changes the perturbation. */
type Pass<Chosen> = (
  order: readonly Sample[],
  universal: Universal,
  threat: ThreatModel,
  options: Chosen,
) => PreparingSteps<void>

interface Universal {
  readonly norm: Norm
  /** The ball around no change at all. */
  readonly ball: Region
  readonly change: Float32Array
}

/** Passes until enough samples are fooled; gives the perturbation that fooled most. */
function inPasses<Chosen extends Options>(batch: number, pass: Pass<Chosen>): Preparation<Chosen> {
  return {
    batch,
    samples: ({ samples }) => samples,
    *find(samples, threat, options, random) {
      const { norm, epsilon } = threat
      const change = new Float32Array(samples[0].input.length)
      const unbounded = { low: Number.NEGATIVE_INFINITY, high: Number.POSITIVE_INFINITY }
      const universal = { norm, change, ball: norm.region(new Float32Array(change.length), epsilon, unbounded) }
      let best = change.slice()
      let most = -1
      for (let epoch = 0; epoch < options.epochs && most < options.targetRate * samples.length; epoch++) {
        yield* pass(shuffled(samples, random), universal, threat, options)
        const fooled = yield* countFooled(samples, threat, change)
        if (fooled > most) {
          most = fooled
          best = change.slice()
        }
      }
      return best
    },
  }
}

function* countFooled(samples: readonly Sample[], threat: ThreatModel, change: Float32Array): PreparingSteps<number> {
  const points = samples.map(sample => {
    const point = shifted(sample, change)
    threat.norm.project(point, regionOf(threat, sample.input))
    return point
  })
  const replies = yield { ask: 'labels', points, samples }
  return replies.filter(({ label }, i) => label !== samples[i].label).length
}

/** v = P(v + r), with r DeepFool's way from x + v across the boundary; nothing where x + v is across it already. */
function* extend(
  { norm, ball, change }: Universal,
  sample: Sample,
  threat: ThreatModel,
  options: UapOptions,
): PreparingSteps<void> {
  const box = boxOf(sample, threat)
  const start = shifted(sample, change)
  clampToBox(start, box)
  const { label, logits } = yield* asking(sample, askScores(start))
  if (label !== sample.label) return
  const targets = likeliestOthers(logits, sample.label, options.candidates - 1)
  const { point } = yield* asking(sample, crossBoundary(sample, box, 'L2', targets, options, start))
  for (let i = 0; i < change.length; i++) change[i] += point[i] - start[i]
  norm.project(change, ball)
}

/** Steps whose points all belong to one sample, as part of a preparation. */
function* asking<Result>(sample: Sample, steps: Steps<'gradients', Result>): PreparingSteps<Result> {
  let step = steps.next([])
  while (!step.done) {
    const { value: query } = step
    step = steps.next(yield { ...query, samples: query.points.map(() => sample) })
  }
  return step.value
}

/** A step along the mean gradient of the samples whose loss is below the limit. */
function* climb(
  { norm, ball, change }: Universal,
  samples: readonly Sample[],
  threat: ThreatModel,
  { stepSize, lossLimit }: UapSgdOptions,
): PreparingSteps<void> {
  const points = samples.map(sample => {
    const point = shifted(sample, change)
    clampToBox(point, boxOf(sample, threat))
    return point
  })
  const losses = samples.map(({ label }) => ({ loss: 'cross-entropy', label }) as const)
  const replies = (yield { ask: 'gradients', points, losses, samples }) as readonly GradientReply[]
  const sum = new Float32Array(change.length)
  for (const { loss, gradient } of replies) {
    if (loss < lossLimit) for (let i = 0; i < sum.length; i++) sum[i] += gradient[i]
  }
  norm.step(change, sum, stepSize ?? threat.epsilon / 10, change)
  norm.project(change, ball)
}

function shifted({ input }: Sample, change: Float32Array): Float32Array {
  return input.map((value, i) => value + change[i])
}

/** Fisher and Yates. */
function shuffled<T>(items: readonly T[], random: Random): T[] {
  const order = [...items]
  for (let i = order.length - 1; i > 0; i--) {
    const j = random.integer(i + 1)
    ;[order[i], order[j]] = [order[j], order[i]]
  }
  return order
}
