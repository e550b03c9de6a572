/**
 * Sparse-RS: random search over which features change, each to one end of the box, or over the place and content of a square patch.
 * Croce, Andriushchenko, Singh, Flammarion, Hein, "Sparse-RS: a versatile framework for query-efficient sparse black-box adversarial
 * attacks" (AAAI 2022).
 *
 * Differences from the reference implementation (sparse-rs, rs_attacks.py): epsilon counts features, as the L0 norm here does, where the reference
 * counts pixels (the option `unit: pixels` changes all channels of epsilon / channels pixels); a feature that lies at one end already
 * is set to the other, for no change would be lost; the starting point counts as one of the queries.
 */
import { z } from 'zod'
import { marginOf } from '../model/batch-model.js'
import type { Random } from '../random.js'
import { regionOf } from '../threat/threat.js'
import { askScores, defineAttack } from './attack.js'
import { type Extremes, extremesOf } from './extremes.js'
import { type ImageLayout, imageLayout } from './image.js'
import { shuffleFirst } from './shuffle.js'
import { patchMoves } from './sparse-rs-patch.js'

export const sparseRsOptions = z.strictObject({
  queries: z.int().min(1).max(10_000_000).default(10_000).describe('queries of each restart'),
  restarts: z.int().min(1).max(10_000).default(1).describe('random starts'),
  share: z
    .number()
    .positive()
    .max(1)
    .default(0.3)
    .describe('first share of the changes that a step moves elsewhere (alpha)'),
  unit: z
    .enum(['features', 'pixels', 'patch'])
    .default('features')
    .describe('what changes: single features, whole pixels, or a square patch'),
  rescale: z
    .boolean()
    .default(true)
    .describe('stretch the schedule, made for 10,000 queries, to the queries there are'),
})

/** Where to start, and how to change the point in place. */
export interface SparseMoves {
  /** Says whether epsilon allows any change. */
  start(point: Float32Array): boolean
  change(point: Float32Array, iteration: number): void
  keep(point: Float32Array): void
  undo(point: Float32Array): void
}

export interface SparseContext {
  readonly center: Float32Array
  readonly ends: Extremes
  readonly image: ImageLayout
  /** Features that may change. */
  readonly epsilon: number
  /** Share of the schedule at an iteration of 10,000. */
  readonly share: number
  /** Iterations there will be. */
  readonly total: number
  /** The iteration as the schedule counts it. */
  scaled(iteration: number): number
  readonly random: Random
}

const moves: { readonly [U in z.infer<typeof sparseRsOptions>['unit']]: (context: SparseContext) => SparseMoves } = {
  features: context => swaps(context, 1),
  pixels: context => swaps(context, context.image.channels),
  patch: patchMoves,
}

export const sparseRs = defineAttack({
  name: 'sparse-rs',
  paper:
    'Croce et al., Sparse-RS: a versatile framework for query-efficient sparse black-box adversarial attacks, AAAI 2022',
  access: 'scores',
  norms: ['L0'],
  kind: 'budget',
  pictures: ({ unit }) => unit === 'patch',
  options: sparseRsOptions,
  losses: () => [],
  *search(sample, threat, { queries, restarts, share, unit, rescale }, random) {
    const region = regionOf(threat, sample.input)
    const context = {
      center: region.center,
      ends: extremesOf(region),
      image: imageLayout(sample.shape),
      epsilon: Math.min(region.epsilon, sample.input.length),
      share,
      total: queries,
      scaled: (iteration: number) => (rescale ? Math.floor((iteration / queries) * 10_000) : iteration),
    }
    let best: { point: Float32Array; margin: number } | undefined
    for (let restart = 0; restart < restarts; restart++) {
      const point = sample.input.slice()
      const { start, change, keep, undo } = moves[unit]({ ...context, random: random(restart) })
      if (!start(point)) return undefined
      let margin = marginOf((yield* askScores(point)).logits, sample.label)
      for (let query = 1; query < queries; query++) {
        change(point, query)
        const next = marginOf((yield* askScores(point)).logits, sample.label)
        if (next < margin || next < -1e-6) {
          margin = next
          keep(point)
        } else undo(point)
      }
      if (best === undefined || margin < best.margin) best = { point, margin }
    }
    return best?.point
  },
})

/** After these iterations out of 10,000 the share of moved changes is divided by this. */
const divisors = [
  [0, 2],
  [50, 4],
  [200, 5],
  [500, 6],
  [1000, 8],
  [2000, 10],
  [4000, 12],
  [6000, 15],
  [8000, 20],
] as const

/** A set of changed units; a step gives some of them back and changes as many others. */
function swaps({ center, ends, image, epsilon, share, scaled, random }: SparseContext, channels: number): SparseMoves {
  const count = center.length / channels
  const changed = Math.floor(epsilon / channels)
  const order = Uint32Array.from({ length: count }, (_, unit) => unit)
  // The first `changed` units of the order are the changed ones.
  const inside = order.subarray(0, changed)
  const outside = order.subarray(changed)
  const best = center.slice()
  let moved = 0

  const featureOf = (unit: number, channel: number) =>
    channels === 1
      ? unit
      : Math.floor(unit / image.width) * image.rowStride +
        (unit % image.width) * image.columnStride +
        channel * image.channelStride

  function copyUnit(from: Float32Array, to: Float32Array, unit: number): void {
    for (let channel = 0; channel < channels; channel++) {
      const i = featureOf(unit, channel)
      to[i] = from[i]
    }
  }
  function jump(point: Float32Array, unit: number): void {
    for (let channel = 0; channel < channels; channel++) {
      const i = featureOf(unit, channel)
      const [end, other] = random.uint32() & 1 ? [ends.high[i], ends.low[i]] : [ends.low[i], ends.high[i]]
      point[i] = end === center[i] ? other : end
    }
  }
  function copyMoved(from: Float32Array, to: Float32Array): void {
    for (let k = 0; k < moved; k++) {
      copyUnit(from, to, inside[k])
      copyUnit(from, to, outside[k])
    }
  }

  return {
    start(point) {
      shuffleFirst(order, changed, random)
      for (const unit of inside) jump(point, unit)
      best.set(point)
      return changed > 0
    },
    change(point, iteration) {
      const at = scaled(iteration)
      const divisor = divisors.findLast(([after]) => at > after)?.[1] ?? 1
      moved = Math.min(Math.max(1, Math.floor((share / divisor) * changed)), changed, outside.length)
      shuffleFirst(inside, moved, random)
      shuffleFirst(outside, moved, random)
      for (let k = 0; k < moved; k++) {
        copyUnit(center, point, inside[k])
        jump(point, outside[k])
      }
    },
    keep(point) {
      copyMoved(point, best)
      for (let k = 0; k < moved; k++) {
        const unit = inside[k]
        inside[k] = outside[k]
        outside[k] = unit
      }
    },
    undo: point => copyMoved(best, point),
  }
}
