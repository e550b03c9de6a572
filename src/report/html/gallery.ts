/**
 * Adversarial examples as the page draws them. Images become 8-bit previews with the change beside them at a scale of its
 * own, so that a change of half a grey level stays visible; features keep their float32 values.
 */
import type { GallerySamples } from './document.js'

/** How to lay out one sample, of values in the order of the data. */
export interface Frame {
  readonly kind: 'image' | 'features'
  /** Of the data: channels, height and width; of features: their number. */
  readonly shape: readonly number[]
  readonly layout: 'CHW' | 'HWC'
  /** Values of black and white. */
  readonly range: readonly [number, number]
  /** Side of the squares that become one pixel. */
  readonly shrink: number
}

/** Longest side of an embedded picture, in pixels. */
const longestSide = 128

export function frameOf(
  kind: Frame['kind'],
  sampleShape: readonly number[],
  { layout, range }: Pick<Frame, 'layout' | 'range'>,
): Frame {
  if (kind === 'features' || sampleShape.length !== 3) {
    const features = sampleShape.reduce((product, size) => product * size, 1)
    return { kind: 'features', shape: [features], layout, range, shrink: 1 }
  }
  const [a, b, c] = sampleShape as [number, number, number]
  const shape = layout === 'CHW' ? [a, b, c] : [c, a, b]
  return { kind, shape, layout, range, shrink: Math.max(1, Math.ceil(Math.max(shape[1]!, shape[2]!) / longestSide)) }
}

/** Shape of the embedded picture: 1 or 3 channels, height, width. Features: their number. */
export function embeddedShape({ kind, shape, shrink }: Frame): number[] {
  if (kind === 'features') return [...shape]
  const [channels, height, width] = shape as [number, number, number]
  return [channels >= 3 ? 3 : 1, Math.ceil(height / shrink), Math.ceil(width / shrink)]
}

/** Characters that one sample takes in the page. */
export function embeddedSize(frame: Frame, hasOriginals: boolean): number {
  const values = embeddedShape(frame).reduce((product, size) => product * size, 1)
  const bytes = frame.kind === 'image' ? (hasOriginals ? 4 + 2 * values : values) : 4 * values * (hasOriginals ? 2 : 1)
  return 4 * Math.ceil(bytes / 3)
}

/** `count` of so many positions, spread evenly: the first one of each of `count` equal parts. */
export function spread(available: number, count: number): number[] {
  if (count >= available) return Array.from({ length: available }, (_, at) => at)
  return Array.from({ length: count }, (_, at) => Math.floor((at * available) / count))
}

export function encodeSample(
  frame: Frame,
  adversarial: Float32Array,
  clean: Float32Array | undefined,
): GallerySamples[number] {
  if (frame.kind === 'features') {
    const values = clean === undefined ? [adversarial] : [clean, adversarial]
    const bytes = Buffer.alloc(values.reduce((sum, each) => sum + each.length * 4, 0))
    let at = 0
    for (const each of values) for (const value of each) at = bytes.writeFloatLE(value, at)
    return bytes.toString('base64')
  }
  if (clean === undefined) return pixels(averaged(frame, adversarial), frame.range).toString('base64')
  const before = averaged(frame, clean)
  const changes = averaged(frame, adversarial).map((value, at) => value - before[at]!)
  const largest = changes.reduce((most, change) => Math.max(most, Math.abs(change)), 0)
  const head = Buffer.alloc(4)
  head.writeFloatLE(largest)
  const scaled = Int8Array.from(changes, change => (largest === 0 ? 0 : Math.round((127 * change) / largest)))
  return Buffer.concat([head, pixels(before, frame.range), Buffer.from(scaled.buffer)]).toString('base64')
}

/** Pixels in rows, channels innermost, each the mean of a square of the picture. */
function averaged(frame: Frame, values: Float32Array): Float64Array {
  const [allChannels, height, width] = frame.shape as [number, number, number]
  const [channels, rows, columns] = embeddedShape(frame) as [number, number, number]
  const { layout, shrink } = frame
  const out = new Float64Array(rows * columns * channels)
  const valueAt = (channel: number, y: number, x: number) =>
    values[layout === 'CHW' ? (channel * height + y) * width + x : (y * width + x) * allChannels + channel]!
  let at = 0
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      for (let channel = 0; channel < channels; channel++) {
        let sum = 0
        let count = 0
        for (let y = row * shrink; y < Math.min(height, (row + 1) * shrink); y++) {
          for (let x = column * shrink; x < Math.min(width, (column + 1) * shrink); x++) {
            sum += valueAt(channel, y, x)
            count++
          }
        }
        out[at++] = sum / count
      }
    }
  }
  return out
}

function pixels(values: Float64Array, [low, high]: readonly [number, number]): Buffer {
  return Buffer.from(
    Uint8Array.from(values, value => Math.round(255 * Math.min(1, Math.max(0, (value - low) / (high - low))))),
  )
}
