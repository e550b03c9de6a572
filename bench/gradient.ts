/** What an input gradient costs, against the forward pass in the same run, on one thread. */
import { gradientGraph, gradientName } from '../src/autodiff/gradient.js'
import { laidOut } from '../src/model/compile.js'
import { GraphBuilder } from '../src/onnx/build.js'
import { encodeModel } from '../src/onnx/codec/index.js'
import type { TypedGraph } from '../src/onnx/graph.js'
import { randomStream } from '../src/random.js'
import type { Engine } from '../src/runtime/engine.js'
import { float32 } from '../src/tensor/tensor.js'
import { interleaved, type Result } from './measure.js'
import { resnet18 } from './resnet.js'

const cases = [
  { channels: 64, batch: 32, rounds: 9, atMost: 2.3 },
  { channels: 16, batch: 32, rounds: 41, atMost: 2.6 },
]

export async function gradientCost(engine: Engine): Promise<Result[]> {
  const results: Result[] = []
  for (const { channels, batch, rounds, atMost } of cases) {
    const random = randomStream(0, 0, 'bench', channels)
    const network = resnet18({ batch, channels, random })
    await using forward = await engine.createSession({ bytes: encodeModel(network) }, { threads: 1 })
    await using gradient = await engine.createSession(
      { bytes: encodeModel(laidOut(withGradient(network), engine)) },
      { threads: 1 },
    )
    const x = float32(Float32Array.from({ length: batch * 3 * 32 * 32 }, random.uniform), [batch, 3, 32, 32])
    const label = float32(
      Float32Array.from({ length: batch * 10 }, (_, i) => (i % 10 === 3 ? 1 : 0)),
      [batch, 10],
    )
    const both = new Map([
      ['x', x],
      ['label', label],
    ])
    const times = await interleaved(
      {
        forward: forward.bind(new Map([['x', x]]), ['logits']),
        gradient: gradient.bind(both, ['loss', gradientName('x')]),
      },
      rounds,
    )
    const value = times.ratio('gradient', 'forward')
    results.push({
      name: `input gradient / forward, ResNet-18 of ${channels} channels, batch ${batch}`,
      value,
      atMost,
      detail: `${times.forward.toFixed(1)} ms forward, ${times.gradient.toFixed(1)} ms with gradient`,
    })
  }
  return results
}

/** The network with a cross-entropy loss per row and the gradient of their sum to x. */
function withGradient(network: TypedGraph): TypedGraph {
  const b = new GraphBuilder(network)
  const logits = b.value('logits')
  const label = b.input('label', 'float32', logits.shape)
  b.output(b.neg(b.reduceSum(b.mul(b.logSoftmax(logits), label), [1])), 'loss')
  return gradientGraph(b.build(), 'loss', ['x'])
}
