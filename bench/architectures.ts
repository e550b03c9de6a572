/** What an input gradient costs in a vision transformer and in a network of depthwise convolutions, compiled as attacks do. */
import { attackGraph, laidOut, prepareModel, specialise } from '../src/model/compile.js'
import { encodeModel } from '../src/onnx/codec/index.js'
import { randomStream } from '../src/random.js'
import type { Engine } from '../src/runtime/engine.js'
import { float32, sizeOf } from '../src/tensor/tensor.js'
import { mobileNetwork, type Network, visionTransformer } from '../test/support/networks.js'
import { interleaved, type Result } from './measure.js'

const cases = [
  { name: 'vision transformer, 6 blocks of width 192', network: () => visionTransformer(192, 3, 32, 6), batch: 16 },
  { name: 'depthwise network, 8 blocks of width 32', network: () => mobileNetwork(32, 64, 8), batch: 16 },
]

export async function architectureCost(engine: Engine, rounds = 15): Promise<Result[]> {
  const results: Result[] = []
  for (const { name, network, batch } of cases) {
    const { forward, gradient, ratio } = await gradientCost(engine, network(), batch, rounds)
    results.push({
      name: `input gradient / forward, ${name}, batch ${batch}`,
      value: ratio('gradient', 'forward'),
      atMost: 2.6,
      detail: `${forward.toFixed(1)} ms forward, ${gradient.toFixed(1)} ms with gradient`,
    })
  }
  return results
}

async function gradientCost(engine: Engine, { graph, sample }: Network, batch: number, rounds: number) {
  const space = { sampleShape: sample, dataLayout: undefined, modelLayout: undefined, mean: undefined, std: undefined }
  const typed = await specialise(prepareModel({ graph, functions: [] }, space), engine, batch)
  const attacked = laidOut(attackGraph(typed, ['cross-entropy']), engine)
  await using forward = await engine.createSession({ bytes: encodeModel(typed) }, { threads: 1 })
  await using gradient = await engine.createSession({ bytes: encodeModel(attacked) }, { threads: 1 })
  const random = randomStream(0, 0, 'bench', batch)
  const shape = [batch, ...sample]
  const x = float32(Float32Array.from({ length: sizeOf(shape) }, random.uniform), shape)
  const { shape: rows } = attacked.types.get('row_label')!
  const label = float32(
    Float32Array.from({ length: sizeOf(rows) }, (_, i) => (i % rows[1]! === 0 ? 1 : 0)),
    rows,
  )
  const data = typed.inputs[0]!.name
  const both = new Map([
    [data, x],
    ['row_label', label],
  ])
  return await interleaved(
    {
      forward: forward.bind(new Map([[data, x]]), [typed.outputs[0]!.name]),
      gradient: gradient.bind(both, ['row_logits', 'row_loss', 'row_gradient']),
    },
    rounds,
  )
}
