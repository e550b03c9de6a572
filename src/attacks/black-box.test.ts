/** Score-based and decision-based attacks: budgets, feasibility, and closed forms on linear models, each search driven alone. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { labelOf } from '../model/batch-model.js'
import { type Random, randomStream } from '../random.js'
import type { Shape } from '../tensor/tensor.js'
import type { NormName } from '../threat/norm.js'
import { contains, norms, regionOf, type ThreatModel } from '../threat/threat.js'
import type { Answer, Attack, Proposal, Sample } from './attack.js'
import { lowFrequencies } from './dct.js'
import { split } from './geoda.js'
import { copyWindow, imageLayout, placed, sidesOf } from './image.js'
import { attacks } from './index.js'
import { shareAt } from './square.js'

type Model = (point: Float32Array) => Float32Array

interface Driven {
  readonly proposal: Proposal
  readonly queries: number
}

/** Runs one search to its end without a scheduler: every point asked about goes to `see`. */
function drive(
  attack: Attack,
  sample: Sample,
  threat: ThreatModel,
  options: object,
  model: Model,
  see: (point: Float32Array) => void = () => {},
): Driven {
  const random = (restart: number): Random => randomStream(5, sample.index, attack.name, restart)
  const search = attack.search(sample, threat, attack.options.parse(options), random)
  let queries = 0
  let step = search.next([])
  while (!step.done) {
    const replies: Answer = step.value.points.map(point => {
      see(point)
      queries++
      const logits = model(point)
      return { logits, label: labelOf(logits) }
    })
    step = search.next(replies)
  }
  return { proposal: step.value, queries }
}

const named = (name: string) => attacks.get(name)!

function threatOf(norm: NormName, epsilon: number, box = { low: 0, high: 1 }): ThreatModel {
  return { norm: norms[norm], epsilon, epsilonText: String(epsilon), box }
}

/** Two classes apart by w.(x - center) + margin, at the middle of the box. */
function linear(features: number, margin: number): { model: Model; weights: Float64Array; sample: Sample } {
  const random = randomStream(11, features, 'linear')
  const weights = Float64Array.from({ length: features }, () => random.normal())
  const input = new Float32Array(features).fill(0.5)
  return {
    weights,
    sample: { index: 0, input, shape: [features], label: 0, classes: 2 },
    model: point => {
      const value = point.reduce((sum, v, i) => sum + (v - 0.5) * weights[i], margin)
      return Float32Array.of(value / 2, -value / 2)
    },
  }
}

/** Never another class, with scores that nothing explains. */
const stubborn: Model = point => {
  const value = point.reduce((sum, v, i) => sum + Math.sin(97 * v * (i + 1)), 0)
  return Float32Array.of(10 + Math.abs(value), Math.cos(value))
}

const blackBox = [...attacks.values()].filter(attack => attack.access !== 'gradients')

/** Small budgets: the options, and the most queries they may cost. */
const budgets: Record<string, (n: number) => [options: object, most: number]> = {
  square: n => [{ queries: n }, n],
  'uniform-noise': n => [{ repeats: n }, n],
  'gaussian-noise': n => [{ repeats: n }, n],
  'salt-and-pepper': n => [{ steps: n }, n],
  nes: n => [{ queries: n, samples: 10 }, n],
  spsa: n => [{ steps: n, samples: 3 }, 7 * n],
  simba: n => [{ queries: n }, n],
  'sign-hunter': n => [{ queries: n }, n],
  bandits: n => [{ queries: n }, n],
  zoo: n => [{ queries: n, features: 4, steps: 10, searches: 3 }, n],
  'sparse-rs': n => [{ queries: n }, n],
  'few-pixel': n => [{ population: 4, generations: n }, 4 * (n + 1)],
  boundary: n => [{ starts: n }, n],
  'hop-skip-jump': n => [{ starts: n }, n],
  geoda: n => [{ starts: n }, n],
  rays: n => [{ starts: n }, n],
  'sign-opt': n => [{ starts: n, directions: 5 }, n + 5],
}

const shapes: Shape[] = [[1, 5, 7], [3, 6, 4], [4, 6, 3], [1, 1, 9], [8, 9], [13], [1]]

describe.each(blackBox.map(attack => [attack.name, attack] as const))('%s', (name, attack) => {
  it('asks no more than its budget, of valid inputs only', () => {
    const sampled = fc.tuple(
      fc.constantFrom(...shapes),
      fc.constantFrom(...attack.norms),
      fc.integer({ min: 1, max: 60 }),
    )
    fc.assert(
      fc.property(sampled, ([shape, norm, n]) => {
        const features = shape.reduce((product, size) => product * size, 1)
        const input = Float32Array.from({ length: features }, (_, i) => ((i * 7) % 11) / 10)
        const sample: Sample = { index: 0, input, shape, label: 0, classes: 2 }
        const [options, most] = budgets[name](n)
        const threat = threatOf(norm, norm === 'L0' ? 4 : 0.3)
        let invalid = 0
        const { proposal, queries } = drive(attack, sample, threat, options, stubborn, point => {
          if (!point.every(value => value >= 0 && value <= 1)) invalid++
        })
        expect(invalid).toBe(0)
        expect(queries).toBeLessThanOrEqual(most)
        // Nothing was misclassified: an attack on distances has nothing to show.
        if (attack.kind === 'minimum') expect(proposal).toBeUndefined()
      }),
      { numRuns: 25 },
    )
  })
})

describe('square', () => {
  const cases = fc.tuple(
    fc.constantFrom(...shapes),
    fc.constantFrom<[NormName, number]>(
      ['Linf', 0.3],
      ['Linf', 8 / 255],
      ['L2', 0.5],
      ['L2', 3],
      // So small that rounding to float32 matters.
      ['L2', 1e-5],
      ['L1', 1e-4],
      ['L1', 1],
      ['L1', 12],
    ),
    fc.integer({ min: 0, max: 100 }),
  )

  it('asks about feasible points only, exactly', () => {
    fc.assert(
      fc.property(cases, ([shape, [norm, epsilon], seed]) => {
        const features = shape.reduce((product, size) => product * size, 1)
        const random = randomStream(seed, 0, 'input')
        const input = Float32Array.from({ length: features }, () =>
          Math.min(1, Math.max(0, 1.4 * random.uniform() - 0.2)),
        )
        const sample: Sample = { index: seed, input, shape, label: 0, classes: 2 }
        const threat = threatOf(norm, epsilon)
        const region = regionOf(threat, input)
        const { queries } = drive(named('square'), sample, threat, { queries: 80, rescale: true }, stubborn, point => {
          expect(contains(threat, region, point)).toBe(true)
        })
        expect(queries).toBe(80)
      }),
      { numRuns: 60 },
    )
  })

  it('changes one window at a time, and uses the budget up', () => {
    const shape = [3, 16, 16]
    const input = new Float32Array(768).fill(0.5)
    const sample: Sample = { index: 0, input, shape, label: 0, classes: 2 }
    for (const [norm, epsilon] of [
      ['Linf', 0.1],
      ['L2', 1],
      ['L1', 4],
    ] as const) {
      let previous: Float32Array | undefined
      const changed: number[] = []
      const spent: number[] = []
      // A model that nothing improves: every change is taken back, so two points in a row differ in their windows only.
      drive(
        named('square'),
        sample,
        threatOf(norm, epsilon),
        { queries: 300 },
        () => Float32Array.of(1, 0),
        point => {
          if (previous !== undefined) changed.push(norms.L0.distance(point, previous))
          previous = point.slice()
          spent.push(norms[norm].distance(point, input))
        },
      )
      // Late windows hold a twentieth of the pixels; two points differ in at most four windows (two each in L2 and L1).
      const side = Math.round(Math.sqrt((0.8 / 8) * 256))
      const window = (norm === 'Linf' ? 2 * side ** 2 : 4 * (side + 1) ** 2) * 3
      expect(Math.max(...changed.slice(220))).toBeLessThanOrEqual(window)
      expect(Math.min(...spent)).toBeGreaterThan(epsilon * (norm === 'Linf' ? 0.999999 : 0.999))
    }
  })

  it('follows the published schedule of window sizes', () => {
    const at = [0, 10, 11, 50, 51, 200, 201, 501, 1001, 2001, 4001, 6001, 8001]
    const parts = [1, 1, 2, 2, 4, 4, 8, 16, 32, 64, 128, 256, 512]
    expect(at.map(iteration => 0.8 / shareAt(iteration, 0.8, 10_000))).toEqual(parts)
    expect(shareAt(51, 0.8, 500)).toBe(0.8 / 32)
  })
})

describe('images', () => {
  it('have windows of the wanted size wherever they fit', () => {
    const image = imageLayout([3, 6, 10])
    const random = randomStream(1, 0, 'windows')
    const tops = new Set<number>()
    for (let k = 0; k < 300; k++) {
      const [{ top, left, height, width }] = placed(image, sidesOf(image, 0.15, 1, false), random)
      expect([height, width]).toEqual([3, 3])
      expect(left + width).toBeLessThanOrEqual(10)
      tops.add(top)
    }
    expect([...tops].sort()).toEqual([0, 1, 2, 3])
    expect(sidesOf(imageLayout([12]), 0.5, 1, false)).toEqual({ depth: 1, height: 1, width: 6 })
  })

  it.each([[[3, 6, 5]], [[6, 5, 3]], [[3, 2, 3, 5]]])('of shape %j are copied window by window', shape => {
    const image = imageLayout(shape)
    expect([image.channels, image.height, image.width]).toEqual([3, 6, 5])
    const [from, to] = [new Float32Array(90).fill(1), new Float32Array(90)]
    copyWindow(from, to, image, { top: 1, left: 2, height: 2, width: 3 })
    const changed = Array.from(to.keys()).filter(i => to[i] === 1)
    const expected = Array.from({ length: 90 }, (_, i) => i).filter(i => {
      const [row, column] =
        shape[0] === 3 ? [Math.floor(i / 5) % 6, i % 5] : [Math.floor(i / 15), Math.floor(i / 3) % 5]
      return row >= 1 && row < 3 && column >= 2
    })
    expect(changed).toEqual(expected)
  })

  it('have no more frequencies than are low ones, however long a signal is', () => {
    const { count, wave } = lowFrequencies(imageLayout([2, 40_000]), 1)
    expect(count).toBe(2 * 512)
    const out = new Float32Array(80_000)
    wave(count - 1, out)
    expect(out.reduce((sum, value) => sum + value * value, 0)).toBeCloseTo(1, 4)
  })

  it('have an orthonormal basis of low frequencies', () => {
    for (const shape of [[2, 4, 6], [4, 6, 1], [2, 2, 3, 4], [7]]) {
      const features = shape.reduce((product, size) => product * size, 1)
      const { count, wave } = lowFrequencies(imageLayout(shape), 1)
      expect(count).toBe(features)
      const waves = Array.from({ length: count }, (_, k) => {
        const out = new Float32Array(features)
        wave(k, out)
        return out
      })
      waves.forEach((a, i) => {
        waves.forEach((b, j) => {
          const dot = a.reduce((sum, value, k) => sum + value * b[k], 0)
          expect(dot).toBeCloseTo(i === j ? 1 : 0, 5)
        })
      })
    }
  })
})

describe('L0 attacks on a linear model', () => {
  // Moving feature i to the better end of the box gains |w_i| / 2: the fewest features are the largest of them.
  const { model, weights, sample } = linear(40, 3)
  const gains = [...weights].map(w => Math.abs(w) / 2).sort((a, b) => b - a)
  let least = 0
  for (let sum = 0; sum <= 3; least++) sum += gains[least]

  it.each([['sparse-rs', { queries: 3000 }]] as const)('%s needs exactly the fewest features', (name, options) => {
    expect(least).toBeGreaterThan(2)
    const enough = drive(named(name), sample, threatOf('L0', least), options, model).proposal!
    expect(labelOf(model(enough))).toBe(1)
    expect(norms.L0.distance(enough, sample.input)).toBeLessThanOrEqual(least)
    const tooFew = drive(named(name), sample, threatOf('L0', least - 1), options, model).proposal!
    expect(labelOf(model(tooFew))).toBe(0)
    // With too few it still finds the best there is: the sum of the largest gains.
    const best = gains.slice(0, least - 1).reduce((sum, gain) => sum + gain, 0)
    expect((3 - (model(tooFew)[0] - model(tooFew)[1])) / best).toBeGreaterThan(0.999)
  })

  it('few-pixel finds the best single feature', () => {
    const point = drive(named('few-pixel'), sample, threatOf('L0', 1), { generations: 30 }, model).proposal!
    expect(norms.L0.distance(point, sample.input)).toBe(1)
    expect((3 - (model(point)[0] - model(point)[1])) / gains[0]).toBeGreaterThan(0.99)
  })

  it('patches stay one square', () => {
    const image: Sample = {
      index: 0,
      input: new Float32Array(3 * 64).fill(0.5),
      shape: [3, 8, 8],
      label: 0,
      classes: 2,
    }
    drive(named('sparse-rs'), image, threatOf('L0', 27), { queries: 400, unit: 'patch' }, stubborn, point => {
      const changed = Array.from(point.keys()).filter(i => point[i] !== 0.5)
      const rows = changed.map(i => Math.floor((i % 64) / 8))
      const columns = changed.map(i => i % 8)
      expect(changed.length).toBe(27)
      expect(Math.max(...rows) - Math.min(...rows)).toBe(2)
      expect(Math.max(...columns) - Math.min(...columns)).toBe(2)
    })
  })
})

/** Options for few and many steps, and how far above the closed form the distance may end. */
const decisions = [
  ['boundary', 'L2', [{ steps: 500 }, { steps: 2000 }, { steps: 8000 }], 0.02],
  ['hop-skip-jump', 'L2', [{ steps: 3 }, { steps: 10 }, { steps: 30 }], 0.01],
  ['hop-skip-jump', 'Linf', [{ steps: 3 }, { steps: 10 }, { steps: 30 }], 0.02],
  ['geoda', 'L2', [{ queries: 2000 }], 0.03],
  ['geoda', 'Linf', [{ queries: 2000 }], 0.02],
  ['rays', 'Linf', [{ queries: 100 }, { queries: 400 }, { queries: 2000 }], 0.005],
  ['sign-opt', 'L2', [{ queries: 500 }, { queries: 2000 }, { queries: 8000 }], 0.002],
] as const

describe('decision-based attacks on a linear model', () => {
  const { model, weights, sample } = linear(30, 1)
  const dual = { L2: Math.hypot(...weights), Linf: weights.reduce((sum, w) => sum + Math.abs(w), 0) }

  it.each(decisions)('%s in %s: more steps are never further, and end at the boundary', (name, norm, runs, slack) => {
    const optimum = 1 / dual[norm]
    const distances = runs.map(options => {
      const point = drive(named(name), sample, threatOf(norm, 1), options, model).proposal!
      expect(labelOf(model(point))).toBe(1)
      return norms[norm].distance(point, sample.input) / optimum
    })
    console.info(`${name} ${norm}: ${distances.map(ratio => ratio.toFixed(4)).join(' ')} of the optimum`)
    distances.forEach((ratio, k) => {
      if (k > 0) expect(ratio).toBeLessThanOrEqual(distances[k - 1])
      expect(ratio).toBeGreaterThan(1 - 1e-5)
    })
    expect(distances.at(-1)).toBeLessThanOrEqual(1 + slack)
  })

  it.each([...new Set(decisions.map(([name]) => name))])('%s finds a start where noise is not misclassified', name => {
    // Class 1 only where the first features are dark: one in 2^12 of uniform noise.
    const corner: Model = point => {
      const dark = point.subarray(0, 12).every(value => value < 0.4)
      return dark ? Float32Array.of(0, 1) : Float32Array.of(1, 0)
    }
    const attack = named(name)
    const options = name === 'rays' ? { queries: 3000 } : {}
    const { proposal } = drive(attack, sample, threatOf(attack.norms[0], 1), options, corner)
    expect(proposal).toBeDefined()
    expect(labelOf(corner(proposal!))).toBe(1)
  })
})

describe('rays', () => {
  it.each([
    ['a box of large values', { low: -1000, high: 1000 }],
    ['no box', { low: Number.NEGATIVE_INFINITY, high: Number.POSITIVE_INFINITY }],
  ])('reach boundaries far away in %s', (_what, box) => {
    const { model, weights, sample } = linear(30, 500)
    const optimum = 500 / weights.reduce((sum, w) => sum + Math.abs(w), 0)
    expect(optimum).toBeGreaterThan(10)
    const { proposal } = drive(named('rays'), sample, { ...threatOf('Linf', 100), box }, {}, model)
    expect(norms.Linf.distance(proposal!, sample.input) / optimum).toBeLessThan(1.01)
  })
})

describe('geoda', () => {
  it('feels a boundary far away on images, where the frequencies are few', () => {
    const shape = [1, 16, 16]
    const weights = new Float32Array(256)
    lowFrequencies(imageLayout(shape), 0.25).noise(randomStream(3, 0, 'weights'), weights)
    const input = new Float32Array(256).fill(0.5)
    const sample: Sample = { index: 0, input, shape, label: 0, classes: 2 }
    const optimum = 2
    const margin = optimum * Math.hypot(...weights)
    const model: Model = point => {
      const value = point.reduce((sum, v, i) => sum + (v - 0.5) * weights[i], margin)
      return Float32Array.of(value, -value)
    }
    const { proposal } = drive(named('geoda'), sample, threatOf('L2', 1), { queries: 2000 }, model)
    expect(norms.L2.distance(proposal!, input)).toBeLessThan(1.1 * optimum)
  })

  it('gives each normal more queries than the last, the first at most 80', () => {
    const parts = split(4000, 0.6)
    expect(parts[0]).toBeLessThanOrEqual(80)
    expect(parts.toSorted((a, b) => a - b)).toEqual(parts)
    expect(parts.reduce((sum, part) => sum + part + 25, 0)).toBeLessThanOrEqual(4010)
  })
})
