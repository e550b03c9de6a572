/** Convolutions by their definition. */
import { float64, type TensorOf } from '../../tensor/tensor.js'
import { slidingWindow, transposedWindow, windowCounts } from '../window.js'
import { asFloats, zeros } from './floats.js'
import type { ReferenceRules } from './rule.js'
import { type Taps, tapsOf } from './taps.js'

export const convolution: Pick<ReferenceRules, 'Conv' | 'ConvTranspose'> = {
  // y[n, m, p] = bias[m] + sum over c, k of x[n, c, p s + k d - pad] w[m, c, k]
  Conv({ input, inputs, attributes }) {
    const [x, w] = [asFloats(input(0)), asFloats(input(1))]
    const spatial = x.shape.slice(2)
    const window = slidingWindow(attributes, spatial, w.shape.slice(2))
    const counts = windowCounts(window, spatial)
    const y = zeros([x.shape[0]!, w.shape[0]!, ...counts])
    const taps = tapsOf(window, spatial, counts)
    forEachProduct(x, w, taps, attributes.group, (xi, wi, yi) => {
      y.data[yi]! += x.data[xi]! * w.data[wi]!
    })
    return [plusBias(y, inputs[2] && asFloats(inputs[2]))]
  },

  // y[n, m, p s + k d - pad] += x[n, c, p] w[c, m, k]: a convolution with input and output exchanged.
  ConvTranspose({ input, inputs, attributes }) {
    const [x, w] = [asFloats(input(0)), asFloats(input(1))]
    const spatial = x.shape.slice(2)
    const { window, output } = transposedWindow(attributes, spatial, w.shape.slice(2))
    const y = zeros([x.shape[0]!, w.shape[1]! * attributes.group, ...output])
    const taps = tapsOf(window, output, spatial)
    forEachProduct(y, w, taps, attributes.group, (yi, wi, xi) => {
      y.data[yi]! += x.data[xi]! * w.data[wi]!
    })
    return [plusBias(y, inputs[2] && asFloats(inputs[2]))]
  },
}

type Floats = TensorOf<'float64'>

/** Visits every product of a convolution of `wide` [N, C, …] by w [M, C/group, …] to `narrow` [N, M, …], by flat indices into the three. */
function forEachProduct(
  wide: Floats,
  w: Floats,
  taps: Taps,
  group: number,
  visit: (wide: number, w: number, narrow: number) => void,
): void {
  const [batch, channels] = wide.shape as [number, number]
  const [outs, perGroup] = w.shape as [number, number]
  const area = wide.data.length / (batch * channels)
  for (let n = 0; n < batch; n++) {
    for (let m = 0; m < outs; m++) {
      const first = Math.floor(m / (outs / group)) * perGroup
      for (let c = 0; c < perGroup; c++) {
        const from = (n * channels + first + c) * area
        const to = (n * outs + m) * taps.positions
        const weight = (m * perGroup + c) * taps.size
        for (let i = 0; i < taps.index.length; i++) {
          const at = taps.index[i]!
          if (at >= 0) visit(from + at, weight + (i % taps.size), to + Math.floor(i / taps.size))
        }
      }
    }
  }
}

function plusBias(y: Floats, bias: Floats | undefined): Floats {
  if (bias === undefined) return y
  const area = y.data.length / (y.shape[0]! * y.shape[1]!)
  return float64(
    y.data.map((value, i) => value + bias.data[Math.floor(i / area) % y.shape[1]!]!),
    y.shape,
  )
}
