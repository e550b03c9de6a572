/**
 * Whole networks of the kinds that people export, from the bytes of a file for one sample to attacks in batches: the
 * gradient against differences of the loss, and an attack by gradients against noise of the same size.
 */
import { beforeAll, describe, expect, test } from 'vitest'
import { labelOf } from '../../src/model/batch-model.js'
import { type CompiledModel, compile, prepareModel } from '../../src/model/compile.js'
import type { DataSpace } from '../../src/model/data-space.js'
import type { RowLoss } from '../../src/model/losses.js'
import { decodeModel, encodeModel } from '../../src/onnx/codec/index.js'
import { randomStream } from '../../src/random.js'
import { type Engine, loadEngine } from '../../src/runtime/engine.js'
import { float32 } from '../../src/tensor/tensor.js'
import {
  encoderDecoder,
  mobileNetwork,
  type Network,
  networks,
  plainNetwork,
  recurrentClassifier,
  residualNetwork,
  visionTransformer,
} from '../support/networks.js'
import { fitted, type Samples, smallDigits } from '../support/readout.js'
import { inEightBits, inHalf } from '../support/reduced.js'

const batch = 8

let engine: Engine
beforeAll(async () => {
  engine = await loadEngine()
})

function compiled({ graph, sample }: Network): Promise<CompiledModel> {
  const space: DataSpace = {
    sampleShape: sample,
    dataLayout: undefined,
    modelLayout: undefined,
    mean: undefined,
    std: undefined,
  }
  const prepared = prepareModel(decodeModel(encodeModel(graph)), space)
  expect(prepared.notes.filter(note => note.includes('may be wrong'))).toEqual([])
  return compile(prepared, engine, { batch, threads: 1, losses: ['cross-entropy'] })
}

/** Random samples, a row each. */
function samples(model: CompiledModel, name: string): Float32Array {
  const random = randomStream(3, 0, name)
  return Float32Array.from({ length: batch * model.features }, () => random.normal())
}

function labels(model: CompiledModel, scores: Float32Array): number[] {
  return Array.from({ length: batch }, (_, row) => {
    const start = row * model.classes
    return labelOf(scores, start, start + model.classes)
  })
}

const rowLosses = (wanted: readonly number[]) => wanted.map(label => ({ loss: 'cross-entropy', label }) as const)

describe.each(networks())('$name', network => {
  test('for a batch computes what the file computes for each sample', async () => {
    await using model = await compiled(network)
    const x = samples(model, network.name)
    model.inputs.set(x)
    const scores = await model.scores()
    await using session = await engine.createSession({ bytes: encodeModel(network.graph) }, { threads: 1 })
    for (let row = 0; row < batch; row++) {
      const one = x.slice(row * model.features, (row + 1) * model.features)
      const [wanted] = [...(await session.run(new Map([['x', float32(one, [1, ...network.sample])]]))).values()]
      const got = scores.subarray(row * model.classes, (row + 1) * model.classes)
      for (const [i, value] of (wanted!.data as Float32Array).entries()) expect(got[i]).toBeCloseTo(value, 3)
    }
  })

  test('has the gradient that differences of the loss show', async () => {
    await using model = await compiled(network)
    const x = samples(model, network.name)
    model.inputs.set(x)
    const rows = rowLosses(labels(model, await model.scores()).map((label, row) => (row % 2 === 0 ? label : 0)))
    const { gradients } = await model.gradients(rows)
    await expectSlopes(model, x, { gradients: gradients.slice(), rows, name: network.name })
  })

  test('is fooled by gradients more often than by noise', async () => {
    await using model = await compiled(network)
    const x = samples(model, network.name)
    model.inputs.set(x)
    const truth = labels(model, await model.scores())
    const random = randomStream(9, 0, network.name)
    const epsilon = 0.3
    const fooled = async () => {
      const found = labels(model, await model.scores())
      return found.filter((label, row) => label !== truth[row]).length
    }
    model.inputs.set(x.map(value => value + epsilon * (random.uniform() < 0.5 ? -1 : 1)))
    const byNoise = await fooled()
    let point = x
    for (let step = 0; step < 8; step++) {
      model.inputs.set(point)
      const { gradients } = await model.gradients(rowLosses(truth))
      point = point.map((value, i) => {
        const moved = value + 0.1 * Math.sign(gradients[i]!)
        return Math.min(x[i]! + epsilon, Math.max(x[i]! - epsilon, moved))
      })
    }
    model.inputs.set(point)
    expect(await fooled()).toBeGreaterThan(byNoise)
  })
})

/** As the classifiers of digits they are fitted to be. */
describe('on digits', () => {
  let fittedPlain: Promise<Network> | undefined
  const plain = () => (fittedPlain ??= fittedToDigits(plainNetwork(12, 16)))
  const inStyle = (style: 'QDQ' | 'QLinear') => async () => {
    const network = await plain()
    return inEightBits(network, (await smallDigits('train', 100, network.sample)).inputs, style)
  }
  const differentiable: [string, () => Promise<Network>][] = [
    ['a vision transformer', () => fittedToDigits(visionTransformer(96, 4, 16))],
    ['depthwise convolutions with squeeze and excite', () => fittedToDigits(mobileNetwork(128, 16))],
    ['a residual network with batch norm', () => fittedToDigits(residualNetwork(8, 16))],
    ['an encoder and decoder with skips', () => fittedToDigits(encoderDecoder(16))],
    ['an LSTM', () => fittedToDigits(recurrentClassifier(16, 16, 64))],
    ['half precision', async () => inHalf(await plain())],
  ]
  const rounded: typeof differentiable = [
    ['eight bits by QDQ', inStyle('QDQ')],
    ['eight bits by QLinear', inStyle('QLinear')],
  ]

  test.each([...differentiable, ...rounded])('%s: PGD leaves far less than noise', async (name, made) => {
    const network = await made()
    const { inputs, labels } = await smallDigits('test', 96, network.sample)
    await using model = await compiled(network)
    const right = await accuracies(model, inputs, labels)
    expect(right.clean).toBeGreaterThan(0.6)
    expect(right.pgd).toBeLessThan(right.noise - 0.2)

    // Black is the same everywhere: a little noise leads away from the ties of a pool.
    const random = randomStream(17, 0, network.name)
    const x = Float32Array.from(
      inputs.slice(0, batch).flatMap(input => [...input]),
      value => value + 0.05 * random.uniform(),
    )
    const rows = rowLosses([...labels.subarray(0, batch)])
    const gradientsOf = async (asked: CompiledModel) => {
      asked.inputs.set(x)
      return (await asked.gradients(rows)).gradients.slice()
    }
    const gradients = await gradientsOf(model)
    if (differentiable.some(([each]) => each === name)) {
      await expectSlopes(model, x, { gradients, rows, name: network.name })
      return
    }
    await using exact = await compiled(await plain())
    expect(cosine(gradients, await gradientsOf(exact))).toBeGreaterThan(0.8)
  })
})

async function fittedToDigits(network: Network): Promise<Network> {
  const { inputs, labels } = await smallDigits('train', 1500, network.sample)
  const random = randomStream(13, 0, 'training')
  const noisy = inputs.map(input => input.map(value => value + epsilon * (2 * random.uniform() - 1)))
  return fitted(network, { inputs: noisy, labels })
}

const epsilon = 0.02

/** Shares that are right: as they are, under the worst of three draws of noise, after PGD. */
async function accuracies(model: CompiledModel, inputs: Samples['inputs'], truth: Int32Array) {
  const random = randomStream(11, 0, 'noise')
  const right = { clean: 0, noise: 0, pgd: 0 }
  for (let at = 0; at < inputs.length; at += batch) {
    const x = Float32Array.from(inputs.slice(at, at + batch).flatMap(input => [...input]))
    const wanted = [...truth.subarray(at, at + batch)]
    const rightAt = async (point: Float32Array) => {
      model.inputs.set(point)
      return labels(model, await model.scores()).map((label, row) => label === wanted[row])
    }
    const clean = await rightAt(x)
    let noise = clean
    for (let draw = 0; draw < 3; draw++) {
      const drawn = await rightAt(x.map(value => value + epsilon * (random.uniform() < 0.5 ? -1 : 1)))
      noise = noise.map((each, row) => each && drawn[row]!)
    }
    let point = x
    for (let step = 0; step < 8; step++) {
      model.inputs.set(point)
      const { gradients } = await model.gradients(rowLosses(wanted))
      point = point.map((value, i) => {
        const moved = value + 0.3 * epsilon * Math.sign(gradients[i]!)
        return Math.min(x[i]! + epsilon, Math.max(x[i]! - epsilon, moved))
      })
    }
    const pgd = await rightAt(point)
    for (let row = 0; row < wanted.length; row++) {
      if (clean[row]) right.clean++
      if (noise[row]) right.noise++
      if (pgd[row]) right.pgd++
    }
  }
  const share = (count: number) => count / inputs.length
  return { clean: share(right.clean), noise: share(right.noise), pgd: share(right.pgd) }
}

/** The loss of each row against differences, along two directions. */
async function expectSlopes(
  model: CompiledModel,
  x: Float32Array,
  {
    gradients,
    rows,
    name,
  }: { readonly gradients: Float32Array; readonly rows: readonly RowLoss[]; readonly name: string },
): Promise<void> {
  const random = randomStream(5, 0, name)
  // Along the gradient, and halfway between it and a random direction.
  for (const mix of [0, 1]) {
    const direction = gradients.map((_, i) => {
      const length = norm(gradients, Math.floor(i / model.features), model.features)
      return gradients[i]! / length + (mix * random.normal()) / Math.sqrt(model.features)
    })
    const h = 5e-4
    const lossAt = async (step: number) => {
      model.inputs.set(x.map((value, i) => value + step * direction[i]!))
      return (await model.gradients(rows)).losses.slice()
    }
    const [after, before] = [await lossAt(h), await lossAt(-h)]
    for (let row = 0; row < batch; row++) {
      const slope = (after[row]! - before[row]!) / (2 * h)
      let wanted = 0
      for (let i = row * model.features; i < (row + 1) * model.features; i++) wanted += gradients[i]! * direction[i]!
      expect(Math.abs(slope - wanted)).toBeLessThan(0.02 * Math.abs(wanted) + 2e-3)
    }
  }
}

/** The cosine of the angle between two vectors. */
function cosine(a: Float32Array, b: Float32Array): number {
  const product = a.reduce((sum, value, i) => sum + value * b[i]!, 0)
  return product / (norm(a, 0, a.length) * norm(b, 0, b.length))
}

function norm(values: Float32Array, row: number, width: number): number {
  let sum = 0
  for (let i = row * width; i < (row + 1) * width; i++) sum += values[i]! ** 2
  return Math.sqrt(sum)
}
