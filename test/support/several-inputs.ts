/** A model with four inputs, of the kinds that multimodal exports have: an image, ids for a table, a mask, and a number per sample. */
import { GraphBuilder } from '../../src/onnx/build.js'
import { type Graph, initializer, type ValueInfo } from '../../src/onnx/graph.js'
import { randomStream } from '../../src/random.js'
import { float32, int64, type Shape, sizeOf, toNumbers } from '../../src/tensor/tensor.js'

/** image float32 [1, 1, 4, 4], ids int64 [1, 2], mask bool [1, 4], context float32 [1] to logits [1, 3]. */
export function severalInputs(): Graph {
  const random = randomStream(5, 0, 'several inputs')
  const b = new GraphBuilder('several')
  const weights = (shape: Shape) =>
    b.constant(
      float32(
        Float32Array.from({ length: sizeOf(shape) }, () => random.normal()),
        shape,
      ),
    )
  const image = b.input('image', 'float32', [1, 1, 4, 4])
  const ids = b.input('ids', 'int64', [1, 2])
  const mask = b.input('mask', 'bool', [1, 4])
  const context = b.input('context', 'float32', [1])
  // Four tokens of four pixels; those that are masked count nothing.
  const tokens = b.tanh(b.matMul(b.reshape(image, [1, 4, 4]), weights([4, 4])))
  const kept = b.mul(tokens, b.reshape(b.cast(mask, 'float32'), [1, 4, 1]))
  const pooled = b.reduceSum(kept, [1], false)
  const embedded = b.reduceSum(b.gather(weights([6, 4]), ids), [1], false)
  const joined = b.add(b.mul(pooled, embedded), b.reshape(context, [1, 1]))
  b.output(b.gemm(joined, weights([4, 3])), 'logits')
  return b.build()
}

/** The same with the batch of each input open under a name of its own, as some exporters write it. */
export function withOpenBatch(graph: Graph): Graph {
  const open = (name: string, info: ValueInfo) => ({ ...info, shape: [name, ...info.shape!.slice(1)] })
  const initializers = new Map(graph.initializers)
  for (const { op, inputs } of graph.nodes) {
    if (op !== 'Reshape') continue
    const [, ...rest] = toNumbers(initializers.get(inputs[1]!)!.load())
    initializers.set(inputs[1]!, initializer(int64([-1, ...rest])))
  }
  return {
    ...graph,
    inputs: graph.inputs.map((info, at) => open(`batch_${at}`, info)),
    outputs: graph.outputs.map(info => open('batch', info)),
    initializers,
    valueInfo: new Map(),
  }
}
