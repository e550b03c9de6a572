/**
 * Auto-PGD: projected gradient ascent with momentum that halves its own step size and returns to its best point when
 * progress stalls. Croce and Hein, "Reliable evaluation of adversarial robustness with an ensemble of diverse parameter-free attacks"
 * (ICML 2020); for L1 "Mind the box" (ICML 2021).
 *
 * Differences from the reference implementation (auto-attack, autopgd_base.py): the L2 projection is exact on ball and box together
 * instead of radial, then clamped; the first checkpoint compares the first step with the starting loss instead of zero; with EOT the
 * loss is averaged like the gradient, not that of the last draw; where the cross-entropy vanishes in float32 the margin goes on in its
 * place (see model/losses.ts), where the reference stands still.
 */
import { z } from 'zod'
import type { RowLoss } from '../model/losses.js'
import type { Random } from '../random.js'
import { workspace } from '../tensor/kernels.js'
import { held, type NormName, type Region } from '../threat/norm.js'
import { regionOf, type ThreatModel } from '../threat/threat.js'
import {
  type Answer,
  askGradient,
  defineAttack,
  type GradientReply,
  type Query,
  type Sample,
  type Steps,
} from './attack.js'

const momentum = 0.75

export const apgdOptions = z.strictObject({
  steps: z.int().min(1).max(100_000).default(100).describe('gradient steps of each restart'),
  restarts: z.int().min(1).max(10_000).optional().describe('random starts; default 1, for L1 5'),
  rho: z.number().min(0).max(1).default(0.75).describe('share of steps that must raise the loss to keep the step size'),
  eot: z
    .int()
    .min(1)
    .max(10_000)
    .default(1)
    .describe('gradients averaged at every point, for models that draw at random; AutoAttack takes 20 for those'),
})

export type ApgdOptions = z.infer<typeof apgdOptions>

export const apgdCe = defineAttack({
  name: 'apgd-ce',
  paper: 'Croce and Hein, Reliable evaluation of adversarial robustness, ICML 2020',
  access: 'gradients',
  norms: ['Linf', 'L2', 'L1'],
  kind: 'budget',
  options: apgdOptions,
  losses: () => ['cross-entropy'],
  *search(sample, threat, options, random) {
    const loss = { loss: 'cross-entropy', label: sample.label } as const
    return (yield* apgd(sample, threat, options, loss, random))?.point
  },
})

/** What AutoAttack sets differently from norm to norm. */
interface Settings {
  readonly restarts: number
  /** Classes that the targeted version aims at. */
  readonly targets: number
  /** Radii in units of epsilon, each with its share of the steps, each from the last one's best point. */
  readonly stages: readonly { readonly radius: number; readonly share: number }[]
  readonly control: (region: Region, options: ApgdOptions, start: Float32Array | undefined) => StepControl
}

const dense: Settings = { restarts: 1, targets: 9, stages: [{ radius: 1, share: 1 }], control: oscillationControl }
const sparse: Settings = {
  restarts: 5,
  targets: 5,
  stages: [
    { radius: 3, share: 0.3 },
    { radius: 2, share: 0.3 },
    { radius: 1, share: 0.4 },
  ],
  control: sparseControl,
}

/** By norm; APGD does not know L0. */
export const settingsFor: { readonly [N in NormName]: Settings } = { Linf: dense, L2: dense, L1: sparse, L0: sparse }

/** Restarts of APGD on one loss. Gives the point of highest loss. */
export function* apgd(
  sample: Sample,
  threat: ThreatModel,
  options: ApgdOptions,
  loss: RowLoss,
  random: (restart: number) => Random,
): Steps<'gradients', Best | undefined> {
  const restarts = options.restarts ?? settingsFor[threat.norm.name].restarts
  let best: Best | undefined
  for (let restart = 0; restart < restarts; restart++) {
    const found = yield* throughStages(sample, threat, options, loss, random(restart))
    if (best === undefined || found.loss > best.loss) best = found
  }
  return best
}

export interface Best {
  readonly point: Float32Array
  readonly loss: number
}

function* throughStages(
  sample: Sample,
  threat: ThreatModel,
  options: ApgdOptions,
  loss: RowLoss,
  random: Random,
): Steps<'gradients', Best> {
  const { stages } = settingsFor[threat.norm.name]
  let left = options.steps
  let best: Best | undefined
  for (const [i, { radius, share }] of stages.entries()) {
    const steps = i === stages.length - 1 ? Math.max(1, left) : Math.ceil(share * options.steps)
    left -= steps
    const region = regionOf({ ...threat, epsilon: radius * threat.epsilon }, sample.input)
    const start = best?.point
    if (start !== undefined) threat.norm.project(start, region)
    best = yield* ascend(region, threat, { ...options, steps }, loss, random, start)
  }
  return best as Best
}

function* ascend(
  region: Region,
  threat: ThreatModel,
  options: ApgdOptions,
  loss: RowLoss,
  random: Random,
  start?: Float32Array,
): Steps<'gradients', Best> {
  const { norm } = threat
  const { steps, eot } = options
  const control = settingsFor[norm.name].control(region, options, start)
  using memory = workspace()
  const point = memory.floats(region.center.length)
  if (start === undefined) norm.sample(random, region, point)
  else point.set(start)
  const inside = held(region, memory)

  const first = yield* askMeanGradient(point, loss, eot)
  const bestPoint = memory.copy(point)
  const bestGradient = memory.copy(first.gradient)
  let bestLoss = first.loss
  let gradient = first.gradient
  let previous = memory.copy(point)
  let current = point
  let next = memory.floats(point.length)
  control.begin(first.loss)

  for (let step = 0; step < steps; step++) {
    const weight = step > 0 && control.momentum ? momentum : 1
    norm.ascend(
      { point: current, previous, gradient, size: control.size, momentum: weight, features: control.features },
      inside,
      next,
    )
    const spare = previous
    previous = current
    current = next
    next = spare

    const reply = yield* askMeanGradient(current, loss, eot)
    gradient = reply.gradient
    if (reply.loss > bestLoss) {
      bestLoss = reply.loss
      bestPoint.set(current)
      bestGradient.set(reply.gradient)
    }
    if (control.returnsToBest(reply.loss, bestLoss, bestPoint)) {
      current.set(bestPoint)
      gradient = bestGradient
    }
  }
  return { point: bestPoint.slice(), loss: bestLoss }
}

/** Loss and gradient averaged over so many answers for the same point: the expectation over a model's own randomness. */
function* askMeanGradient(
  point: Float32Array,
  loss: RowLoss,
  count: number,
): Generator<Query<'gradients'>, Pick<GradientReply, 'loss' | 'gradient'>, Answer> {
  if (count === 1) return yield* askGradient(point, loss)
  const replies = (yield {
    ask: 'gradients',
    points: new Array<Float32Array>(count).fill(point),
    loss,
  }) as readonly GradientReply[]
  const gradient = new Float32Array(point.length)
  for (const reply of replies) addTo(gradient, reply.gradient, 1 / count)
  return { loss: replies.reduce((sum, reply) => sum + reply.loss, 0) / count, gradient }
}

/** sum += weight values */
function addTo(sum: Float32Array, values: Float32Array, weight: number): void {
  for (let i = 0; i < sum.length; i++) sum[i] += weight * values[i]
}

/** Decides the step size from the course of the loss. */
interface StepControl {
  readonly size: number
  /** For sparse steps: on how many features. */
  readonly features: number | undefined
  readonly momentum: boolean
  begin(loss: number): void
  /** Called after every step; true when the search should go on from its best point. */
  returnsToBest(loss: number, bestLoss: number, bestPoint: Float32Array): boolean
}

/**
 * Linf and L2: at checkpoints 22 %, then 3 % less each time down to 6 % of the steps apart, the size halves when the loss rose in
 * at most rho of the steps, or when neither the size was reduced at the last checkpoint nor the best loss improved since.
 */
function oscillationControl(region: Region, { steps, rho }: ApgdOptions): StepControl {
  const shortest = Math.max(Math.floor(0.06 * steps), 1)
  const shortening = Math.max(Math.floor(0.03 * steps), 1)
  let size = 2 * region.epsilon
  let period = Math.max(Math.floor(0.22 * steps), 1)
  let sinceCheck = 0
  let rises = 0
  let lastLoss = 0
  let bestAtCheck = 0
  let reduced = true
  return {
    get size() {
      return size
    },
    features: undefined,
    momentum: true,
    begin(loss) {
      lastLoss = loss
      bestAtCheck = loss
    },
    returnsToBest(loss, bestLoss) {
      if (loss > lastLoss) rises++
      lastLoss = loss
      if (++sinceCheck < period) return false
      const stalled = rises <= rho * period || (!reduced && bestAtCheck >= bestLoss)
      if (stalled) size /= 2
      reduced = stalled
      bestAtCheck = bestLoss
      period = Math.max(period - shortening, shortest)
      sinceCheck = 0
      rises = 0
      return stalled
    },
  }
}

/**
 * L1: steps on a share of the features that follows the sparsity of the best point. Every 4 % of the steps: when that sparsity fell
 * below 95 % of the last, the full step size again, from the best point; otherwise the size falls by 1.5, at most to a tenth.
 */
function sparseControl(
  { center, epsilon }: Region,
  _options: ApgdOptions,
  start: Float32Array | undefined,
): StepControl {
  const changed = (point: Float32Array) =>
    point.reduce((count, value, i) => (value !== center[i] ? count + 1 : count), 0)
  const period = 4
  let size = epsilon
  let lastChanged = start === undefined ? center.length : changed(start)
  let share = start === undefined ? 0.2 : lastChanged / center.length / 1.5
  let sinceCheck = 0
  return {
    get size() {
      return size
    },
    get features() {
      return Math.max(1, Math.ceil(share * center.length))
    },
    momentum: false,
    begin() {},
    returnsToBest(_loss, _bestLoss, bestPoint) {
      if (++sinceCheck < period) return false
      sinceCheck = 0
      const now = changed(bestPoint)
      const sparser = now < 0.95 * lastChanged
      share = now / center.length / 1.5
      size = sparser ? epsilon : Math.max(size / 1.5, epsilon / 10)
      lastChanged = now
      return sparser
    },
  }
}
