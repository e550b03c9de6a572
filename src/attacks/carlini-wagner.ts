/**
 * The attacks of Carlini and Wagner, "Towards evaluating the robustness of neural networks" (S&P 2017): Adam on distance plus c times the
 * amount by which the label still wins, in the variables of `tanh-space`. L2 searches c by bisection; Linf penalises what exceeds a
 * bound tau, which shrinks; L0 repeats L2 with fewer and fewer features.
 *
 * Differences from the reference implementations (nn_robust_attacks, adversarial-library): the box is the data's; misclassified points
 * count wherever they are seen; in Linf the bound goes on by bisection where shrinking by tenths ends, which brings the distance from within
 * 11 % of the best bound to within the precision; in L0 features that gain nothing are shut at once; a final refinement.
 */
import { z } from 'zod'
import type { NormName, Region } from '../threat/norm.js'
import type { ThreatModel } from '../threat/threat.js'
import { askGradient, defineAttack, type Sample, type Steps } from './attack.js'
import { lengths } from './boundary.js'
import { boxOf, type Nearest, nearestTo, refine, refinements } from './nearest.js'
import { adam, cosine } from './optimize.js'
import { type TanhSpace, tanhSpace } from './tanh-space.js'

const options = z.strictObject({
  steps: z
    .int()
    .min(1)
    .max(1_000_000)
    .optional()
    .describe('steps for each constant; default 10,000 for L2, 1,000 for Linf and L0'),
  searches: z.int().min(1).max(100).default(9).describe('constants tried in L2'),
  learningRate: z.number().positive().default(0.01).describe('of Adam'),
  initialConstant: z
    .number()
    .positive()
    .optional()
    .describe('weight of the misclassification at first; default 0.001, for Linf 0.00001'),
  decrease: z.number().gt(0).lt(1).default(0.9).describe('in Linf: share of the distance found that is the next bound'),
  precision: z
    .number()
    .gt(0)
    .lt(1)
    .default(0.005)
    .describe('in Linf: how closely, as a share, the bound that fails must bracket the distance found'),
  confidence: z.number().min(0).default(0).describe('by how much another class must win'),
  abortEarly: z.boolean().default(true).describe('whether to end a constant when the objective stops falling'),
  refine: refinements,
})

type Options = z.infer<typeof options>

export const carliniWagner = defineAttack({
  name: 'carlini-wagner',
  paper: 'Carlini and Wagner, Towards evaluating the robustness of neural networks, S&P 2017',
  access: 'gradients',
  norms: ['L2', 'Linf', 'L0'],
  kind: 'minimum',
  options,
  losses: () => ['margin'],
  *search(sample, threat, options) {
    const nearest = nearestTo(sample, threat)
    const space = tanhSpace(boxOf(sample, threat))
    yield* searches[threat.norm.name]!({ sample, threat, options, nearest, space })
    yield* refine(sample, threat, nearest, options.refine)
    return nearest.point
  },
})

interface Run {
  readonly sample: Sample
  readonly threat: ThreatModel
  readonly options: Options
  readonly nearest: Nearest
  readonly space: TanhSpace
}

const searches: { readonly [N in NormName]?: (run: Run) => Steps<'gradients', void> } = {
  L2: bisectConstant,
  Linf: shrinkBound,
  L0: dropFeatures,
}

/** One descent: its objective beside the misclassification, and where it starts and stops. */
interface Descent {
  readonly steps: number
  readonly constant: number
  /** Moved in place. */
  readonly variables: Float64Array
  /** Adds the gradient of the distance term to the point; gives its value. */
  distance(point: Float32Array, gradient: Float64Array): number
  /** Learning rate after this share of the steps; the option's by default. */
  readonly rate?: (share: number) => number
  /** Features that may move; all by default. */
  readonly mask?: Uint8Array
  /** After each step: whether to end. */
  ends(step: number, objective: number, misclassified: boolean): boolean
}

interface Descended {
  /** Distance of the nearest misclassified point of this descent, by the threat model's norm; Infinity if there was none. */
  readonly best: number
  readonly point: Float32Array
  /** Gradient of the misclassification at the last point. */
  readonly gradient: Float32Array
  readonly misclassified: boolean
}

/** Adam on distance(x) + c max(z_y - max other + confidence, 0). */
function* descend(
  { sample, threat, options, nearest, space }: Run,
  { steps, constant, variables, distance, rate, mask, ends }: Descent,
): Steps<'gradients', Descended> {
  const { input, label: truth } = sample
  const point = new Float32Array(input.length)
  const slope = new Float64Array(input.length)
  const optimizer = adam(input.length)
  let best = Number.POSITIVE_INFINITY
  for (let step = 0; ; step++) {
    space.point(variables, point)
    if (mask !== undefined) for (let i = 0; i < point.length; i++) if (mask[i] === 0) point[i] = input[i]
    const { loss, label, gradient } = yield* askGradient(point, { loss: 'margin', label: truth })
    const misclassified = label !== truth && loss >= options.confidence
    if (misclassified) {
      nearest.offer(point, label)
      best = Math.min(best, threat.norm.distance(point, input))
    }
    const excess = options.confidence - loss
    slope.fill(0)
    const objective = distance(point, slope) + constant * Math.max(excess, 0)
    if (step === steps - 1 || ends(step, objective, misclassified)) return { best, point, gradient, misclassified }
    if (excess > 0) for (let i = 0; i < slope.length; i++) slope[i] -= constant * gradient[i]
    space.pullBack(variables, slope)
    if (mask !== undefined) for (let i = 0; i < slope.length; i++) slope[i] *= mask[i]
    optimizer.descend(variables, slope, rate?.(step / steps) ?? options.learningRate)
  }
}

/** ||x - input||², and its gradient. */
function squared(input: Float32Array): Descent['distance'] {
  return (point, gradient) => {
    let sum = 0
    for (let i = 0; i < point.length; i++) {
      const change = point[i] - input[i]
      gradient[i] += 2 * change
      sum += change * change
    }
    return sum
  }
}

/** Ends when a tenth of the steps brought less than a ten-thousandth. */
function stalls(steps: number): Descent['ends'] {
  const period = Math.ceil(steps / 10)
  let previous = Number.POSITIVE_INFINITY
  return (step, objective) => {
    if (step % period !== 0) return false
    const stalled = objective > previous * 0.9999
    previous = objective
    return stalled
  }
}

const never = () => false

/** L2: the constant grows tenfold until a point is found, then lies in the middle of the last that failed and the least that did not. */
function* bisectConstant(run: Run): Steps<'gradients', void> {
  const { options, sample, space } = run
  const steps = options.steps ?? 10_000
  let constant = options.initialConstant ?? 1e-3
  let low = 0
  let high = Number.POSITIVE_INFINITY
  for (let turn = 0; turn < options.searches; turn++) {
    // The last of many turns goes back to what is known to work.
    if (options.searches >= 10 && turn === options.searches - 1 && Number.isFinite(high)) constant = high
    const { best } = yield* descend(run, {
      steps,
      constant,
      variables: space.center.slice(),
      distance: squared(sample.input),
      ends: options.abortEarly ? stalls(steps) : never,
    })
    if (Number.isFinite(best)) high = constant
    else low = constant
    constant = Number.isFinite(high) ? (low + high) / 2 : constant * 10
  }
}

const largestConstant = { Linf: 20, L0: 2e6 }

/**
 * Linf: sum max(|x - input| - tau, 0) as the distance. The constant doubles on failure, up to the largest; tau follows the best point down
 * until that fails too, then lies in the middle of the bound that failed and the distance found.
 */
function* shrinkBound(run: Run): Steps<'gradients', void> {
  const { options, sample, space, nearest } = run
  const variables = space.center.slice()
  const kept = variables.slice()
  const width = widest(boxOf(sample, run.threat))
  let constant = options.initialConstant ?? 1e-5
  let working = constant
  let failed = 0
  let tau = width
  while (tau > width / 255 && failed < (1 - options.precision) * nearest.distance) {
    const { best } = yield* descend(run, {
      steps: options.steps ?? 1000,
      constant,
      variables,
      distance: beyond(sample.input, tau),
      rate: share => cosine(share, options.learningRate, options.learningRate / 100),
      ends: options.abortEarly ? endsBelow(1e-4 * constant) : never,
    })
    if (best <= tau * (1 + options.precision / 2)) {
      working = constant
      kept.set(variables)
    } else if (2 * constant < largestConstant.Linf) {
      constant *= 2
      continue
    } else {
      // Without any success a smaller bound has none either.
      if (nearest.point === undefined) return
      failed = Math.min(tau, (1 - options.precision / 2) * nearest.distance)
      constant = working
      variables.set(kept)
    }
    tau = failed > 0 ? (failed + nearest.distance) / 2 : options.decrease * Math.min(tau, best)
  }
}

/** The sum of what exceeds the bound, and its gradient. */
function beyond(input: Float32Array, bound: number): Descent['distance'] {
  return (point, gradient) => {
    let sum = 0
    for (let i = 0; i < point.length; i++) {
      const change = point[i] - input[i]
      if (Math.abs(change) <= bound) continue
      gradient[i] += Math.sign(change)
      sum += Math.abs(change) - bound
    }
    return sum
  }
}

function endsBelow(least: number): Descent['ends'] {
  return (_step, objective) => objective < least
}

/** The largest extent of a feature; 1 where no feature has two bounds. */
function widest({ low, high }: Region): number {
  let width = 0
  for (let i = 0; i < low.length; i++) {
    const extent = high[i] - low[i]
    if (extent > width && Number.isFinite(extent)) width = extent
  }
  return width > 0 ? width : 1
}

/**
 * L0: descends on distance in L2 until misclassified, then shuts the features for whose change the misclassification would pay least,
 * and goes on from there until it fails.
 */
function* dropFeatures(run: Run): Steps<'gradients', void> {
  const { options, sample, space } = run
  const { input } = sample
  const mask = new Uint8Array(input.length).fill(1)
  const variables = space.center.slice()
  let constant = options.initialConstant ?? 1e-3
  while (constant < largestConstant.L0) {
    const from = variables.slice()
    const { point, gradient, misclassified } = yield* descend(run, {
      steps: options.steps ?? 1000,
      constant,
      variables,
      distance: squared(input),
      mask,
      ends: (_step, _objective, misclassified) => misclassified,
    })
    if (!misclassified) {
      variables.set(from)
      constant *= 2
      continue
    }
    if (!shutFeatures(mask, input, point, gradient)) return
  }
}

/** Shuts up to 0.3 sqrt(changed) of the features of least |gradient x change|; false when none is left open. */
function shutFeatures(mask: Uint8Array, input: Float32Array, point: Float32Array, gradient: Float32Array): boolean {
  const gain = point.map((x, i) => Math.abs((x - input[i]) * gradient[i]))
  const open = Array.from(mask.keys()).filter(i => mask[i] === 1)
  const changed = open.filter(i => Math.abs(point[i] - input[i]) > 1e-4).length
  open.sort((i, j) => gain[i] - gain[j] || i - j)
  let shut = 0
  for (const i of open) {
    mask[i] = 0
    if (gain[i] > 0.01 || (gain[i] > 0 && ++shut >= 0.3 * Math.sqrt(changed))) break
  }
  return open.length > 0 && lengths.L1(gain) > 0
}
