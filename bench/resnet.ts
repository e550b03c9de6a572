/**
 * ResNet-18 for 32x32 images (He et al. 2016, in its usual form for CIFAR: a 3x3 stem, no max pool), random weights. Batch
 * norms are already folded into the convolutions, as they are in every loaded model.
 */
import { GraphBuilder, type Value } from '../src/onnx/build.js'
import type { TypedGraph } from '../src/onnx/graph.js'
import type { Random } from '../src/random.js'
import { float32, type Shape, sizeOf } from '../src/tensor/tensor.js'

export interface ResNetOptions {
  readonly batch: number
  /** Channels of the first stage; each of the four stages doubles them. */
  readonly channels: number
  readonly random: Random
}

/** Input x [batch, 3, 32, 32], output logits [batch, 10]. */
export function resnet18({ batch, channels, random }: ResNetOptions): TypedGraph {
  const b = new GraphBuilder('resnet18')
  const he = (shape: Shape, scale = 1) => {
    const deviation = scale * Math.sqrt(2 / sizeOf(shape.slice(1)))
    return b.constant(
      float32(
        Float32Array.from({ length: sizeOf(shape) }, () => deviation * random.normal()),
        shape,
      ),
    )
  }
  const conv = (x: Value, outs: number, kernel: number, stride: number, scale = 1) =>
    b.conv(x, he([outs, x.shape[1]!, kernel, kernel], scale), b.full([outs], 0.01, 'float32'), {
      strides: [stride, stride],
      pads: Array<number>(4).fill((kernel - 1) / 2),
    })
  const block = (x: Value, outs: number, stride: number) => {
    const inner = b.relu(conv(x, outs, 3, stride))
    const shortcut = stride === 1 && x.shape[1] === outs ? x : conv(x, outs, 1, stride)
    return b.relu(b.add(conv(inner, outs, 3, 1, 0.5), shortcut))
  }
  let x = b.relu(conv(b.input('x', 'float32', [batch, 3, 32, 32]), channels, 3, 1))
  for (const stage of [0, 1, 2, 3]) {
    x = block(x, channels * 2 ** stage, stage === 0 ? 1 : 2)
    x = block(x, channels * 2 ** stage, 1)
  }
  const features = b.flatten(b.globalAveragePool(x))
  const weights = he([10, features.shape[1]!])
  b.output(b.gemm(features, weights, b.full([10], 0, 'float32'), { transB: true }), 'logits')
  return b.build()
}
