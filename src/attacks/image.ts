/** How the features of a sample lie as pixels, for attacks that change windows, pixels or patches. */
import type { Random } from '../random.js'
import type { Shape } from '../tensor/tensor.js'

export interface ImageLayout {
  readonly channels: number
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
 * read. Two dimensions are [H, W]. All else has no neighbourhoods known here and is one row of pixels.
 */
export function imageLayout(shape: Shape): ImageLayout {
  const could = (size: number) => size === 1 || size === 3 || size === 4
  if (shape.length === 3) {
    const [a, b, c] = shape
    if (could(c) && !could(a)) {
      return { channels: c, height: a, width: b, channelStride: 1, rowStride: b * c, columnStride: c }
    }
    return { channels: a, height: b, width: c, channelStride: b * c, rowStride: c, columnStride: 1 }
  }
  const [height, width] = shape.length === 2 ? shape : [1, shape.reduce((product, size) => product * size, 1)]
  return { channels: 1, height, width, channelStride: height * width, rowStride: width, columnStride: 1 }
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

/** A window of about this share of the pixels, at least `least` on each side where the image allows it, somewhere in the image. */
export function drawWindow(image: ImageLayout, share: number, least: number, odd: boolean, random: Random): Window {
  const { height, width } = image
  const sides = windowSides(image, share)
  const sideOf = (side: number, limit: number) => {
    const wanted = Math.max(side, least)
    return Math.min(odd && wanted % 2 === 0 ? wanted + 1 : wanted, limit)
  }
  const tall = sideOf(sides.height, height)
  const wide = sideOf(sides.width, width)
  return {
    top: random.integer(height - tall + 1),
    left: random.integer(width - wide + 1),
    height: tall,
    width: wide,
  }
}

/** A square; where it is taller or wider than the image, as long a rectangle as covers the same share. */
function windowSides({ height, width }: ImageLayout, share: number): { height: number; width: number } {
  const side = Math.round(Math.sqrt(share * height * width))
  if (side > height) return { height, width: Math.round(share * width) }
  if (side > width) return { height: Math.round(share * height), width }
  return { height: side, width: side }
}
