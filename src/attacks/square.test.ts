/** Square's windows: in images what they have always been, in volumes cubes. */
import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { randomStream } from '../random.js'
import { type Shape, sizeOf } from '../tensor/tensor.js'
import { norms, type ThreatModel } from '../threat/threat.js'
import { imageLayout, placed, sidesOf } from './image.js'
import { attacks } from './index.js'

type NormOfSquare = 'Linf' | 'L2' | 'L1'
const epsilons = { Linf: 0.1, L2: 1, L1: 4 }

/** Every point that a search asks about, on a linear model that it never fools; without a slope nothing improves, and all is taken back. */
function pointsOf(norm: NormOfSquare, shape: Shape, queries: number, slope = 1): Float32Array[] {
  const threat: ThreatModel = {
    ...{ norm: norms[norm], epsilon: epsilons[norm], epsilonText: '' },
    box: { low: 0, high: 1 },
  }
  const draw = randomStream(7, sizeOf(shape), 'square test')
  const input = Float32Array.from({ length: sizeOf(shape) }, () => draw.uniform())
  const weights = input.map(() => slope * (draw.uniform() - 0.5))
  const square = attacks.get('square')!
  const sample = { index: 0, input, shape, label: 0, classes: 2 }
  const options = square.options.parse({ queries, rescale: true })
  const search = square.search(sample, threat, options, restart => randomStream(5, 0, 'square', restart))
  const seen: Float32Array[] = []
  for (let step = search.next([]); !step.done; ) {
    const point = step.value.points[0]!.slice()
    seen.push(point)
    const score = 1000 + point.reduce((sum, value, i) => sum + weights[i]! * value, 0)
    step = search.next([{ logits: Float32Array.of(score, 0), label: 0 }])
  }
  return seen
}

function fingerprint(points: readonly Float32Array[]): string {
  const hash = createHash('sha256')
  for (const point of points) hash.update(new Uint8Array(point.buffer))
  return hash.digest('hex').slice(0, 16)
}

it.each<[NormOfSquare, number[], string]>([
  ['Linf', [3, 16, 12], '685650a7be96e8b2'],
  ['L2', [3, 16, 12], '175b78ae498f1021'],
  ['L1', [3, 16, 12], 'bce4faf3ea4f4466'],
  ['Linf', [9, 14, 3], '1ccd8094867266c3'],
  ['L2', [9, 14, 3], 'd4a5793de677a611'],
  ['L1', [1, 3, 40], 'bd9ac09442a62d11'],
  ['Linf', [2, 50], 'd79748ea1a488796'],
  ['L2', [60], '30ee2b625c571fb8'],
  ['L2', [2, 1, 9, 9], '7955cd912004a9ad'],
])('in %s asks about the same points of a sample [%j] as ever', (norm, shape, known) => {
  expect(fingerprint(pointsOf(norm, shape, 150))).toBe(known)
})

it('draws cubes of a volume, as far as it reaches', () => {
  expect(sidesOf(imageLayout([1, 20, 20, 20]), 0.125, 1, false)).toEqual({ depth: 10, height: 10, width: 10 })
  expect(sidesOf(imageLayout([1, 20, 20, 20]), 0.125, 3, true)).toEqual({ depth: 11, height: 11, width: 11 })
  // Where a side ends, the others go on: the same share of a flat or a long volume.
  expect(sidesOf(imageLayout([3, 2, 30, 30]), 0.25, 1, false)).toEqual({ depth: 2, height: 15, width: 15 })
  expect(sidesOf(imageLayout([3, 64, 4, 4]), 0.5, 1, false)).toEqual({ depth: 32, height: 4, width: 4 })
  const side = fc.integer({ min: 2, max: 9 })
  fc.assert(
    fc.property(side, side, side, fc.double({ min: 0.01, max: 1, noNaN: true }), (slices, rows, width, share) => {
      const image = imageLayout([1, slices, rows, width])
      const sides = sidesOf(image, share, 1, false)
      const windows = placed(image, sides, randomStream(1, slices, 'placed'))
      expect(windows).toHaveLength(sides.depth)
      const [first] = windows
      expect((first!.top % rows) + sides.height).toBeLessThanOrEqual(rows)
      expect(first!.left + sides.width).toBeLessThanOrEqual(width)
      expect(windows).toEqual(
        windows.map((_, at) => ({
          ...{ top: first!.top + at * rows, left: first!.left },
          ...{ height: sides.height, width: sides.width },
        })),
      )
      expect(windows.at(-1)!.top).toBeLessThan(slices * rows)
    }),
  )
})

const volume = { slices: 10, rows: 9, width: 11 }

/** Along each axis of a volume the first and the last place where two points differ. */
function extent(a: Float32Array, b: Float32Array): { readonly sides: number[]; readonly count: number } {
  const { slices, rows, width } = volume
  const places = Array.from(a.keys()).filter(i => a[i] !== b[i])
  const along = [
    (i: number) => Math.floor(i / (rows * width)) % slices,
    (i: number) => Math.floor(i / width) % rows,
    (i: number) => i % width,
  ].map(axis => places.map(axis))
  return { sides: along.map(all => Math.max(...all) - Math.min(...all) + 1), count: places.length }
}

it('changes cubes of a volume in Linf: every voxel of one, per channel', () => {
  const { slices, rows, width } = volume
  const [start, ...others] = pointsOf('Linf', [2, slices, rows, width], 200, 0)
  const image = imageLayout([2, slices, rows, width])
  // The shares of the schedule from the 250th of 10,000 queries on, which is the fifth of 200.
  const cubes = new Set(
    [0.1, 0.05, 0.025, 0.0125, 0.00625, 0.003125].map(share => sidesOf(image, share, 1, false).depth),
  )
  const seen = new Set<number>()
  for (const point of others.slice(5)) {
    const { sides } = extent(start!, point)
    const side = Math.max(...sides)
    expect(Math.max(...cubes)).toBeGreaterThanOrEqual(side)
    if (sides.every(each => each === side)) seen.add(side)
  }
  for (const side of cubes) expect(seen).toContain(side)
})

it.each(['L2', 'L1'] as const)('moves budget between cubes of a volume in %s', norm => {
  const { slices, rows, width } = volume
  const shape = [2, slices, rows, width]
  const points = pointsOf(norm, shape, 200, 0)
  const draw = randomStream(7, sizeOf(shape), 'square test')
  const input = Float32Array.from({ length: sizeOf(shape) }, () => draw.uniform())
  for (const point of points) {
    expect(norms[norm].distance(point, input)).toBeGreaterThan(0.98 * epsilons[norm])
    expect(norms[norm].distance(point, input)).toBeLessThanOrEqual(epsilons[norm])
  }
  // Late cubes have a side of 3: no more voxels than two of them hold, in several slices, rows and columns.
  for (const point of points.slice(150)) {
    const { sides, count } = extent(points[0]!, point)
    expect(count).toBeLessThanOrEqual(2 * 2 * 27)
    expect(Math.min(...sides)).toBeGreaterThan(1)
  }
  // On volumes of one slice bumps are those of the image.
  expect(fingerprint(pointsOf(norm, [2, 1, rows, width], 60))).toBe(fingerprint(pointsOf(norm, [2, rows, width], 60)))
})
