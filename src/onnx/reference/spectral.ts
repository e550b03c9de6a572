/** Fourier transforms by their definition. */
import { positive } from '../shapes.js'
import { fourierMatrix, frameKernels, framesOf, transformOf } from '../spectral.js'
import { asFloats, zeros } from './floats.js'
import { flatOf, listed, placeOf } from './numbers.js'
import type { ReferenceRules } from './rule.js'

export const spectral: ReferenceRules<'DFT' | 'STFT'> = {
  // y[…, k, …] = Σ over n of x[…, n, …] e^(∓2πi k n / N) along the axis; the last axis holds real and imaginary parts
  DFT(context) {
    const { node, attributes, input } = context
    const x = asFloats(input(0))
    const axis = positive(listed(context, 2)?.[0] ?? -2, x.shape.length)
    const [samples, parts] = [x.shape[axis]!, x.shape.at(-1)!]
    const transform = transformOf(node, attributes, { samples, parts, length: listed(context, 1)?.[0] ?? samples })
    const matrix = fourierMatrix(transform)
    const y = zeros(x.shape.with(axis, transform.bins).with(-1, 2))
    for (let flat = 0; flat < y.data.length; flat++) {
      const place = placeOf(flat, y.shape)
      const out = place[axis]! * 2 + place.at(-1)!
      for (let n = 0; n < samples; n++) {
        for (let part = 0; part < parts; part++) {
          const from = flatOf(place.with(axis, n).with(-1, part), x.shape)
          y.data[flat]! += x.data[from]! * matrix[(n * parts + part) * transform.bins * 2 + out]!
        }
      }
    }
    return [y]
  },

  // y[b, f, k] = Σ over n of window[n] x[b, f step + n] e^(-2πi k n / N)
  STFT(context) {
    const { node, attributes, input } = context
    const x = asFloats(input(0))
    const [step, window] = [listed(context, 1)![0]!, listed(context, 2)]
    const length = listed(context, 3)?.[0] ?? window!.length
    const { transform, count } = framesOf(node, attributes, x.shape, { step, length })
    const kernels = frameKernels(transform, window)
    const [batch, time] = x.shape as [number, number]
    const y = zeros([batch, count, transform.bins, 2])
    const width = transform.bins * 2
    for (let flat = 0; flat < y.data.length; flat++) {
      const [out, frame] = [flat % width, Math.floor(flat / width) % count]
      const start = Math.floor(flat / (width * count)) * time + frame * step
      for (let n = 0; n < length; n++) y.data[flat]! += x.data[start + n]! * kernels[out * length + n]!
    }
    return [y]
  },
}
