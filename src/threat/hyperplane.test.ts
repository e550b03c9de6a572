import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Hyperplane, lengthIn, reachOf, shortest } from '../../test/support/shortest.js'
import { hyperplaneSpace, stepOntoHyperplane } from './hyperplane.js'

const features = 9

/** Weights far below the others only decide in the last digits, which the slow solver does not have. */
const weight = fc.float({ min: -3, max: 3, noNaN: true }).map(value => (Math.abs(value) < 1e-4 ? 0 : value))

/** Points of the unit box, often at its edge; weights often equal or zero. */
const problem: fc.Arbitrary<Hyperplane> = fc.record({
  point: vector(fc.oneof(fc.constantFrom(0, 0.5, 1), fc.float({ min: 0, max: 1, noNaN: true }))),
  normal: vector(fc.oneof(fc.constantFrom(0, 1, -1, 0.5, -2), weight)),
  value: fc.double({ min: -6, max: 6, noNaN: true }),
})

function vector(element: fc.Arbitrary<number>): fc.Arbitrary<Float32Array> {
  return fc.array(element, { minLength: features, maxLength: features }).map(values => Float32Array.from(values))
}

const box = { low: new Float32Array(features), high: new Float32Array(features).fill(1) }

describe.each(['Linf', 'L2', 'L1'] as const)('the step onto a hyperplane in %s', norm => {
  const space = hyperplaneSpace(norm, box)
  const out = new Float64Array(features)

  it('ends on the hyperplane, inside the box, by the shortest way', () => {
    fc.assert(
      fc.property(problem, given => {
        const { point, normal, value } = given
        const length = stepOntoHyperplane(space, point, Float32Array.from(normal), value, out)
        expect(length).toBeCloseTo(lengthIn[norm](out), 10)
        for (let i = 0; i < features; i++) {
          expect(point[i] + out[i]).toBeGreaterThanOrEqual(-1e-12)
          expect(point[i] + out[i]).toBeLessThanOrEqual(1 + 1e-12)
          if (normal[i] === 0) expect(Math.abs(out[i])).toBe(0)
        }
        const rest = value + Array.from(normal).reduce((sum, w, i) => sum + w * out[i], 0)
        if (reachOf(given) > Math.abs(value)) {
          expect(Math.abs(rest)).toBeLessThan(1e-9)
          expect(lengthIn[norm](out)).toBeCloseTo(shortest(norm, given), 8)
        } else {
          expect(Math.abs(rest)).toBeCloseTo(Math.abs(value) - reachOf(given), 8)
        }
      }),
      { numRuns: 1000 },
    )
  })

  it('is no longer than any other step to the hyperplane', () => {
    fc.assert(
      fc.property(problem, vector(fc.float({ min: 0, max: 1, noNaN: true })), (given, other) => {
        const { point, normal } = given
        // The hyperplane moved through the other point of the box: then the step to it is one way, and ours the shortest.
        const reached = Array.from(normal).reduce((sum, w, i) => sum + w * (point[i] - other[i]), 0)
        // At the very corner rounding decides whether features of next to no weight are needed.
        fc.pre(reachOf({ ...given, value: reached }) > Math.abs(reached) * (1 + 1e-9))
        stepOntoHyperplane(space, point, Float32Array.from(normal), reached, out)
        expect(lengthIn[norm](out)).toBeLessThanOrEqual(
          lengthIn[norm](Array.from(point, (x, i) => other[i] - x)) + 1e-9,
        )
      }),
      { numRuns: 300 },
    )
  })

  it('needs no box', () => {
    const open = { low: new Float32Array(3).fill(-Infinity), high: new Float32Array(3).fill(Infinity) }
    const step = new Float64Array(3)
    stepOntoHyperplane(hyperplaneSpace(norm, open), Float32Array.of(7, -5, 0), Float32Array.of(3, 0, -4), 10, step)
    const dual = { Linf: 7, L2: 5, L1: 4 }[norm]
    expect(lengthIn[norm](step)).toBeCloseTo(10 / dual, 12)
    expect(10 + 3 * step[0] - 4 * step[2]).toBeCloseTo(0, 12)
  })

  it('takes time in proportion to the features, also where all weights are equal', () => {
    const n = 200_000
    const big = hyperplaneSpace(norm, { low: new Float32Array(n), high: new Float32Array(n).fill(1) })
    const weights = new Float32Array(n).fill(1)
    const step = new Float64Array(n)
    stepOntoHyperplane(big, new Float32Array(n).fill(0.5), weights, 1000, step)
    expect(step.reduce((sum, move) => sum + move, 0)).toBeCloseTo(-1000, 4)
  })
})
