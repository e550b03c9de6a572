/** Signals [C, L] and volumes [C, D, H, W] through convolutions of one and three dimensions: attacked, replayed and reported as images are. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { temporaryFolder } from '../../test/support/digits.js'
import { writeNpy, writeNpz } from '../data/npz-write.js'
import { labelOf } from '../model/batch-model.js'
import { compile, prepareModel } from '../model/compile.js'
import { GraphBuilder } from '../onnx/build.js'
import { encodeModel } from '../onnx/codec/index.js'
import type { Graph } from '../onnx/graph.js'
import { evaluate as oracle } from '../onnx/reference/evaluate.js'
import { randomStream } from '../random.js'
import { loadEngine } from '../runtime/engine.js'
import { float32, float64, int64, type Shape, sizeOf, toNumbers } from '../tensor/tensor.js'
import { evaluate } from './evaluate.js'
import { inspect } from './inspect.js'
import { readRun } from './read-run.js'
import { replay } from './replay.js'

const classes = 3
const count = 10

/** Two convolutions with a pooling between them, over as many axes as the samples have behind their channels. */
function network(sample: Shape, bias: readonly number[]): Graph {
  const random = randomStream(2, sample.length, 'network')
  const b = new GraphBuilder('network')
  const axes = sample.slice(1)
  const around = (pad: number) => axes.flatMap(() => [pad, pad])
  const all = (size: number) => axes.map(() => size)
  const weights = (shape: Shape) => {
    const scale = Math.sqrt(2 / sizeOf(shape.slice(1)))
    return b.constant(
      float32(
        Float32Array.from({ length: sizeOf(shape) }, () => scale * random.normal()),
        shape,
      ),
    )
  }
  const x = b.input('x', 'float32', [1, ...sample])
  const first = b.relu(b.conv(x, weights([6, sample[0]!, ...all(3)]), weights([6]), { pads: around(1) }))
  const pooled = b.maxPool(first, all(2), { strides: all(2) })
  const second = b.relu(b.conv(pooled, weights([8, 6, ...all(3)]), weights([8]), { pads: around(1), strides: all(2) }))
  const flat = b.flatten(b.averagePool(second, all(2)))
  b.output(b.gemm(flat, weights([classes, flat.shape[1]!]), b.constant(float32(bias)), { transB: true }), 'logits')
  return b.build()
}

const kinds = [
  { name: 'signals', sample: [2, 32], kind: 'features', box: undefined },
  { name: 'volumes', sample: [1, 8, 8, 8], kind: 'image', box: [0, 1] },
] as const

function samplesOf(sample: Shape): Float32Array {
  const random = randomStream(4, sample.length, 'samples')
  return Float32Array.from({ length: count * sizeOf(sample) }, () => random.uniform())
}

const space = (sampleShape: Shape) => {
  const none = undefined
  return { sampleShape, dataLayout: none, modelLayout: none, mean: none, std: none }
}

async function scoresOf(graph: Graph, sample: Shape, inputs: Float32Array): Promise<Float32Array> {
  const options = { batch: count, threads: 1, losses: [] }
  await using model = await compile(prepareModel({ graph, functions: [] }, space(sample)), await loadEngine(), options)
  model.inputs.set(inputs)
  return await model.scores()
}

/** Model and data, labelled as the model says; no class is likelier than the others. */
async function prepared(folder: string, sample: Shape, format: 'npz' | 'npy') {
  const inputs = samplesOf(sample)
  const raw = await scoresOf(network(sample, [0, 0, 0]), sample, inputs)
  const bias = [0, 1, 2].map(at => -raw.reduce((sum, score, i) => (i % classes === at ? sum + score / count : sum), 0))
  const graph = network(sample, bias)
  const model = join(folder, 'model.onnx')
  writeFileSync(model, encodeModel(graph))
  const scores = await scoresOf(graph, sample, inputs)
  const labels = Array.from({ length: count }, (_, row) => labelOf(scores, row * classes, (row + 1) * classes))
  const [x, y] = [float32(inputs, [count, ...sample]), int64(labels)]
  const data = join(folder, `x.${format}`)
  if (format === 'npz') await writeNpz(data, { x, y })
  else {
    await writeNpy(data, x)
    await writeNpy(join(folder, 'y.npy'), y)
  }
  return { model, data }
}

describe.each(kinds)('$name', ({ sample, kind, box }) => {
  test('gradients agree with central differences', async () => {
    const graph = network(sample, [0, 0, 0])
    const size = sizeOf(sample)
    await using model = await compile(prepareModel({ graph, functions: [] }, space(sample)), await loadEngine(), {
      batch: 2,
      threads: 1,
      losses: ['linear'],
    })
    const x = samplesOf(sample).slice(0, size)
    const weights = Float32Array.of(1, -0.5, 0.25)
    model.inputs.set(x, size)
    const { gradients } = await model.gradients([0, 1].map(() => ({ loss: 'linear', label: 0, weights }) as const))
    const loss = (point: Float64Array) => {
      const scores = toNumbers(oracle(graph, new Map([['x', float64(point, [1, ...sample])]])).get('logits')!)
      return scores.reduce((sum, score, i) => sum + score * weights[i]!, 0)
    }
    const largest = gradients.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
    for (const at of [0, 5, size >> 1, size - 1]) {
      const [after, before] = [1e-6, -1e-6].map(h =>
        loss(Float64Array.from(x, (value, i) => (i === at ? value + h : value))),
      )
      expect(Math.abs(gradients[size + at]! - (after! - before!) / 2e-6)).toBeLessThan(1e-4 * largest)
    }
  })

  test('attacks by gradients, scores and labels find examples that replay', async () => {
    const folder = temporaryFolder()
    const { model, data } = await prepared(folder, sample, 'npz')
    const attacks = [
      { name: 'pgd', options: { steps: 20 } },
      { name: 'apgd-ce', options: { steps: 20 } },
      { name: 'fab', options: { steps: 20 } },
      { name: 'square', options: { queries: 300 } },
      { name: 'hop-skip-jump', options: { steps: 2 } },
    ]
    const run = join(folder, 'run')
    const { result } = await evaluate({
      model,
      data,
      epsilon: '0.5',
      box: [0, 1],
      attacks,
      individual: true,
      run,
      processes: 1,
      batch: 8,
    })
    expect(result.accuracy.standard.correct).toBe(count)
    expect(result.model.inputShape).toEqual(sample)
    for (const { name, broken } of result.attacks) expect({ name, most: broken > 2 }).toEqual({ name, most: true })
    expect(await replay(run)).toMatchObject({
      refuted: 0,
      confirmedAdversarial: count - result.accuracy.robust.correct,
    })
    const { document } = await readRun(run)
    expect(document.gallery).toMatchObject({ kind: 'features', shape: [sizeOf(sample)] })
  })

  test('SimBA and norms other than Linf work, attacks for pictures say what they are', async () => {
    const folder = temporaryFolder()
    const { model, data } = await prepared(folder, sample, 'npy')
    const options = { model, data, processes: 1, batch: 8 } as const
    const [pixels, cosine] = ['pixel', 'cosine'].map(basis => ({ name: 'simba', options: { basis } }))
    for (const attack of [pixels!, cosine!, { name: 'square', options: { queries: 300 } }]) {
      const { result } = await evaluate({
        ...options,
        norm: 'L2',
        epsilon: '4',
        attacks: [attack],
        run: join(folder, `${attack.name}-${JSON.stringify(attack.options).length}`),
      })
      expect(result.threat.box).toEqual(box ?? null)
      expect(result.attacks[0]!.broken).toBeGreaterThan(2)
    }
    const patch = [{ name: 'sparse-rs', options: { unit: 'patch' } }]
    await expect(evaluate({ ...options, norm: 'L0', epsilon: '10', attacks: patch })).rejects.toMatchObject({
      message: expect.stringContaining(
        `attack sparse-rs with these options is for pictures, the samples have the shape [${sample}]`,
      ),
      hint: expect.stringContaining('square'),
    })
    const facts = await inspect(model, { data })
    expect(facts).toMatchObject({ inputShape: sample, layout: null, data: { count, correct: count, better: [] } })
    expect(facts.missing.size).toBe(0)
    expect(kind).toBe(sample.length === 2 ? 'features' : 'image')
  })
})
