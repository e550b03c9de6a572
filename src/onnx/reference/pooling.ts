/** Pools by their definition. */
import { RobustlyError } from '../../errors.js'
import { float64, int64, sizeOf, type Tensor } from '../../tensor/tensor.js'
import { slidingWindow, windowCounts } from '../window.js'
import { asFloats, zeros } from './floats.js'
import { numbersOf } from './numbers.js'
import type { ReferenceRules } from './rule.js'
import { type Taps, tapsOf } from './taps.js'

type Pooling =
  | ('AveragePool' | 'GlobalAveragePool' | 'GlobalMaxPool' | 'MaxPool')
  | ('LpPool' | 'GlobalLpPool' | 'MaxUnpool' | 'Col2Im')

export const pooling: Pick<ReferenceRules, Pooling> = {
  AveragePool({ input, attributes }) {
    const { taps, shape } = positionsOf(input(0), attributes)
    return [
      pooled(input(0), shape, taps, (values, all) => {
        let [sum, inside, padded] = [0, 0, 0]
        all.forEach((at, i) => {
          if (at >= 0) {
            sum += values[i]!
            inside++
          }
          if (at >= -1) padded++
        })
        return sum / (attributes.count_include_pad === 1 ? padded : inside)
      }),
    ]
  },

  GlobalAveragePool({ input }) {
    return [perMap(input(0), values => values.reduce((sum, value) => sum + value, 0) / values.length)]
  },

  // (Σ |x|^p)^(1/p)
  LpPool({ input, attributes }) {
    const { taps, shape } = positionsOf(input(0), attributes)
    return [pooled(input(0), shape, taps, values => norm(values, attributes.p))]
  },

  GlobalLpPool: ({ input, attributes }) => [perMap(input(0), values => norm(values, attributes.p))],

  // Zeros but at the indices into the flat output that a pool gave out.
  MaxUnpool({ input, inputs, attributes: { kernel_shape, pads, strides } }) {
    const x = asFloats(input(0))
    const spatial = x.shape.slice(2).map((dim, i) => {
      const cropped = (pads?.[i] ?? 0) + (pads?.[i + x.shape.length - 2] ?? 0)
      return (dim - 1) * (strides?.[i] ?? 1) + kernel_shape![i]! - cropped
    })
    const y = zeros(inputs[2] === undefined ? [...x.shape.slice(0, 2), ...spatial] : numbersOf(inputs[2]))
    numbersOf(input(1)).forEach((at, i) => {
      y.data[at] = x.data[i]!
    })
    return [y]
  },

  // The blocks of all window positions, added up where they lie; x [N, C · taps, positions].
  Col2Im({ input, attributes }) {
    const x = asFloats(input(0))
    const [image, block] = [numbersOf(input(1)), numbersOf(input(2))]
    const window = slidingWindow({ ...attributes, auto_pad: 'NOTSET' }, image, block)
    const { positions, size, index } = tapsOf(window, image, windowCounts(window, image))
    const [batch, rows] = x.shape as [number, number]
    const y = zeros([batch, rows / size, ...image])
    const area = sizeOf(image)
    for (let i = 0; i < x.data.length; i++) {
      const [row, position] = [Math.floor(i / positions), i % positions]
      const at = index[position * size + (row % size)]!
      if (at >= 0) y.data[Math.floor(row / size) * area + at]! += x.data[i]!
    }
    return [y]
  },

  GlobalMaxPool({ input }) {
    return [perMap(input(0), values => values.reduce((max, value) => Math.max(max, value), -Infinity))]
  },

  /** The second output, when listed, is the index into the flat input of the first largest of each window. */
  MaxPool({ input, attributes, outputs, node }) {
    if (outputs > 1 && attributes.storage_order === 1) {
      throw new RobustlyError('model-unsupported', `node "${node.name}" (MaxPool): indices with storage_order 1`)
    }
    const x = asFloats(input(0))
    const { taps, shape } = positionsOf(x, attributes)
    const area = sizeOf(x.shape.slice(2))
    const best = pooled(x, shape, taps, (values, all) => {
      let winner = -1
      values.forEach((value, i) => {
        if (all[i]! >= 0 && (winner < 0 || value > values[winner]!)) winner = i
      })
      return all[winner] ?? -1
    })
    const indices = best.data.map((at, i) => Math.floor(i / taps.positions) * area + at)
    const y = float64(
      indices.map(at => x.data[at]!),
      shape,
    )
    return outputs > 1 ? [y, int64(Array.from(indices), shape)] : [y]
  },
}

type PoolAttributes = Parameters<typeof slidingWindow>[0] & {
  readonly kernel_shape: readonly number[] | undefined
  readonly ceil_mode: number
}

function positionsOf(x: Tensor, attributes: PoolAttributes): { taps: Taps; shape: number[] } {
  const spatial = x.shape.slice(2)
  const window = slidingWindow(attributes, spatial, attributes.kernel_shape ?? [])
  const counts = windowCounts(window, spatial, attributes.ceil_mode === 1)
  return { taps: tapsOf(window, spatial, counts), shape: [...x.shape.slice(0, 2), ...counts] }
}

function norm(values: Float64Array, p: number): number {
  return values.reduce((sum, value) => sum + Math.abs(value) ** p, 0) ** (1 / p)
}

/** Applies `reduce` to the values (0 in the padding) and tap indices of every window of every channel. */
function pooled(
  x: Tensor,
  shape: readonly number[],
  { positions, size, index }: Taps,
  reduce: (values: Float64Array, all: Int32Array) => number,
): ReturnType<typeof zeros> {
  const y = zeros(shape)
  const { data } = asFloats(x)
  const area = sizeOf(x.shape.slice(2))
  const values = new Float64Array(size)
  for (let i = 0; i < y.data.length; i++) {
    const all = index.subarray((i % positions) * size, ((i % positions) + 1) * size)
    const base = Math.floor(i / positions) * area
    all.forEach((at, tap) => {
      values[tap] = at < 0 ? 0 : data[base + at]!
    })
    y.data[i] = reduce(values, all)
  }
  return y
}

/** Reduces each channel of each sample to one number. */
function perMap(x: Tensor, reduce: (values: Float64Array) => number): Tensor {
  const y = zeros(x.shape.map((dim, axis) => (axis < 2 ? dim : 1)))
  const area = sizeOf(x.shape.slice(2))
  const { data } = asFloats(x)
  for (let i = 0; i < y.data.length; i++) y.data[i] = reduce(data.subarray(i * area, (i + 1) * area))
  return y
}
