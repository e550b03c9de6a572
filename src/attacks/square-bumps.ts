/**
 * The moves of Square Attack in L2 and L1: windows that hold a bump and its negative, and take their budget from what another window
 * gives up. Differences from the reference implementation (auto-attack, square.py): each channel keeps the budget of its own
 * windows, as in the authors' code, so that a change leaves the total at epsilon and the rest of the image as it is.
 */
import { copyWindow, drawWindow, type Window } from './image.js'
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
  const shapes = new Map<string, Float64Array>()
  let used = 0
  let usedNow = 0
  let source: Window = { top: 0, left: 0, height: 0, width: 0 }
  let target = source
  let everywhere = false

  /** The bump of a window's size, in one of its two orientations. */
  function shapeFor({ height, width }: Window): Float64Array {
    const along = height > 1 && (width === 1 || (random.uint32() & 1) === 0)
    const key = `${height} ${width} ${along}`
    let shape = shapes.get(key)
    if (shape === undefined) {
      shape = along ? bump(height, width, power) : transposed(bump(width, height, power), width, height)
      shapes.set(key, shape)
    }
    return shape
  }

  /** Writes the pixels of a window, as features of the first channel, row by row. Gives their number. */
  function list({ top, left, height, width }: Window, out: Int32Array): number {
    let count = 0
    for (let row = top; row < top + height; row++) {
      for (let column = left; column < left + width; column++) out[count++] = row * rowStride + column * columnStride
    }
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
    const tile = { height: Math.max(1, Math.floor(image.height / 5)), width: Math.max(1, Math.floor(image.width / 5)) }
    const rows = Math.floor(image.height / tile.height)
    const columns = Math.floor(image.width / tile.width)
    const top = Math.floor((image.height - rows * tile.height) / 2)
    const left = Math.floor((image.width - columns * tile.width) / 2)
    const change = new Float64Array(center.length)
    let total = 0
    for (let i = 0; i < rows; i++) {
      for (let j = 0; j < columns; j++) {
        const window = { top: top + i * tile.height, left: left + j * tile.width, ...tile }
        const shape = shapeFor(window)
        const count = list(window, targetPixels)
        for (let channel = 0; channel < channels; channel++) {
          const sign = random.uint32() & 1 ? 1 : -1
          for (let k = 0; k < count; k++) {
            const value = sign * shape[k]
            change[targetPixels[k] + channel * channelStride] = value
            total += measure(value)
          }
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

  function change(point: Float32Array, share: number): void {
    target = drawWindow(image, share, 3, true, random)
    source = {
      ...target,
      top: random.integer(image.height - target.height + 1),
      left: random.integer(image.width - target.width + 1),
    }
    const shape = shapeFor(target)
    const spare = Math.max(0, budget * (1 - 1e-6) - used) / channels
    const count = list(target, targetPixels)
    list(source, sourcePixels)
    const common = list(overlap(source, target), commonPixels)
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
      copyWindow(from, to, image, source)
      copyWindow(from, to, image, target)
    }
  }

  return {
    start,
    change,
    keep(point) {
      copy(point, best)
      used = usedNow
    },
    undo: point => copy(best, point),
  }
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

/** Half a window of a pyramid, half of its negative, along the rows; sum of |.|^power is 1. */
function bump(height: number, width: number, power: 1 | 2): Float64Array {
  const upper = Math.floor(height / 2)
  const out = new Float64Array(height * width)
  out.set(pyramid(upper, width, power))
  out.set(
    pyramid(height - upper, width, power).map(value => -value),
    upper * width,
  )
  return normalised(out, power)
}

/** Height at Chebyshev distance d from the middle: the sum of k^-2 (L2) or k^-4 (L1) over k = d + 1 … half the longer side + 1. */
function pyramid(height: number, width: number, power: 1 | 2): Float64Array {
  const [middleRow, middleColumn] = [Math.floor(height / 2), Math.floor(width / 2)]
  const levels = Math.max(middleRow, middleColumn) + 1
  const heights = new Float64Array(levels + 1)
  for (let d = levels - 1; d >= 0; d--) heights[d] = heights[d + 1] + (d + 1) ** (power === 2 ? -2 : -4)
  const out = new Float64Array(height * width)
  for (let i = 0; i < height; i++) {
    for (let j = 0; j < width; j++) {
      out[i * width + j] = heights[Math.max(Math.abs(i - middleRow), Math.abs(j - middleColumn))]
    }
  }
  return normalised(out, power)
}

function normalised(values: Float64Array, power: 1 | 2): Float64Array {
  const sum = values.reduce((total, value) => total + Math.abs(value) ** power, 0)
  return sum > 0 ? values.map(value => value / sum ** (1 / power)) : values
}

/** From [height, width] to [width, height]. */
function transposed(values: Float64Array, height: number, width: number): Float64Array {
  return values.map((_, k) => values[(k % height) * width + Math.floor(k / height)])
}
