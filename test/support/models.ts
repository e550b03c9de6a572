/** Small models built here, as graphs with a batch dimension of 1, and compiled by the real engine. */
import { compile, prepareModel } from '../../src/model/compile.js'
import type { DataSpace } from '../../src/model/data-space.js'
import type { LossName } from '../../src/model/losses.js'
import { GraphBuilder } from '../../src/onnx/build.js'
import type { Graph } from '../../src/onnx/graph.js'
import { randomStream } from '../../src/random.js'
import { loadEngine } from '../../src/runtime/engine.js'
import { float32 } from '../../src/tensor/tensor.js'

/** logits = W x + b with W [classes, features]. */
export function linearGraph(weights: readonly (readonly number[])[], bias: readonly number[]): Graph {
  const b = new GraphBuilder('linear')
  const x = b.input('x', 'float32', [1, weights[0].length])
  const w = b.constant(float32(weights.flat(), [weights.length, weights[0].length]))
  b.output(b.gemm(x, w, b.constant(float32(bias)), { transB: true }), 'logits')
  return b.build()
}

/** A network of the given widths with random weights and ReLU between the layers. */
export function mlpGraph(widths: readonly number[], seed = 0): Graph {
  const random = randomStream(seed, 0, 'mlp')
  const b = new GraphBuilder('mlp')
  let value = b.input('x', 'float32', [1, widths[0]])
  for (let layer = 1; layer < widths.length; layer++) {
    const [from, to] = [widths[layer - 1], widths[layer]]
    const w = b.constant(
      float32(
        Float32Array.from({ length: from * to }, () => random.normal() * Math.sqrt(2 / from)),
        [from, to],
      ),
    )
    const bias = b.constant(float32(Float32Array.from({ length: to }, () => 0.1 * random.normal())))
    value = b.gemm(value, w, bias)
    if (layer < widths.length - 1) value = b.relu(value)
  }
  b.output(value, 'logits')
  return b.build()
}

export function flatSpace(features: number): DataSpace {
  return { sampleShape: [features], dataLayout: undefined, modelLayout: undefined, mean: undefined, std: undefined }
}

/** Pictures of [channels, height, width], as they come. */
export function imageSpace(...sampleShape: number[]): DataSpace {
  return { ...flatSpace(0), sampleShape, dataLayout: 'CHW' }
}

export async function compileGraph(graph: Graph, features: number, batch: number, losses: readonly LossName[]) {
  const engine = await loadEngine()
  return compile(prepareModel({ graph, functions: [] }, flatSpace(features)), engine, { batch, threads: 1, losses })
}
