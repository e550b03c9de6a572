/** Low frequencies of images, for searches in fewer dimensions: the orthonormal cosine basis of each channel. */
import type { Random } from '../random.js'
import type { ImageLayout } from './image.js'

/** Signals are long: beyond so many in a direction, frequencies are no low ones. */
const mostFrequencies = 512

/** Numbers that are kept at most. */
const mostKept = 2 ** 24

/** All searches of a run ask for the same ones. */
const kept = new Map<string, Float64Array>()
let keptNumbers = 0

/** The cosine of frequency k at 0 … size - 1, of unit length. */
function cosine(size: number, k: number): Float64Array {
  const key = `${size} ${k}`
  const known = kept.get(key)
  if (known !== undefined) return known
  const scale = Math.sqrt((k === 0 ? 1 : 2) / size)
  const made = Float64Array.from({ length: size }, (_, i) => scale * Math.cos((Math.PI * (i + 0.5) * k) / size))
  if (keptNumbers + size <= mostKept) {
    kept.set(key, made)
    keptNumbers += size
  }
  return made
}

export interface Frequencies {
  /** How many basis vectors there are: those of the lowest frequencies in both directions, of every channel. */
  readonly count: number
  /** out = the basis vector with this number. */
  wave(index: number, out: Float32Array): void
  /** out = a combination of all with standard normal weights. */
  noise(random: Random, out: Float32Array): void
}

/** @param share of the frequencies in each direction, in (0, 1]; at least one is taken, at most 512. */
export function lowFrequencies(image: ImageLayout, share: number): Frequencies {
  const { channels, height, width, channelStride, rowStride, columnStride } = image
  const of = (size: number) => Math.min(mostFrequencies, Math.max(1, Math.round(share * size)))
  const [tall, wide] = [of(height), of(width)]
  const each = tall * wide

  /** Writes one channel, the sum over k of row k times what there is of its columns, [frequency, column]. */
  function write(channel: number, rows: readonly Float64Array[], columns: Float64Array, out: Float32Array): void {
    for (let i = 0; i < height; i++) {
      for (let j = 0; j < width; j++) {
        let sum = 0
        for (let k = 0; k < rows.length; k++) sum += rows[k][i] * columns[k * width + j]
        out[channel * channelStride + i * rowStride + j * columnStride] = sum
      }
    }
  }

  return {
    count: channels * each,
    wave(index, out) {
      const [k, l] = [Math.floor((index % each) / wide), index % wide]
      out.fill(0)
      write(Math.floor(index / each), [cosine(height, k)], cosine(width, l), out)
    },
    noise(random, out) {
      const rows = Array.from({ length: tall }, (_, k) => cosine(height, k))
      const partial = new Float64Array(tall * width)
      const weights = new Float64Array(each)
      for (let channel = 0; channel < channels; channel++) {
        partial.fill(0)
        random.normals(weights)
        for (let l = 0; l < wide; l++) {
          const column = cosine(width, l)
          for (let k = 0; k < tall; k++) {
            const weight = weights[k * wide + l]
            for (let j = 0; j < width; j++) partial[k * width + j] += weight * column[j]
          }
        }
        write(channel, rows, partial, out)
      }
    },
  }
}
