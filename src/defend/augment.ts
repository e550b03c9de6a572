/** Data augmentation: what changes a training image and not its class. */
import { RobustlyError } from '../errors.js'
import type { Random } from '../random.js'
import { type Shape, sizeOf } from '../tensor/tensor.js'

/**
 * Shifts each image of `images` [rows, channels, height, width] in place by at most `most` pixels along both axes; zeros
 * move in. Throws `config` when the samples are no images.
 */
export function shiftImages(
  images: Float32Array,
  sampleShape: Shape,
  most: number,
  random: (row: number) => Random,
): void {
  if (sampleShape.length !== 3) {
    throw new RobustlyError('config', `only images can be shifted, the samples have shape [${sampleShape}]`)
  }
  const [channels, height, width] = sampleShape as readonly [number, number, number]
  const size = sizeOf(sampleShape)
  for (let row = 0; row * size < images.length; row++) {
    const stream = random(row)
    const [down, right] = [stream.integer(2 * most + 1) - most, stream.integer(2 * most + 1) - most]
    for (let channel = 0; channel < channels; channel++) {
      const start = row * size + channel * height * width
      shiftPlane(images.subarray(start, start + height * width), height, width, down, right)
    }
  }
}

function shiftPlane(plane: Float32Array, height: number, width: number, down: number, right: number): void {
  const before = plane.slice()
  plane.fill(0)
  const [from, to] = [Math.max(0, -right), Math.min(width, width - right)]
  for (let y = Math.max(0, down); y < Math.min(height, height + down); y++) {
    const source = (y - down) * width
    if (from < to) plane.set(before.subarray(source + from, source + to), y * width + from + right)
  }
}
