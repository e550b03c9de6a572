/**
 * The Brendel-Bethge attack: from a misclassified point along the boundary towards the input, by small problems of optimisation within a
 * trust region. Brendel, Rauber, Kümmerer, Ustyuzhaninov, Bethge, "Accurate, reliable and fast robustness evaluation" (NeurIPS 2019).
 *
 * A step looks for the point nearest to the input on the linearised boundary, inside the box and no further than a radius (in L2) from
 * where it stands: shrink(x - l w - input) + input with the norm's own shrinking, the multiplier l such that the boundary is met and as
 * much shrinking as the radius allows. The reference implementation (foolbox) solves the dual by BFGS. Without L0, where steps along a
 * boundary do not lead to few features: the changes left were five times as many as sigma-zero's.
 */
import { z } from 'zod'
import type { HyperplaneNorm } from '../threat/hyperplane.js'
import { clampToBox, type Region } from '../threat/norm.js'
import { askGradient, defineAttack, type Sample, type Steps } from './attack.js'
import { lengths } from './boundary.js'
import { startingPoint, toBoundary } from './decision.js'
import { boxOf, type Nearest, nearestTo, refine, refinements } from './nearest.js'

export const brendelBethge = defineAttack({
  name: 'brendel-bethge',
  paper: 'Brendel et al., Accurate, reliable and fast robustness evaluation, NeurIPS 2019',
  access: 'gradients',
  norms: ['Linf', 'L2', 'L1'],
  kind: 'minimum',
  options: z.strictObject({
    steps: z.int().min(1).max(100_000).default(1000).describe('steps along the boundary'),
    radius: z
      .number()
      .positive()
      .default(1e-3)
      .describe('first radius of the trust region, as a share of the sum of all ranges'),
    decays: z
      .int()
      .min(0)
      .max(1000)
      .default(20)
      .describe('how often the radius is halved, evenly spread over the steps'),
    momentum: z.number().min(0).lt(1).default(0.8).describe('share of the earlier normals in that of the boundary'),
    overshoot: z.number().min(1).max(2).default(1.1).describe('how far to step over the boundary; 1 is onto it'),
    starts: z.int().min(1).max(100_000).default(100).describe('random points tried as a start, before a climb'),
    refine: refinements,
  }),
  losses: () => ['margin'],
  *search(sample, threat, options, random) {
    const { input, label: truth } = sample
    const box = boxOf(sample, threat)
    const norm = threat.norm.name as HyperplaneNorm
    const nearest = nearestTo(sample, threat)
    const point =
      (yield* startingPoint(sample, threat, nearest, options.starts, random(0))) ??
      (yield* climbed(sample, box, nearest))
    if (point === undefined) return undefined
    yield* toBoundary(sample, threat, nearest, point, 1e-3)
    const normal = new Float32Array(input.length)
    const interval = Math.max(1, Math.floor(options.steps / Math.max(1, options.decays)))
    let radius = options.radius * input.reduce((sum, value, i) => sum + rangeOf(box, i, value), 0)
    for (let step = 1; step <= options.steps; step++) {
      const { loss, gradient, label } = yield* askGradient(point, { loss: 'margin', label: truth })
      nearest.offer(point, label)
      const kept = step === 1 ? 0 : options.momentum
      for (let i = 0; i < normal.length; i++) normal[i] = kept * normal[i] + (1 - kept) * gradient[i]
      if (options.decays > 0 && (step + 1) % interval === 0) radius /= 2
      const rise = -loss * (loss < 0 ? options.overshoot : 2 - options.overshoot)
      stepAlong({ point, input, normal, rise, radius, box, norm })
    }
    yield* refine(sample, threat, nearest, options.refine)
    return nearest.point
  },
})

/** Where no random point is misclassified: signed steps up the margin, each a tenth of the range, until one is. */
function* climbed(sample: Sample, box: Region, nearest: Nearest): Steps<'gradients'> {
  const point = sample.input.slice()
  for (let step = 0; step < climbs; step++) {
    const { gradient, label } = yield* askGradient(point, { loss: 'margin', label: sample.label })
    if (nearest.offer(point, label)) return point
    for (let i = 0; i < point.length; i++) point[i] += (Math.sign(gradient[i]) * rangeOf(box, i, point[i])) / 10
    clampToBox(point, box)
  }
  return undefined
}

const climbs = 30

/** Of feature i; where there is none, what such a value suggests. */
function rangeOf({ low, high }: Region, i: number, value: number): number {
  const range = high[i] - low[i]
  return Number.isFinite(range) ? range : 1 + Math.abs(value)
}

interface Problem {
  readonly point: Float32Array
  readonly input: Float32Array
  readonly normal: Float32Array
  /** What normal . step should be. */
  readonly rise: number
  readonly radius: number
  readonly box: Region
  readonly norm: HyperplaneNorm
}

interface Shrinking {
  /** What is left of a difference to the input after shrinking by t in [0, 1]; scale is the largest difference there is. */
  left(difference: number, t: number, scale: number): number
  /** How fast that grows with the difference. */
  slope(difference: number, t: number, scale: number): number
}

const shrinking: { readonly [N in HyperplaneNorm]: Shrinking } = {
  L2: { left: (difference, t) => difference * (1 - t), slope: (_, t) => 1 - t },
  Linf: {
    left: (difference, t, scale) => Math.max(-(1 - t) * scale, Math.min((1 - t) * scale, difference)),
    slope: (difference, t, scale) => (Math.abs(difference) < (1 - t) * scale ? 1 : 0),
  },
  L1: {
    left: (difference, t, scale) => Math.sign(difference) * Math.max(0, Math.abs(difference) - t * scale),
    slope: (difference, t, scale) => (Math.abs(difference) > t * scale ? 1 : 0),
  },
}

/** Moves the point. */
function stepAlong(problem: Problem): void {
  const { point, input, radius } = problem
  const out = new Float32Array(point.length)
  const best = new Float32Array(point.length)
  let scale = 0
  for (let i = 0; i < point.length; i++) scale = Math.max(scale, 1.5 * Math.abs(point[i] - input[i]))
  let { length, multiplier } = meet(problem, 0, scale, 0, best)
  if (length > radius) {
    // The boundary is out of reach: as far towards it as the radius lets.
    for (let i = 0; i < point.length; i++) point[i] += (radius / length) * (best[i] - point[i])
    return
  }
  let low = 0
  let high = 1
  for (let k = 0; k < bisections; k++) {
    const t = (low + high) / 2
    const met = meet(problem, t, scale, multiplier, out)
    if (met.length <= radius) {
      low = t
      multiplier = met.multiplier
      best.set(out)
    } else high = t
  }
  point.set(best)
}

/** Of the shrinking, to 2^-12 of the way; of the multiplier at most. */
const bisections = 12
const mostTrials = 40

/**
 * Writes the point on the linearised boundary, shrunk by t, that the multiplier leads to; gives its L2 distance from where the step
 * begins, and the multiplier, sought from that of less shrinking on. When none leads there: the farthest point towards it for t = 0,
 * else Infinity. What the step gains along the normal grows with the multiplier, after a stretch where shrinking holds all features.
 */
function meet(
  problem: Problem,
  t: number,
  scale: number,
  guess: number,
  out: Float32Array,
): { length: number; multiplier: number } {
  const { normal, rise } = problem
  const tolerance = 1e-3 * Math.abs(rise) + 1e-7
  const still = moveTo(problem, 0, t, scale, out)
  const missing = rise - still.gain
  if (Math.abs(missing) <= tolerance) return { length: still.length, multiplier: 0 }
  const sign = Math.sign(missing)
  const end = moveTo(problem, sign * 1e20, t, scale, out)
  if ((rise - end.gain) * sign > 0) {
    return { length: t === 0 ? end.length : Number.POSITIVE_INFINITY, multiplier: guess }
  }
  let below = 0
  let above = Number.POSITIVE_INFINITY
  let size = guess * sign > 0 ? guess * sign : (missing * sign) / Math.max(1e-30, lengths.L2(normal) ** 2)
  // Newton, and halving or doubling where that leaves what is known to hold the root.
  for (let k = 0; ; k++) {
    const { gain, slope, length } = moveTo(problem, sign * size, t, scale, out)
    const beyond = (gain - rise) * sign
    if (Math.abs(beyond) <= tolerance || k === mostTrials) return { length, multiplier: sign * size }
    if (beyond < 0) below = size
    else above = size
    const next = size - beyond / slope
    size = next > below && next < above ? next : above < Number.POSITIVE_INFINITY ? (below + above) / 2 : 2 * size
  }
}

/**
 * Writes clip(input + shrink(point + multiplier normal - input)); gives its gain along the normal, how fast that grows with the multiplier,
 * and its distance from the point.
 */
function moveTo(
  { point, input, normal, box: { low, high }, norm }: Problem,
  multiplier: number,
  t: number,
  scale: number,
  out: Float32Array,
): { gain: number; slope: number; length: number } {
  const { left, slope: slopeOf } = shrinking[norm]
  let gain = 0
  let slope = 0
  let squares = 0
  for (let i = 0; i < point.length; i++) {
    const difference = point[i] + multiplier * normal[i] - input[i]
    const value = input[i] + left(difference, t, scale)
    const inside = value < low[i] ? low[i] : value > high[i] ? high[i] : value
    const move = inside - point[i]
    out[i] = inside
    gain += normal[i] * move
    if (inside === value) slope += normal[i] * normal[i] * slopeOf(difference, t, scale)
    squares += move * move
  }
  return { gain, slope, length: Math.sqrt(squares) }
}
