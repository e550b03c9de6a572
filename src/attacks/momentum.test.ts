/** The attacks made for transfer: each falls back to the one it grew out of, and its linear maps are what they claim. */
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { compileGraph, mlpGraph } from '../../test/support/models.js'
import { labelOf } from '../model/batch-model.js'
import type { CompiledModel } from '../model/compile.js'
import { randomStream } from '../random.js'
import { norms, type ThreatModel } from '../threat/threat.js'
import type { Query, Sample } from './attack.js'
import { applyMap, blur, imageLayout, resizedInto, transposeMap } from './image.js'
import { attacks } from './index.js'
import { gaussian } from './momentum-images.js'
import { type Search, schedule } from './scheduler.js'

const shape = [2, 5, 6]
const features = 60
const threat: ThreatModel = { norm: norms.Linf, epsilon: 0.1, epsilonText: '0.1', box: { low: 0, high: 1 } }
let model: CompiledModel
beforeAll(async () => {
  model = await compileGraph(mlpGraph([features, 20, 4], 5), features, 8, ['cross-entropy'])
})
afterAll(async () => {
  await model[Symbol.asyncDispose]()
})

async function proposals(
  name: string,
  options: object,
): Promise<{ points: (Float32Array | undefined)[]; asked: number }> {
  const attack = attacks.get(name)!
  const queue: Search[] = []
  for (let index = 0; index < 6; index++) {
    const input = Float32Array.from({ length: features }, (_, i) => ((index * 7 + i * 5) % 11) / 10)
    model.inputs.set(input)
    const label = labelOf(await model.scores(), 0, 4)
    const sample: Sample = { index, input, label, shape, classes: 4 }
    queue.push({ sample, attack, options: attack.options.parse(options) })
  }
  const points: (Float32Array | undefined)[] = []
  let asked = 0
  await schedule({
    model,
    threat,
    seed: 3,
    stop: 'never',
    take: () => queue.shift(),
    more: async () => false,
    judge: async () => false,
    decided({ sample }, { point, queries }) {
      points[sample.index] = point?.slice()
      asked += queries.gradient
      return undefined
    },
  })
  return { points, asked }
}

describe('without what makes it special, each is the attack it grew out of', () => {
  test.each<[string, object, string, object?]>([
    ['di-fgsm', { probability: 0 }, 'mi-fgsm'],
    ['di-fgsm', { probability: 1, least: 1 }, 'mi-fgsm'],
    ['ti-fgsm', { kernel: 1 }, 'mi-fgsm'],
    ['si-ni-fgsm', { copies: 1 }, 'ni-fgsm'],
    ['ni-fgsm', { decay: 0 }, 'mi-fgsm', { decay: 0 }],
    ['vmi-fgsm', { radius: 1e-30 }, 'mi-fgsm'],
  ])('%s %j is %s', async (name, options, other, otherOptions: object = {}) => {
    expect((await proposals(name, options)).points).toEqual((await proposals(other, otherOptions)).points)
  })

  test.each(['di-fgsm', 'ti-fgsm', 'si-ni-fgsm', 'vmi-fgsm'])('%s by default is not', async name => {
    expect((await proposals(name, {})).points).not.toEqual((await proposals('mi-fgsm', {})).points)
  })

  test('copies and neighbours cost what they should', async () => {
    expect((await proposals('si-ni-fgsm', { steps: 3, copies: 4 })).asked).toBe(6 * 3 * 4)
    expect((await proposals('vmi-fgsm', { steps: 3, neighbours: 7 })).asked).toBe(6 * 3 * 8)
  })
})

test.each(['Linf', 'L2', 'L1'] as const)('Nesterov looks as far ahead as a step goes in %s', norm => {
  const within: ThreatModel = { ...threat, norm: norms[norm] }
  const attack = attacks.get('ni-fgsm')!
  const input = new Float32Array(features).fill(0.5)
  const sample: Sample = { index: 0, input, label: 0, shape, classes: 4 }
  const search = attack.search(sample, within, attack.options.parse({ steps: 2 }), () => randomStream(0, 0, ''))
  const gradient = Float32Array.from({ length: features }, (_, i) => (i % 2 === 0 ? 3 : -3))
  expect((search.next([]).value as Query<'gradients'>).points[0]).toEqual(input)
  const [ahead] = (search.next([{ gradient }]).value as Query<'gradients'>).points
  const step = input.slice()
  within.norm.step(input, gradient, threat.epsilon / 2, step)
  expect(within.norm.distance(ahead!, step)).toBeCloseTo(threat.epsilon / 2, 5)
})

const layouts = fc.constantFrom([2, 5, 6], [5, 6, 3], [7, 4], [1, 4, 9]).map(imageLayout)
const values = (size: number, seed: number) => Float32Array.from({ length: size }, (_, i) => Math.sin(seed + 3 * i))
const inner = (a: Float32Array, b: Float32Array) => a.reduce((sum, value, i) => sum + value * b[i], 0)

test('<copy of x, y> = <x, transposed y> for every place and size of the copy', () => {
  fc.assert(
    fc.property(layouts, fc.nat(), fc.nat(), fc.nat(), fc.nat(), (image, a, b, c, d) => {
      const [height, width] = [1 + (a % image.height), 1 + (b % image.width)]
      const window = { height, width, top: c % (image.height - height + 1), left: d % (image.width - width + 1) }
      const map = resizedInto(image, window)
      const size = image.channels * image.height * image.width
      const [x, y] = [values(size, a), values(size, b + 1)]
      const [copy, back] = [new Float32Array(size), new Float32Array(size)]
      applyMap(x, image, map, copy)
      transposeMap(y, image, map, back)
      expect(inner(copy, y)).toBeCloseTo(inner(x, back), 3)
      expect(map.filter(source => source >= 0).length).toBe(height * width)
    }),
  )
})

test('a copy of half the size shows every other pixel, black around it', () => {
  const image = imageLayout([4, 4])
  const from = Float32Array.from({ length: 16 }, (_, i) => i + 1)
  const copy = new Float32Array(16)
  applyMap(from, image, resizedInto(image, { top: 1, left: 2, height: 2, width: 2 }), copy)
  expect([...copy]).toEqual([0, 0, 0, 0, 0, 0, 1, 3, 0, 0, 9, 11, 0, 0, 0, 0])
})

test('blur is its own transpose, keeps channels apart and spreads a pixel as the kernel says', () => {
  fc.assert(
    fc.property(layouts, fc.nat({ max: 999 }), fc.constantFrom(1, 3, 5, 15), (image, seed, size) => {
      const count = image.channels * image.height * image.width
      const [x, y] = [values(count, seed), values(count, seed + 0.5)]
      const [bx, by] = [x.slice(), y.slice()]
      blur(bx, image, gaussian(size))
      blur(by, image, gaussian(size))
      expect(inner(bx, y)).toBeCloseTo(inner(x, by), 3)
    }),
  )
  const image = imageLayout([2, 5, 5])
  const dot = new Float32Array(50)
  dot[12] = 1
  blur(dot, image, gaussian(3))
  const [side, middle] = gaussian(3)
  expect(dot[12]).toBeCloseTo(middle * middle)
  expect(dot[11]).toBeCloseTo(side * middle)
  expect(dot[6]).toBeCloseTo(side * side)
  expect(dot.subarray(25).every(value => value === 0)).toBe(true)
  expect(gaussian(15)[7]).toBeCloseTo(0.171, 3)
})
