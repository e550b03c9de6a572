/**
 * Whole networks of the kinds that people export, from the bytes of a file for one sample to attacks in batches: the
 * gradient against differences of the loss, and an attack by gradients against noise of the same size.
 */
import { beforeAll, describe, expect, test } from 'vitest'
import { labelOf } from '../../src/model/batch-model.js'
import { type CompiledModel, compile, prepareModel } from '../../src/model/compile.js'
import type { DataSpace } from '../../src/model/data-space.js'
import { decodeModel, encodeModel } from '../../src/onnx/codec/index.js'
import { randomStream } from '../../src/random.js'
import { type Engine, loadEngine } from '../../src/runtime/engine.js'
import { float32 } from '../../src/tensor/tensor.js'
import { type Network, networks } from '../support/networks.js'

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
    const random = randomStream(5, 0, network.name)
    // Along the gradient, and halfway between it and a random direction.
    for (const mix of [0, 1]) {
      const direction = gradients.map((_, i) => {
        const length = norm(gradients, Math.floor(i / model.features), model.features)
        return gradients[i]! / length + (mix * random.normal()) / Math.sqrt(model.features)
      })
      const h = 5e-4
      const lossAt = async (step: number) => {
        model.inputs.set(x.map((value, i) => value + step * direction[i]!))
        return (await model.gradients(rows)).losses
      }
      const [after, before] = [await lossAt(h), await lossAt(-h)]
      for (let row = 0; row < batch; row++) {
        const slope = (after[row]! - before[row]!) / (2 * h)
        let wanted = 0
        for (let i = row * model.features; i < (row + 1) * model.features; i++) wanted += gradients[i]! * direction[i]!
        expect(Math.abs(slope - wanted)).toBeLessThan(0.02 * Math.abs(wanted) + 2e-3)
      }
    }
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

function norm(values: Float32Array, row: number, width: number): number {
  let sum = 0
  for (let i = row * width; i < (row + 1) * width; i++) sum += values[i]! ** 2
  return Math.sqrt(sum)
}
