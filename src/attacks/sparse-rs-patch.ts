/** Sparse-RS with a patch: squares of random colour inside the patch, and moves of the patch, less far as the queries run out. */
import { copyWindow, type Window } from './image.js'
import type { SparseContext, SparseMoves } from './sparse-rs.js'

/** After these iterations out of 10,000 the share of the patch that a step repaints is divided by this. */
const divisors = [
  [10, 2],
  [50, 4],
  [200, 8],
  [500, 16],
  [1000, 32],
  [4000, 64],
  [8000, 128],
] as const

/** The patch is the largest square that holds no more than epsilon features, all channels counted; it may hang over no edge. */
export function patchMoves(context: SparseContext): SparseMoves {
  const { center, ends, image, epsilon, share, total, scaled, random } = context
  const { channels, channelStride, rowStride, columnStride } = image
  const side = Math.min(Math.floor(Math.sqrt(epsilon / channels)), image.height, image.width)
  let colours = new Float64Array(channels * side * side)
  let next = colours.slice()
  let place = { top: 0, left: 0 }
  let nextPlace = place

  const window = ({ top, left }: { top: number; left: number }): Window => ({ top, left, height: side, width: side })

  /** Colours run from 0 to 1, from the low to the high end of the box. */
  function paint(point: Float32Array): void {
    for (let channel = 0; channel < channels; channel++) {
      for (let row = 0; row < side; row++) {
        for (let column = 0; column < side; column++) {
          const at =
            channel * channelStride + (nextPlace.top + row) * rowStride + (nextPlace.left + column) * columnStride
          const colour = next[(channel * side + row) * side + column]
          point[at] = ends.low[at] + colour * (ends.high[at] - ends.low[at])
        }
      }
    }
  }

  function repaint(iteration: number): void {
    const at = scaled(iteration)
    const divisor = divisors.findLast(([after]) => at > after)?.[1] ?? 1
    const size = Math.max(1, Math.floor(Math.sqrt(share / divisor) * side))
    const [top, left] = [random.integer(side - size + 1), random.integer(side - size + 1)]
    for (let channel = 0; channel < channels; channel++) {
      const sign = random.uint32() & 1 ? 1 : -1
      for (let row = top; row < top + size; row++) {
        for (let column = left; column < left + size; column++) {
          const k = (channel * side + row) * side + column
          next[k] = Math.min(1, Math.max(0, next[k] + sign))
        }
      }
    }
  }

  function move(reach: number): void {
    const shifted = (from: number, limit: number) =>
      Math.min(limit, Math.max(0, from - reach + random.integer(2 * reach + 1)))
    nextPlace = {
      top: shifted(place.top, image.height - side),
      left: shifted(place.left, image.width - side),
    }
  }

  return {
    start(point) {
      if (side === 0) return false
      for (let channel = 0; channel < channels; channel++) {
        for (let column = 0; column < side; column++) {
          const colour = random.uint32() & 1
          for (let row = 0; row < side; row++) next[(channel * side + row) * side + column] = colour
        }
      }
      colours.set(next)
      place = { top: random.integer(image.height - side + 1), left: random.integer(image.width - side + 1) }
      nextPlace = place
      paint(point)
      return true
    },
    change(point, iteration) {
      copyWindow(center, point, image, window(place))
      const reach = Math.floor(((0.75 * Math.max(0, total - iteration)) / total) * image.height)
      const moves = iteration % (5 * (1 + Math.floor(iteration / 1000))) === 0 && reach > 0
      if (moves) move(reach)
      else repaint(iteration)
      paint(point)
    },
    keep() {
      ;[colours, next] = [next, colours]
      next.set(colours)
      place = nextPlace
    },
    undo(point) {
      copyWindow(center, point, image, window(nextPlace))
      next.set(colours)
      nextPlace = place
      paint(point)
    },
  }
}
