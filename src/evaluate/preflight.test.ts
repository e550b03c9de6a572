import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { mnist } from '../../test/support/assets.js'
import { temporaryFolder } from '../../test/support/digits.js'
import { imageSpace } from '../../test/support/models.js'
import { openDataset } from '../data/dataset.js'
import { planInput, withInputPlan } from '../model/data-space.js'
import { GraphBuilder } from '../onnx/build.js'
import { encodeModel } from '../onnx/codec/index.js'
import type { Graph } from '../onnx/graph.js'
import { loadEngine } from '../runtime/engine.js'
import { readModelFile } from '../runtime/files.js'
import { float32 } from '../tensor/tensor.js'
import { labelOrder, preflight } from './preflight.js'

const digits = fileURLToPath(new URL('../../examples/models/mnist-mlp.onnx', import.meta.url))
const plain = imageSpace(1, 28, 28)

async function samples(scale = 1) {
  const data = await openDataset(mnist)
  const { inputs, labels } = await data.read(0, 120)
  return { inputs: inputs.map(value => (1 - value) * scale), labels }
}

async function saved(graph: Graph) {
  const path = join(temporaryFolder(), 'model.onnx')
  writeFileSync(path, encodeModel(graph))
  return readModelFile(path)
}

/** The classifier of digits for negatives that were normalised so: unlike most, not blind to scales. */
async function negatives(mean = 0, std = 1) {
  const { graph } = await readModelFile(digits)
  const [input] = graph.inputs
  const all = (value: number) => new Float32Array(784).fill(value)
  // 1 - (u std + mean) = (u - (1 - mean) / std) / (-1 / std)
  const plan = { ...planInput(plain, input), mean: all((1 - mean) / std), std: all(-1 / std) }
  return saved(withInputPlan(graph, input.name, 1, plan))
}

describe('preflight', () => {
  it.each([
    { title: 'finds nothing where nothing is wrong', file: negatives, space: {}, scale: 1, option: undefined },
    {
      title: 'sees pixels from 0 to 255',
      file: negatives,
      space: {},
      scale: 255,
      option: '--scale 0.00392156862745098',
    },
    { title: 'sees a scale too much', file: negatives, space: { scale: 255 }, scale: 1, option: 'no --scale' },
    {
      title: 'sees a normalisation too much',
      file: negatives,
      space: { mean: [0.1307], std: [0.3081] },
      scale: 1,
      option: 'no --mean and --std',
    },
    {
      title: 'sees data that were normalised before',
      file: negatives,
      space: {},
      scale: 1,
      normalised: true,
      option: 'values from 0 to 1',
    },
    {
      title: 'sees the normalisation of MNIST missing',
      file: () => negatives(0.1307, 0.3081),
      space: {},
      scale: 1,
      option: '--mean 0.1307 --std 0.3081',
    },
  ])('$title', async ({ file, space, scale, option, normalised }) => {
    const { inputs, labels } = await samples(scale)
    const given = normalised ? inputs.map(value => (value - 0.1307) / 0.3081) : inputs
    const found = await preflight(await loadEngine(), await file(), { ...plain, ...space }, { inputs: given, labels })
    if (option === undefined) expect(found).toMatchObject({ better: [], count: 120, correct: 119 })
    else {
      expect(found.better[0]!.option).toBe(option)
      expect(found.better[0]!.correct).toBe(119)
      expect(found.correct).toBeLessThan(110)
    }
  })

  it('sees colours and layout in another order, also both at once', async () => {
    // The class is the brightest colour; the model has blue first, and channels last.
    const b = new GraphBuilder('colours')
    const x = b.input('x', 'float32', [1, 3, 3, 3])
    const weights = Float32Array.from({ length: 81 }, (_, i) => (i % 3 === 2 - Math.floor(i / 27) ? 1 : 0))
    const bias = b.constant(float32([0, 0, 0]))
    b.output(b.gemm(b.reshape(x, [1, 27]), b.constant(float32(weights, [3, 27])), bias, { transB: true }), 'scores')
    const labels = Int32Array.from({ length: 90 }, (_, i) => i % 3)
    const inputs = Float32Array.from({ length: 90 * 27 }, (_, i) => {
      const [sample, channel] = [Math.floor(i / 27), Math.floor(i / 9) % 3]
      return labels[sample] === channel ? 0.9 : ((i * 7919) % 100) / 200
    })
    const space = { ...plain, sampleShape: [3, 3, 3] }
    const file = await saved(b.build())
    const found = await preflight(await loadEngine(), file, space, { inputs, labels })
    expect(found.better[0]).toMatchObject({ correct: 90 })
    expect(found.better[0]!.option).toMatch(/--layout NHWC/)
    expect(found.better[0]!.option).toMatch(/--channels bgr/)
    const halfway = await preflight(await loadEngine(), file, { ...space, modelLayout: 'NHWC' }, { inputs, labels })
    expect(halfway.better[0]).toMatchObject({ option: '--channels bgr', correct: 90 })
  })

  it('leaves out what does not fit the shape of the model', async () => {
    // The class is the brightest colour; blue first. Channels last have another shape.
    const b = new GraphBuilder('colours')
    const x = b.input('x', 'float32', [1, 3, 2, 4])
    const weights = Float32Array.from({ length: 72 }, (_, i) =>
      Math.floor((i % 24) / 8) === 2 - Math.floor(i / 24) ? 1 : 0,
    )
    const bias = b.constant(float32([0, 0, 0]))
    b.output(b.gemm(b.reshape(x, [1, 24]), b.constant(float32(weights, [3, 24])), bias, { transB: true }), 'scores')
    const labels = Int32Array.from({ length: 60 }, (_, i) => i % 3)
    const inputs = Float32Array.from({ length: 60 * 24 }, (_, i) =>
      labels[Math.floor(i / 24)] === Math.floor(i / 8) % 3 ? 0.9 : ((i * 7919) % 100) / 200,
    )
    const space = imageSpace(3, 2, 4)
    const found = await preflight(await loadEngine(), await saved(b.build()), space, { inputs, labels })
    expect(found.better[0]).toMatchObject({ option: '--channels bgr', correct: 60 })
  })

  it.each([
    ['plus 1', (label: number) => label + 1, /plus 1 .* save y \+ 1, or add :relabel=\+1 behind/],
    ['minus 1', (label: number) => label - 1, /labels count from 1; save y - 1, or add :relabel=-1 behind/],
    [
      'by a permutation',
      (label: number) => [2, 0, 1, 3][label]!,
      /another order: .*0 as 2, 1 as 0, 2 as 1 .*; add :relabel=2:0:1:3 behind/,
    ],
    ['not at all', (label: number) => label, undefined],
    ['all as one', () => 2, undefined],
  ])('tells labels apart: %s', (_, map, expected) => {
    const labels = Int32Array.from({ length: 80 }, (_, i) => i % 4)
    const said = Array.from(labels, (label, i) => (i % 5 === 0 ? 3 : map(label)))
    const found = labelOrder(said, labels, 5)
    if (expected === undefined) expect(found).toBeUndefined()
    else expect(found).toMatch(expected)
  })
})
