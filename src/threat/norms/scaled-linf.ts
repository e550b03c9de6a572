/** Linf in units of the features' own: feature i may change by at most epsilon times its scale. For radii of single features. */
import { type Box, boxBounds, clampToBox, composedAscent, type Norm } from '../norm.js'
import { neighbour, sampleSphere } from './linf.js'

/** Distances are max |a_i - b_i| / scale_i, so that epsilon bounds them whatever the scales; a feature of scale 0 stays as it is. */
export function scaledLinf(scales: Float64Array): Norm {
  const apart = (difference: number, i: number) => (difference === 0 ? 0 : Math.abs(difference) / scales[i])
  const step: Norm['step'] = (point, gradient, size, out) => {
    for (let i = 0; i < point.length; i++) out[i] = point[i] + size * scales[i] * Math.sign(gradient[i])
  }
  return {
    name: 'Linf',
    scales,

    distance(a, b) {
      let largest = 0
      for (let i = 0; i < a.length; i++) {
        const difference = apart(a[i] - b[i], i)
        if (!(difference <= largest)) largest = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference
      }
      return largest
    },

    region(center, epsilon, box: Box) {
      const bounds = boxBounds(center, box)
      const low = new Float32Array(center.length)
      const high = new Float32Array(center.length)
      for (let i = 0; i < center.length; i++) {
        const radius = scales[i] === 0 ? 0 : epsilon * scales[i]
        low[i] = Math.max(
          bounds.low[i],
          reached(center[i], -radius, value => apart(value, i) <= epsilon),
        )
        high[i] = Math.min(
          bounds.high[i],
          reached(center[i], radius, value => apart(value, i) <= epsilon),
        )
      }
      return { center, epsilon, low, high }
    },

    project: clampToBox,
    step,
    ascend: composedAscent({ step, project: clampToBox }),

    /** As Linf does, each feature at its own scale. */
    sample: (random, region, out) => sampleSphere(random, region, out, scales),
  }
}

/** The float32 nearest to x + offset, or the next ones back, whose difference from x fits. */
function reached(x: number, offset: number, fits: (difference: number) => boolean): number {
  let value = Math.fround(x + offset)
  while (Number.isFinite(value) && !fits(value - x)) value = neighbour(value, x)
  return value
}
