/**
 * JSMA: the Jacobian's saliency map: the pair of features that raises a target class and lowers the others most goes to the end of the
 * box, again and again. Papernot, McDaniel, Jha, Fredrikson, Celik, Swami, "The limitations of deep learning in adversarial settings"
 * (EuroS&P 2016); in both directions and over several targets as in Wiyatno and Xu, "Maximal Jacobian-based saliency map attack" (2018).
 *
 * Differences from the reference implementation (cleverhans): features may rise and fall; the likeliest wrong classes are the targets,
 * the nearest result counts; slopes count times the way to the end of the box; pairs are sought among the features that stand out
 * alone, not among all d² / 2; a final restoration.
 */
import { z } from 'zod'
import { askGradient, askLabel, askScores, defineAttack, type Sample, type Steps } from './attack.js'
import { boxOf, type Nearest, nearestTo, refine, refinements } from './nearest.js'
import { likeliestOthers } from './targets.js'

const options = z.strictObject({
  targets: z.int().min(1).max(100_000).default(9).describe('how many of the likeliest wrong classes to aim at'),
  share: z.number().gt(0).max(1).default(0.145).describe('largest share of the features that may change'),
  directions: z
    .enum(['both', 'up', 'down'])
    .default('both')
    .describe('whether features may rise, fall, or do either; the paper raises them'),
  candidates: z.int().min(2).max(10_000).default(64).describe('features among which pairs are sought'),
  refine: refinements,
})

export const jsma = defineAttack({
  name: 'jsma',
  paper: 'Papernot et al., The limitations of deep learning in adversarial settings, EuroS&P 2016',
  access: 'gradients',
  norms: ['L0'],
  kind: 'minimum',
  options,
  losses: () => ['linear'],
  *search(sample, threat, options) {
    const nearest = nearestTo(sample, threat)
    const { logits } = yield* askScores(sample.input)
    const { low, high } = boxOf(sample, threat)
    for (const target of likeliestOthers(logits, sample.label, options.targets)) {
      yield* towards(target, sample, nearest, options, { low, high })
    }
    yield* refine(sample, threat, nearest, options.refine)
    return nearest.point
  },
})

type Options = z.infer<typeof options>

/** Changes pairs until the class changes, the share is used up, no further change helps, or an earlier target was nearer. */
function* towards(
  target: number,
  sample: Sample,
  nearest: Nearest,
  options: Options,
  { low, high }: { readonly low: Float32Array; readonly high: Float32Array },
): Steps<'gradients', void> {
  const { input, classes } = sample
  const point = input.slice()
  const used = new Uint8Array(input.length)
  const toTarget = Float32Array.from({ length: classes }, (_, k) => (k === target ? 1 : 0))
  const toOthers = toTarget.map(weight => 1 - weight)
  const most = Math.max(2, options.share * input.length)
  for (let changed = 0; changed + 2 <= most && changed < nearest.distance; changed += 2) {
    const raises = (yield* askGradient(point, { loss: 'linear', weights: toTarget })).gradient.slice()
    const others = (yield* askGradient(point, { loss: 'linear', weights: toOthers })).gradient
    const pair = bestPair(candidatesOf(raises, others, point, used, { low, high }, options), options.candidates)
    if (pair.length === 0) return
    for (const { i, up } of pair) {
      used[i] = 1
      point[i] = endOf(point[i], up ? high[i] : low[i], up)
      const { label } = yield* askLabel(point)
      if (nearest.offer(point, label)) return
    }
  }
}

/** The bound; one unit away where there is none. */
function endOf(value: number, bound: number, up: boolean): number {
  return Number.isFinite(bound) ? bound : value + (up ? 1 : -1)
}

/** A feature and the direction in which it may move. */
interface Candidate {
  readonly i: number
  readonly up: boolean
  /** By how much the move to the box's end raises the target (alpha), and lowers the others together (-beta), to first order. */
  readonly raises: number
  readonly lowers: number
}

function candidatesOf(
  raises: Float32Array,
  others: Float32Array,
  point: Float32Array,
  used: Uint8Array,
  { low, high }: { readonly low: Float32Array; readonly high: Float32Array },
  { directions }: Options,
): Candidate[] {
  const found: Candidate[] = []
  for (let i = 0; i < point.length; i++) {
    if (used[i] === 1) continue
    for (const up of [true, false]) {
      const move = endOf(point[i], up ? high[i] : low[i], up) - point[i]
      if (move === 0 || directions === (up ? 'down' : 'up')) continue
      found.push({ i, up, raises: raises[i] * move, lowers: -others[i] * move })
    }
  }
  return found
}

/**
 * The pair with the largest (alpha_p + alpha_q) x -(beta_p + beta_q), both factors positive, among the candidates of largest alpha, of
 * largest -beta and of largest sum; one feature when no two are left.
 */
function bestPair(candidates: readonly Candidate[], count: number): Candidate[] {
  const best = (score: (candidate: Candidate) => number) =>
    candidates.toSorted((a, b) => score(b) - score(a) || a.i - b.i).slice(0, Math.ceil(count / 3))
  const short = [...new Set([...best(c => c.raises), ...best(c => c.lowers), ...best(c => c.raises + c.lowers)])]
  let pair: Candidate[] = []
  let highest = 0
  for (const [p, first] of short.entries()) {
    for (const second of short.slice(p + 1)) {
      const raises = first.raises + second.raises
      const lowers = first.lowers + second.lowers
      if (first.i === second.i || raises <= 0 || lowers <= 0 || raises * lowers <= highest) continue
      highest = raises * lowers
      pair = first.raises + first.lowers >= second.raises + second.lowers ? [first, second] : [second, first]
    }
  }
  return pair.length > 0 ? pair : short.filter(c => c.raises > 0 && c.lowers > 0).slice(0, 1)
}
