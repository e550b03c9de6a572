/** Low frequencies of images, for searches in fewer dimensions: the orthonormal cosine basis of each channel. */
import type { Random } from '../random.js'
import type { ImageLayout } from './image.js'

/** Row k holds the cosine of frequency k at 0 … size - 1, of unit length. */
function cosines(size: number, count: number): Float64Array[] {
  return Array.from({ length: count }, (_, k) => {
    const scale = Math.sqrt((k === 0 ? 1 : 2) / size)
    return Float64Array.from({ length: size }, (_, i) => scale * Math.cos((Math.PI * (i + 0.5) * k) / size))
  })
}

export interface Frequencies {
  /** How many basis vectors there are: those of the lowest frequencies in both directions, of every channel. */
  readonly count: number
  /** out = the basis vector with this number. */
  wave(index: number, out: Float32Array): void
  /** out = a combination of all with standard normal weights. */
  noise(random: Random, out: Float32Array): void
}

/** @param share of the frequencies in each direction, in (0, 1]; at least one is taken. */
export function lowFrequencies(image: ImageLayout, share: number): Frequencies {
  const { channels, height, width, channelStride, rowStride, columnStride } = image
  const rows = cosines(height, Math.max(1, Math.round(share * height)))
  const columns = cosines(width, Math.max(1, Math.round(share * width)))
  const each = rows.length * columns.length
  const partial = new Float64Array(rows.length * width)
  const weights = new Float64Array(each)

  /** Weighs rows by [frequency, column], the first half of the separable sum, and writes one channel. */
  function write(channel: number, out: Float32Array): void {
    for (let i = 0; i < height; i++) {
      for (let j = 0; j < width; j++) {
        let sum = 0
        for (let k = 0; k < rows.length; k++) sum += rows[k][i] * partial[k * width + j]
        out[channel * channelStride + i * rowStride + j * columnStride] = sum
      }
    }
  }

  return {
    count: channels * each,
    wave(index, out) {
      const [k, l] = [Math.floor((index % each) / columns.length), index % columns.length]
      partial.fill(0)
      partial.set(columns[l], k * width)
      out.fill(0)
      write(Math.floor(index / each), out)
    },
    noise(random, out) {
      for (let channel = 0; channel < channels; channel++) {
        partial.fill(0)
        random.normals(weights)
        for (let k = 0; k < rows.length; k++) {
          for (let l = 0; l < columns.length; l++) {
            const weight = weights[k * columns.length + l]
            const column = columns[l]
            for (let j = 0; j < width; j++) partial[k * width + j] += weight * column[j]
          }
        }
        write(channel, out)
      }
    },
  }
}
