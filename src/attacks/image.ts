/** How the features of a sample lie as pixels, for attacks that change windows, pixels or patches. */
import type { Random } from '../random.js'
import type { Shape } from '../tensor/tensor.js'

export interface ImageLayout {
  readonly channels: number
  /** Slices of a volume, whose rows stand one below the other; 1 in images. */
  readonly slices: number
  /** Rows of all slices. */
  readonly height: number
  readonly width: number
  /** Feature of channel c at row i and column j: c * channelStride + i * rowStride + j * columnStride. */
  readonly channelStride: number
  readonly rowStride: number
  readonly columnStride: number
}

/** Rows top … top + height - 1 and columns left … left + width - 1. */
export interface Window {
  readonly top: number
  readonly left: number
  readonly height: number
  readonly width: number
}

/**
 * Three dimensions are [C, H, W], or [H, W, C] when only the last one can be channels (1, 3 or 4): the rule by which data sets are
 * read. Two dimensions are [H, W], also channels and time of a signal: windows are segments of it. Four are volumes [C, D, H, W], whose
 * slices stand one below the other: cubes of them are windows in several slices. All else is one row of pixels.
 */
export function imageLayout(shape: Shape): ImageLayout {
  const could = (size: number) => size === 1 || size === 3 || size === 4
  if (shape.length === 3) {
    const [a, b, c] = shape
    if (could(c) && !could(a)) {
      return { channels: c, slices: 1, height: a, width: b, channelStride: 1, rowStride: b * c, columnStride: c }
    }
    return { channels: a, slices: 1, height: b, width: c, channelStride: b * c, rowStride: c, columnStride: 1 }
  }
  if (shape.length === 4) {
    const [channels, slices, rows, width] = shape
    const height = slices * rows
    return { channels, slices, height, width, channelStride: height * width, rowStride: width, columnStride: 1 }
  }
  const [height, width] = shape.length === 2 ? shape : [1, shape.reduce((product, size) => product * size, 1)]
  return { channels: 1, slices: 1, height, width, channelStride: height * width, rowStride: width, columnStride: 1 }
}

/** Copies a window, all channels of it. */
export function copyWindow(
  from: Float32Array,
  to: Float32Array,
  image: ImageLayout,
  { top, left, height, width }: Window,
): void {
  for (let channel = 0; channel < image.channels; channel++) {
    for (let row = top; row < top + height; row++) {
      let at = channel * image.channelStride + row * image.rowStride + left * image.columnStride
      for (let column = 0; column < width; column++) {
        to[at] = from[at]
        at += image.columnStride
      }
    }
  }
}

/** Slices, rows and columns of a part of an image: of a square, or of a cube of a volume. */
export interface Sides {
  readonly depth: number
  readonly height: number
  readonly width: number
}

/** Sides of a part that covers about this share of the pixels, each at least `least` where the image allows it. */
export function sidesOf({ slices, height, width }: ImageLayout, share: number, least: number, odd: boolean): Sides {
  const limits = slices === 1 ? [height, width] : [height / slices, width, slices]
  const [tall, wide, depth = 1] = equalSides(limits, share).map((side, axis) => {
    const wanted = Math.max(side, least)
    return Math.min(odd && wanted % 2 === 0 ? wanted + 1 : wanted, limits[axis])
  })
  return { depth, height: tall, width: wide }
}

const roots = [() => 1, (length: number) => length, Math.sqrt, Math.cbrt]

/** Where a side would be longer than the image, it ends there, and the others cover as much as makes the same share. */
function equalSides(limits: readonly number[], share: number): number[] {
  const side = Math.round(roots[limits.length](limits.reduce((product, limit) => product * limit, share)))
  const over = limits.findIndex(limit => side > limit)
  if (over < 0) return limits.map(() => side)
  return equalSides(limits.toSpliced(over, 1), share).toSpliced(over, 0, limits[over])
}

/** A part of these sides somewhere in the image: its window in each slice. */
export function placed(image: ImageLayout, sides: Sides, random: Random): Window[] {
  const { slices, height, width } = image
  const front = slices === 1 ? 0 : random.integer(slices - sides.depth + 1)
  const row = random.integer(height / slices - sides.height + 1)
  return windowsAt(image, front, row, random.integer(width - sides.width + 1), sides)
}

/** A part of these sides from a slice, a row in it and a column on. */
export function windowsAt(image: ImageLayout, slice: number, row: number, left: number, sides: Sides): Window[] {
  const { depth, height, width } = sides
  const rows = image.height / image.slices
  const windows = [{ top: slice * rows + row, left, height, width }]
  for (let at = 1; at < depth; at++) windows.push({ top: (slice + at) * rows + row, left, height, width })
  return windows
}

/** Which pixel of an image each pixel of its copy shows: row * width + column, or -1 for black. */
export type PixelMap = Int32Array

/** The image at `height` by `width` pixels, by nearest neighbours, laid into a black image of the old size at (top, left). */
export function resizedInto(image: ImageLayout, { top, left, height, width }: Window): PixelMap {
  const map = new Int32Array(image.height * image.width).fill(-1)
  for (let i = 0; i < height; i++) {
    const row = Math.floor((i * image.height) / height)
    for (let j = 0; j < width; j++) {
      const column = Math.floor((j * image.width) / width)
      map[(top + i) * image.width + left + j] = row * image.width + column
    }
  }
  return map
}

/** out = the copy that the map describes, all channels of it. `out` is not `from`. */
export function applyMap(from: Float32Array, image: ImageLayout, map: PixelMap, out: Float32Array): void {
  alongMap(image, map, (target, source) => (out[target] = source < 0 ? 0 : from[source]))
}

/** The transpose of `applyMap`: sums what each pixel gave to the copy. This is how a gradient to the copy reaches the image. */
export function transposeMap(from: Float32Array, image: ImageLayout, map: PixelMap, out: Float32Array): void {
  out.fill(0)
  alongMap(image, map, (target, source) => {
    if (source >= 0) out[source] += from[target]
  })
}

function alongMap(image: ImageLayout, map: PixelMap, visit: (target: number, source: number) => void): void {
  const { channels, width, channelStride, rowStride, columnStride } = image
  const feature = (pixel: number) => Math.floor(pixel / width) * rowStride + (pixel % width) * columnStride
  for (let pixel = 0; pixel < map.length; pixel++) {
    const target = feature(pixel)
    const source = map[pixel] < 0 ? -1 : feature(map[pixel])
    for (let channel = 0; channel < channels; channel++) {
      const at = channel * channelStride
      visit(target + at, source < 0 ? -1 : source + at)
    }
  }
}

/** Convolves each channel with the same kernel along rows and along columns, in place. Beyond the edge all is zero. */
export function blur(values: Float32Array, image: ImageLayout, kernel: Float32Array): void {
  const { channels, height, width, channelStride, rowStride, columnStride } = image
  const line = new Float32Array(Math.max(height, width))
  for (let channel = 0; channel < channels; channel++) {
    const start = channel * channelStride
    for (let row = 0; row < height; row++) {
      convolve(values, { start: start + row * rowStride, stride: columnStride, length: width }, kernel, line)
    }
    for (let column = 0; column < width; column++) {
      convolve(values, { start: start + column * columnStride, stride: rowStride, length: height }, kernel, line)
    }
  }
}

interface Line {
  readonly start: number
  readonly stride: number
  readonly length: number
}

function convolve(
  values: Float32Array,
  { start, stride, length }: Line,
  kernel: Float32Array,
  line: Float32Array,
): void {
  const half = kernel.length >> 1
  for (let i = 0; i < length; i++) {
    let sum = 0
    for (let k = Math.max(0, half - i); k < kernel.length && i + k - half < length; k++) {
      sum += kernel[k] * values[start + (i + k - half) * stride]
    }
    line[i] = sum
  }
  for (let i = 0; i < length; i++) values[start + i * stride] = line[i]
}
