/**
 * Square Attack: random search that changes one square window per query, in volumes a cube, and keeps the change when the margin falls.
 * Andriushchenko, Croce, Flammarion, Hein, "Square Attack: a query-efficient black-box adversarial attack via random search" (ECCV 2020).
 *
 * Differences from the reference implementation (auto-attack, square.py): every sample draws its own windows, where the reference
 * shares them in a batch; a window may also start at the last row and column that fit; in Linf a draw that would change nothing is drawn
 * again before it costs a query, as in the authors' own code; the starting point counts as one of the queries. Windows of non-square
 * images grow along the longer side where the shorter one ends, so samples that are not images get one-dimensional windows; those of
 * volumes are cubes that cover the same share.
 */
import { z } from 'zod'
import { marginOf } from '../model/batch-model.js'
import type { Random } from '../random.js'
import type { Norm, NormName, Region } from '../threat/norm.js'
import { regionOf } from '../threat/threat.js'
import { askScores, defineAttack, type ScoreReply } from './attack.js'
import { copyWindow, type ImageLayout, imageLayout, placed, type Sides, sidesOf, type Window } from './image.js'
import { bumps } from './square-bumps.js'

export const squareOptions = z.strictObject({
  queries: z.int().min(1).max(10_000_000).default(5000).describe('queries of each restart'),
  restarts: z.int().min(1).max(10_000).default(1).describe('random starts'),
  share: z.number().positive().max(1).default(0.8).describe('share of the pixels in the first windows'),
  rescale: z
    .boolean()
    .default(false)
    .describe('stretch the schedule of window sizes, made for 10,000 queries, to the queries there are'),
})

/** What a norm contributes: where to start, and how to change the point in place. */
export interface Moves {
  start(point: Float32Array): void
  /** Sides of windows that cover about this share of the pixels. */
  sides(share: number): Sides
  /** Changes windows of these sides. */
  change(point: Float32Array, sides: Sides): void
  /** Makes the last change permanent, or takes it back. */
  keep(point: Float32Array): void
  undo(point: Float32Array): void
}

export interface MoveContext {
  readonly norm: Norm
  readonly region: Region
  readonly image: ImageLayout
  readonly random: Random
}

const moves: { readonly [N in NormName]?: (context: MoveContext) => Moves } = {
  Linf: corners,
  L2: context => bumps(context, 2),
  L1: context => bumps(context, 1),
}

export const square = defineAttack({
  name: 'square',
  paper: 'Andriushchenko et al., Square Attack, ECCV 2020',
  access: 'scores',
  norms: ['Linf', 'L2', 'L1'],
  kind: 'budget',
  options: squareOptions,
  losses: () => [],
  *search(sample, threat, { queries, restarts, share, rescale }, random) {
    const region = regionOf(threat, sample.input)
    const image = imageLayout(sample.shape)
    const movesIn = moves[threat.norm.name]!
    let best: { point: Float32Array; margin: number } | undefined
    for (let restart = 0; restart < restarts; restart++) {
      const point = sample.input.slice()
      const context = { norm: threat.norm, region, image, random: random(restart) }
      const { start, sides: sidesAt, change, keep, undo } = movesIn(context)
      start(point)
      let margin = marginOf((yield* askScores(point)).logits, sample.label)
      const query = { ask: 'scores', points: [point] } as const
      let covered = 1
      let sides = sidesAt(covered)
      for (let asked = 1; asked < queries; asked++) {
        const wanted = shareAt(asked - 1, share, rescale ? queries : 10_000)
        if (wanted !== covered) sides = sidesAt(wanted)
        covered = wanted
        change(point, sides)
        const [reply] = (yield query) as readonly ScoreReply[]
        const next = marginOf(reply.logits, sample.label)
        if (next < margin || next <= 0) {
          margin = next
          keep(point)
        } else undo(point)
      }
      if (best === undefined || margin < best.margin) best = { point, margin }
    }
    return best?.point
  },
})

/** The share halves after these iterations out of 10,000. */
const halvings = [10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000]

/** Share of the pixels that the window of an iteration covers. */
export function shareAt(iteration: number, initial: number, total: number): number {
  const scaled = Math.floor((iteration / total) * 10_000)
  return initial / 2 ** halvings.filter(end => scaled > end).length
}

/**
 * Linf: every feature stays at one end of its bounds, so that points are feasible as they are. Starts with vertical stripes;
 * a change sets a window to one end per channel.
 */
function corners({ region: { low, high }, image, random }: MoveContext): Moves {
  const { channels, height, width, channelStride, rowStride, columnStride } = image
  const best = new Float32Array(low.length)
  let windows: readonly Window[] = []

  /** Sets a channel of the windows to one end; says whether that changes anything. */
  function setTo(end: Float32Array, point: Float32Array, channel: number): boolean {
    // A sum, not a branch: what lies there is as good as random, and waits for memory.
    let moved = 0
    for (const { top, left, height, width } of windows) {
      for (let row = top; row < top + height; row++) {
        let at = channel * channelStride + row * rowStride + left * columnStride
        for (let column = 0; column < width; column++) {
          const value = end[at]
          moved += Math.abs(value - point[at])
          point[at] = value
          at += columnStride
        }
      }
    }
    return moved > 0
  }

  function copy(from: Float32Array, to: Float32Array): void {
    for (const window of windows) copyWindow(from, to, image, window)
  }

  function change(point: Float32Array, sides: Sides): void {
    windows = placed(image, sides, random)
    // A window that cannot change at all (bounds that coincide) is given up after a few draws.
    for (let draw = 0; draw < 10; draw++) {
      let changed = false
      for (let channel = 0; channel < channels; channel++) {
        if (setTo(random.uint32() & 1 ? high : low, point, channel)) changed = true
      }
      if (changed) return
    }
  }

  return {
    start(point) {
      for (let channel = 0; channel < channels; channel++) {
        for (let column = 0; column < width; column++) {
          const end = random.uint32() & 1 ? high : low
          for (let row = 0; row < height; row++) {
            const at = channel * channelStride + row * rowStride + column * columnStride
            point[at] = end[at]
          }
        }
      }
      best.set(point)
    },
    sides: share => sidesOf(image, share, 1, false),
    change,
    keep: point => copy(point, best),
    undo: point => copy(best, point),
  }
}
