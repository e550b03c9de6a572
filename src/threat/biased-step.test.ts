import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { biasedSteps } from './biased-step.js'
import { hyperplaneSpace, stepOntoHyperplane } from './hyperplane.js'

const features = 12
const low = new Float32Array(features)
const high = new Float32Array(features).fill(1)
const bias = { alphaMax: 0.1, overshoot: 1.05 }

const vector = (element: fc.Arbitrary<number>) =>
  fc.array(element, { minLength: features, maxLength: features }).map(values => Float32Array.from(values))
const pixel = fc.oneof(fc.constantFrom(0, 0.5, 1), fc.float({ min: 0, max: 1, noNaN: true }))
const weight = fc.oneof(fc.constantFrom(0, 1, -1), fc.float({ min: -3, max: 3, noNaN: true }))
/** Boundaries one after the other: small values and ones that the box does not reach. */
const boundaries = fc.array(
  fc.record({ normal: vector(weight), value: fc.double({ min: -20, max: 20, noNaN: true }) }),
  {
    minLength: 1,
    maxLength: 8,
  },
)

describe.each(['Linf', 'L2', 'L1'] as const)('the biased step in %s', norm => {
  it('is the blend of the steps from the point and from the center, step after step', () => {
    fc.assert(
      fc.property(vector(pixel), vector(pixel), boundaries, (center, start, each) => {
        const step = biasedSteps(norm, { center, epsilon: Number.POSITIVE_INFINITY, low, high }, bias)
        const point = start.slice()
        for (const { normal, value } of each) {
          const before = point.slice()
          step(point, normal, value)
          const [fromPoint, fromCenter] = [new Float64Array(features), new Float64Array(features)]
          const dot = normal.reduce((sum, w, i) => sum + w * (center[i] - before[i]), 0)
          const space = hyperplaneSpace(norm, { low, high })
          const here = Math.max(1e-8, stepOntoHyperplane(space, before, normal, value, fromPoint))
          const there = Math.max(1e-8, stepOntoHyperplane(space, center, normal, value + dot, fromCenter))
          const alpha = Math.min(here / (here + there), bias.alphaMax)
          point.forEach((x, i) => {
            const wanted =
              (1 - alpha) * (before[i] + bias.overshoot * fromPoint[i]) +
              alpha * (center[i] + bias.overshoot * fromCenter[i])
            expect(Math.abs(x - Math.min(1, Math.max(0, wanted)))).toBeLessThan(1e-6)
          })
        }
      }),
      { numRuns: 300 },
    )
  })
})
