/**
 * The moves of Square Attack in L2 and L1: windows that hold a bump and its negative, and take their budget from what another window
 * gives up. Differences from the reference implementation (auto-attack, square.py): each channel keeps the budget of its own
 * windows, as in the authors' code, so that a change leaves the total at epsilon and the rest of the image as it is.
 */
import { copyWindow, type ImageLayout, placed, type Sides, sidesOf, type Window, windowsAt } from './image.js'
import type { MoveContext, Moves } from './square.js'

/** Budgets are sums of |change|^power: with the power 2 epsilon² for L2, with 1 epsilon for L1. */
export function bumps({ norm, region, image, random }: MoveContext, power: 1 | 2): Moves {
  const { center, low, high, epsilon } = region
  const { channels, channelStride, rowStride, columnStride } = image
  const measure = power === 2 ? (value: number) => value * value : Math.abs
  const budget = measure(epsilon)
  /** Below it no rounding of the running sum hides that a point is too far. */
  const safe = budget * (1 - 1e-9)
  const best = new Float32Array(center.length)
  const pixelList = () => new Int32Array(image.height * image.width)
  const [sourcePixels, targetPixels, commonPixels] = [pixelList(), pixelList(), pixelList()]
  const shapes = new Map<Sides, { readonly orders: readonly Order[]; readonly bumps: Float64Array[] }>()
  let used = 0
  let usedNow = 0
  let source: readonly Window[] = []
  let target = source
  let everywhere = false

  /** The bump of windows of these sides, in one of its orientations. */
  function shapeFor(sides: Sides): Float64Array {
    let known = shapes.get(sides)
    if (known === undefined) {
      known = { orders: orientations(sides), bumps: [] }
      shapes.set(sides, known)
    }
    const { orders, bumps } = known
    const chosen = orders.length === 1 ? 0 : random.integer(orders.length)
    bumps[chosen] ??= bump(sides, orders[chosen], power)
    return bumps[chosen]
  }

  /** Writes the pixels of a window behind so many others, as features of the first channel, row by row. Gives how many there are now. */
  function list({ top, left, height, width }: Window, out: Int32Array, before: number): number {
    let count = before
    for (let row = top; row < top + height; row++) {
      for (let column = left; column < left + width; column++) out[count++] = row * rowStride + column * columnStride
    }
    return count
  }

  function listAll(windows: readonly Window[], out: Int32Array): number {
    let count = 0
    for (const window of windows) count = list(window, out, count)
    return count
  }

  /** The pixels that two parts have in common. Windows of different slices have none. */
  function listCommon(): number {
    let count = 0
    for (const one of source) for (const other of target) count = list(overlap(one, other), commonPixels, count)
    return count
  }

  /** The budget that the best point holds in one channel of so many pixels. */
  function heldBy(pixels: Int32Array, count: number, channel: number): number {
    const offset = channel * channelStride
    let sum = 0
    for (let k = 0; k < count; k++) {
      const at = pixels[k] + offset
      sum += measure(best[at] - center[at])
    }
    return sum
  }

  function start(point: Float32Array): void {
    const change = new Float64Array(center.length)
    const { tile, starts } = tiles(image)
    let total = 0
    for (const [slice, row, column] of starts) {
      const shape = shapeFor(tile)
      const count = listAll(windowsAt(image, slice, row, column, tile), targetPixels)
      for (let channel = 0; channel < channels; channel++) {
        const sign = random.uint32() & 1 ? 1 : -1
        for (let k = 0; k < count; k++) {
          const value = sign * shape[k]
          change[targetPixels[k] + channel * channelStride] = value
          total += measure(value)
        }
      }
    }
    const scale = Math.max(1, (budget / total) ** (1 / power))
    for (let i = 0; i < point.length; i++) point[i] = center[i] + scale * change[i]
    norm.project(point, region)
    best.set(point)
    used = measure(norm.distance(point, center))
  }

  /** Fills the target pixels of one channel with the bump on top of what is there, of this budget. Gives what they hold then. */
  function fill(point: Float32Array, count: number, channel: number, shape: Float64Array, share: number): number {
    const offset = channel * channelStride
    const sign = random.uint32() & 1 ? 1 : -1
    const oldScale = 1 / (1e-12 + heldBy(targetPixels, count, channel) ** (1 / power))
    let sum = 0
    for (let k = 0; k < count; k++) {
      const at = targetPixels[k] + offset
      const wanted = sign * shape[k] + (best[at] - center[at]) * oldScale
      sum += measure(wanted)
    }
    const scale = (share / (1e-12 + sum)) ** (1 / power)
    let held = 0
    for (let k = 0; k < count; k++) {
      const at = targetPixels[k] + offset
      const value = center[at] + scale * (sign * shape[k] + (best[at] - center[at]) * oldScale)
      point[at] = value < low[at] ? low[at] : value > high[at] ? high[at] : value
      held += measure(point[at] - center[at])
    }
    return held
  }

  function change(point: Float32Array, sides: Sides): void {
    target = placed(image, sides, random)
    source = placed(image, sides, random)
    const shape = shapeFor(sides)
    const spare = Math.max(0, budget * (1 - 1e-6) - used) / channels
    const count = listAll(target, targetPixels)
    listAll(source, sourcePixels)
    const common = listCommon()
    usedNow = used
    for (let channel = 0; channel < channels; channel++) {
      // What lies in both windows counts once.
      const held =
        heldBy(sourcePixels, count, channel) +
        heldBy(targetPixels, count, channel) -
        heldBy(commonPixels, common, channel)
      for (let k = 0; k < count; k++) {
        const at = sourcePixels[k] + channel * channelStride
        point[at] = center[at]
      }
      usedNow += fill(point, count, channel, shape, spare + held) - held
    }
    everywhere = false
    if (usedNow <= safe) return
    // Rounding to float32 can lead outside by some units in the last place.
    usedNow = measure(norm.distance(point, center))
    everywhere = usedNow > budget
    if (everywhere) {
      norm.project(point, region)
      usedNow = measure(norm.distance(point, center))
    }
  }

  function copy(from: Float32Array, to: Float32Array): void {
    if (everywhere) to.set(from)
    else {
      for (const window of source) copyWindow(from, to, image, window)
      for (const window of target) copyWindow(from, to, image, window)
    }
  }

  return {
    start,
    sides: share => sidesOf(image, share, 3, true),
    change,
    keep(point) {
      copy(point, best)
      used = usedNow
    },
    undo: point => copy(best, point),
  }
}

/** A fifth of each side of an image, and where such tiles start: slice, row and column. */
function tiles({ slices, height, width }: ImageLayout) {
  const grid = [slices, height / slices, width].map(size => {
    const side = Math.max(1, Math.floor(size / 5))
    const count = Math.floor(size / side)
    const first = Math.floor((size - count * side) / 2)
    return { side, starts: Array.from({ length: count }, (_, at) => first + at * side) }
  })
  const [fronts, tops, lefts] = grid.map(({ starts }) => starts)
  const [depth, tall, wide] = grid.map(({ side }) => side)
  const starts = fronts.flatMap(slice => tops.flatMap(row => lefts.map(column => [slice, row, column] as const)))
  return { tile: { depth, height: tall, width: wide }, starts }
}

/** What two windows have in common; of no size when that is nothing. */
function overlap(a: Window, b: Window): Window {
  const top = Math.max(a.top, b.top)
  const left = Math.max(a.left, b.left)
  return {
    top,
    left,
    height: Math.max(0, Math.min(a.top + a.height, b.top + b.height) - top),
    width: Math.max(0, Math.min(a.left + a.width, b.left + b.width) - left),
  }
}

const axes = ['height', 'width', 'depth'] as const
type Order = readonly (keyof Sides)[]

/** Orders of the axes, each with one first that a bump can go along: a side of more than one pixel. */
function orientations(sides: Sides): readonly Order[] {
  const orders = axes.filter(along => sides[along] > 1).map(along => [along, ...axes.filter(axis => axis !== along)])
  return orders.length === 0 ? [axes] : orders
}

/** Half of the part a pyramid, half of it its negative, along the first axis; slice by slice and row by row. Sum of |.|^power is 1. */
function bump(sides: Sides, order: Order, power: 1 | 2): Float64Array {
  const [first, second, third] = order.map(axis => sides[axis])
  const upper = Math.floor(first / 2)
  const halves = new Float64Array(first * second * third)
  halves.set(pyramid([upper, second, third], power))
  halves.set(
    pyramid([first - upper, second, third], power).map(value => -value),
    upper * second * third,
  )
  const whole = normalised(halves, power)
  const [down, across, back] = axes.map(axis => [second * third, third, 1][order.indexOf(axis)])
  const turned = new Float64Array(whole.length)
  let out = 0
  for (let slice = 0; slice < sides.depth; slice++) {
    for (let row = 0; row < sides.height; row++) {
      for (let column = 0; column < sides.width; column++) {
        turned[out++] = whole[slice * back + row * down + column * across]
      }
    }
  }
  return turned
}

/** Height at Chebyshev distance d from the middle: the sum of k^-2 (L2) or k^-4 (L1) over k = d + 1 … half the longest side + 1. */
function pyramid(sides: readonly number[], power: 1 | 2): Float64Array {
  const middles = sides.map(side => Math.floor(side / 2))
  const levels = Math.max(...middles) + 1
  const heights = new Float64Array(levels + 1)
  for (let d = levels - 1; d >= 0; d--) heights[d] = heights[d + 1] + (d + 1) ** (power === 2 ? -2 : -4)
  const out: number[] = []
  for (let i = 0; i < sides[0]; i++) {
    for (let j = 0; j < sides[1]; j++) {
      for (let k = 0; k < sides[2]; k++) {
        out.push(heights[Math.max(Math.abs(i - middles[0]), Math.abs(j - middles[1]), Math.abs(k - middles[2]))])
      }
    }
  }
  return normalised(Float64Array.from(out), power)
}

function normalised(values: Float64Array, power: 1 | 2): Float64Array {
  const sum = values.reduce((total, value) => total + Math.abs(value) ** power, 0)
  return sum > 0 ? values.map(value => value / sum ** (1 / power)) : values
}
