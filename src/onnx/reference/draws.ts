/**
 * Operators that draw at random. A reference has one answer, so they are computed only where the spread is too small to be seen in
 * float32, which is what the tests of ONNX Runtime's own draws use; anything else is refused.
 */
import { RobustlyError } from '../../errors.js'
import { float64, type Shape, sizeOf, type Tensor } from '../../tensor/tensor.js'
import type { Node } from '../graph.js'
import type { ReferenceRules } from './rule.js'

type Draws = 'RandomNormal' | 'RandomNormalLike' | 'RandomUniform' | 'RandomUniformLike'

const smallest = 1e-12

export const draws: ReferenceRules<Draws> = {
  RandomNormal: ({ node, attributes: { mean, scale, shape } }) => [certain(node, shape ?? [], mean, scale)],
  RandomNormalLike: ({ node, attributes: { mean, scale }, input }) => [certain(node, input(0).shape, mean, scale)],
  RandomUniform: ({ node, attributes: { low, high, shape } }) => [certain(node, shape ?? [], low, high - low)],
  RandomUniformLike: ({ node, attributes: { low, high }, input }) => [certain(node, input(0).shape, low, high - low)],
}

function certain(node: Node, shape: Shape, value: number, spread: number): Tensor {
  if (spread > smallest) {
    throw new RobustlyError('model-unsupported', `node "${node.name}" (${node.op}) draws at random`)
  }
  return float64(new Float64Array(sizeOf(shape)).fill(value), shape)
}
