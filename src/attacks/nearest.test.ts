import { describe, expect, it } from 'vitest'
import { norms, type ThreatModel } from '../threat/threat.js'
import { nearestTo, refine } from './nearest.js'
import { adam, cosine } from './optimize.js'
import { likeliestOthers } from './targets.js'

const sample = { index: 0, input: Float32Array.of(0, 0, 0), shape: [3], label: 1, classes: 3 }
const threat = (norm: keyof typeof norms): ThreatModel => ({
  norm: norms[norm],
  epsilon: 1,
  epsilonText: '1',
  box: { low: 0, high: 1 },
})

/** Answers a search's label queries by the function. */
function answer(steps: ReturnType<typeof refine>, label: (point: Float32Array) => number): number {
  let queries = 0
  for (let step = steps.next([]); !step.done; queries++) step = steps.next([{ label: label(step.value.points[0]) }])
  return queries
}

describe('the nearest point', () => {
  it('is the closest misclassified one, whatever the order, and a copy', () => {
    const nearest = nearestTo(sample, threat('L1'))
    expect(nearest.distance).toBe(Number.POSITIVE_INFINITY)
    const point = Float32Array.of(0.5, 0.25, 0)
    expect(nearest.offer(Float32Array.of(1, 1, 1), 0)).toBe(true)
    expect(nearest.offer(point, 2)).toBe(true)
    expect(nearest.offer(Float32Array.of(0.5, 0.5, 0), 2)).toBe(true)
    expect(nearest.offer(Float32Array.of(0, 0.125, 0), 1)).toBe(false)
    point.fill(0)
    expect(nearest.distance).toBe(0.75)
    expect(nearest.point).toEqual(Float32Array.of(0.5, 0.25, 0))
  })

  it('comes to the boundary by bisection, within the queries allowed', () => {
    const nearest = nearestTo(sample, threat('L2'))
    nearest.offer(Float32Array.of(1, 0, 0), 0)
    const queries = answer(refine(sample, threat('L2'), nearest, 10), ([x]) => (x > 0.3 ? 0 : 1))
    expect(queries).toBe(10)
    expect(nearest.distance).toBeGreaterThan(0.3)
    expect(nearest.distance).toBeLessThan(0.3 + 2 ** -10)
  })

  it('loses the features it does not need in L0, the least changed first', () => {
    const nearest = nearestTo(sample, threat('L0'))
    nearest.offer(Float32Array.of(0.25, 1, 0.5), 0)
    const asked: number[][] = []
    answer(refine(sample, threat('L0'), nearest, 10), point => {
      asked.push([...point])
      return point[2] > 0 ? 0 : 1
    })
    expect(asked).toEqual([
      [0, 1, 0.5],
      [0, 1, 0],
      [0, 0, 0.5],
    ])
    expect(nearest.point).toEqual(Float32Array.of(0, 0, 0.5))
  })

  it('needs no queries when nothing was found', () => {
    expect(answer(refine(sample, threat('L2'), nearestTo(sample, threat('L2')), 10), () => 0)).toBe(0)
  })
})

describe('targets', () => {
  it('are the likeliest other classes, of equals the lower first', () => {
    const logits = Float32Array.of(1, 9, 3, -2, 3)
    expect(likeliestOthers(logits, 1, 3)).toEqual([2, 4, 0])
    expect(likeliestOthers(logits, 2, 9)).toEqual([1, 4, 0, 3])
  })
})

describe('adam', () => {
  it('takes first steps of the rate against the sign, and then follows its formula', () => {
    const values = Float64Array.of(1, 1)
    const optimizer = adam(2)
    optimizer.descend(values, Float64Array.of(4, -0.5), 0.1)
    expect(values[0]).toBeCloseTo(0.9, 6)
    expect(values[1]).toBeCloseTo(1.1, 6)
    optimizer.descend(values, Float64Array.of(-4, -0.5), 0.1)
    // mean (0.9 0.1 4 - 0.1 4) / (1 - 0.9²), root mean square 4
    expect(values[0]).toBeCloseTo(0.9 - (0.1 * (0.36 - 0.4)) / 0.19 / 4, 6)
    expect(values[1]).toBeCloseTo(1.2, 6)
  })
})

describe('cosine', () => {
  it('falls from the first value to the last', () => {
    expect([0, 0.5, 1].map(share => cosine(share, 3, 1))).toEqual([3, 2, 1])
  })
})
