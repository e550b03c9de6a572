/**
 * FMN where features matter unequally. In Linf the model is a network of positive weights, so that its margin rises with every feature
 * and the nearest adversarial example is clip(x + t) for the least t that reaches the boundary: found by bisection.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { compileGraph, linearGraph } from '../../test/support/models.js'
import { median, proposals } from '../../test/support/proposals.js'
import { shortest } from '../../test/support/shortest.js'
import type { CompiledModel } from '../model/compile.js'
import { GraphBuilder } from '../onnx/build.js'
import { randomStream } from '../random.js'
import { float32 } from '../tensor/tensor.js'
import { norms } from '../threat/threat.js'
import type { Sample } from './attack.js'
import { fmn } from './fmn.js'

const features = 784
const hidden = 20
const count = 5
const random = randomStream(11, 0, 'fmn')

// The slopes of features spread over orders of magnitude, like those of pixels in and around a digit.
const spread = Float32Array.from({ length: features }, () => Math.exp(2 * random.normal()))
const first = Float32Array.from(
  { length: features * hidden },
  (_, i) => spread[Math.floor(i / hidden)] * random.uniform(),
)
// Units begin to answer at different depths.
const thresholds = Float32Array.from({ length: hidden }, (_, unit) => {
  const most = spread.reduce((sum, _, i) => sum + first[i * hidden + unit], 0)
  return -most * (0.2 + 0.5 * random.uniform())
})
const second = Float32Array.from({ length: hidden }, () => random.uniform() / hidden)

const rise = (input: Float32Array) =>
  second.reduce((sum, w, unit) => {
    const value = input.reduce((total, x, i) => total + x * first[i * hidden + unit], thresholds[unit])
    return sum + w * Math.max(0, value)
  }, 0)
const offset = rise(new Float32Array(features).fill(0.6))
/** Of class 1 above class 0. */
const margin = (input: Float32Array) => rise(input) - offset

function graph() {
  const b = new GraphBuilder('rising')
  const x = b.input('x', 'float32', [1, features])
  const value = b.relu(
    b.gemm(x, b.constant(float32(first, [features, hidden])), b.constant(float32(thresholds, [hidden]))),
  )
  const columns = Float32Array.from({ length: 2 * hidden }, (_, i) => (i % 2 === 0 ? 0 : second[i >> 1]))
  b.output(
    b.gemm(value, b.constant(float32(columns, [hidden, 2])), b.constant(float32(Float32Array.of(offset, 0), [2]))),
    'logits',
  )
  return b.build()
}

/** The least t with clip(x + t) on the boundary. */
function optimum(input: Float32Array): number {
  let [low, high] = [0, 1]
  for (let k = 0; k < 40; k++) {
    const t = (low + high) / 2
    if (margin(input.map(x => Math.min(1, x + t))) < 0) low = t
    else high = t
  }
  return high
}

describe('fmn in Linf', () => {
  let model: CompiledModel
  beforeAll(async () => {
    model = await compileGraph(graph(), features, 8, ['margin'])
  })
  afterAll(() => model[Symbol.asyncDispose]())

  it('comes close to the optimum where few features have most of the slope', async () => {
    const samples: Sample[] = Array.from({ length: count }, (_, index) => {
      const input = Float32Array.from({ length: features }, () => 0.6 * random.uniform())
      return { index, input, label: 0, shape: [features], classes: 2 }
    })
    const found = await proposals(model, samples, fmn, 'Linf', fmn.options.parse({ refine: 0 }))
    const ratios = samples.map(({ input }, index) => {
      expect(margin(found[index]!)).toBeGreaterThan(-1e-5)
      return norms.Linf.distance(found[index]!, input) / optimum(input)
    })
    console.info(`fmn Linf: median ${median(ratios).toFixed(4)}, worst ${Math.max(...ratios).toFixed(4)}`)
    expect(Math.min(...ratios)).toBeGreaterThan(1 - 1e-4)
    // Steps along the gradient itself stay 6 % above it.
    expect(Math.max(...ratios)).toBeLessThan(1.01)
  })
})

describe.each(['L2', 'L1'] as const)('fmn in %s', norm => {
  it('spends its steps on features that the box lets move', async () => {
    // Half of the features have most of the slope and stand at the end of the box.
    const slopes = Array.from({ length: features }, (_, i) => (i % 2 === 0 ? 20 : random.uniform()))
    const input = Float32Array.from(slopes, (_, i) => (i % 2 === 0 ? 1 : 0.5 * random.uniform()))
    const reach = slopes.reduce((sum, slope, i) => sum + slope * (1 - input[i]), 0)
    const at = slopes.reduce((sum, slope, i) => sum + slope * input[i], 0)
    await using model = await compileGraph(
      linearGraph([slopes.map(() => 0), slopes], [at + 0.2 * reach, 0]),
      features,
      8,
      ['margin'],
    )
    const sample: Sample = { index: 0, input, label: 0, shape: [features], classes: 2 }
    const [found] = await proposals(model, [sample], fmn, norm, fmn.options.parse({ refine: 0 }))
    expect(found).toBeDefined()
    const best = shortest(norm, { point: input, normal: slopes, value: -0.2 * reach })
    expect(norms[norm].distance(found!, input) / best).toBeGreaterThan(1 - 1e-4)
    expect(norms[norm].distance(found!, input) / best).toBeLessThan(1.02)
  })
})
