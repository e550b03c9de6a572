/** Gradients of Resize and GridSample: both are linear in the image, so its gradient is spread by the same weights. */
import { RobustlyError } from '../../errors.js'
import type { GraphBuilder, Value } from '../../onnx/build.js'
import { type AxisMap, resizeMaps } from '../../onnx/resize.js'
import { type Shape, sizeOf, toNumbers } from '../../tensor/tensor.js'
import type { GradientRules, RuleContext } from '../rule.js'
import { floatsOf } from './constants.js'
import { gridGradients } from './grid.js'

export const sampling: GradientRules<'Resize' | 'GridSample'> = {
  // y = W x along each axis: Wᵀ G
  Resize(context) {
    const { node, b, I, O, G, attributes } = context
    const numbers = (i: number) => (context.has(i) ? requested(context, i) : undefined)
    const requests = { roi: numbers(1), scales: numbers(2), sizes: numbers(3) }
    const { shape, maps } = resizeMaps(node, attributes, I(0).shape, requests)
    if (shape.some((dim, axis) => dim !== O().shape[axis])) {
      throw new RobustlyError(
        'model-unsupported',
        `node "${node.name}" (Resize): the output has the shape [${O().shape}], expected [${shape}]`,
      )
    }
    const blocks = maps.map(blockOf)
    if (blocks.every(block => block !== undefined)) return [blockSums(b, G(), maps, blocks)]
    return [maps.reduce((gradient, map) => transposedAlong(b, gradient, map), G())]
  },

  GridSample: gridGradients,
}

function requested({ constant, integers }: RuleContext<'Resize'>, i: number): readonly number[] {
  const known = constant(i)
  return known === undefined ? integers(i) : toNumbers(known)
}

/** k when each element of the input is shown by k elements of the output, side by side. */
function blockOf({ input, output, weights }: AxisMap): number | undefined {
  const k = output / input
  if (!Number.isInteger(k)) return undefined
  return weights.every((weight, at) => weight === Number(Math.floor(Math.floor(at / input) / k) === at % input))
    ? k
    : undefined
}

/** Sums the blocks of all axes at once. */
function blockSums(b: GraphBuilder, g: Value, maps: readonly AxisMap[], blocks: readonly number[]): Value {
  const apart: number[] = []
  const summed: number[] = []
  const shape = g.shape.map((dim, axis) => {
    const i = maps.findIndex(map => map.axis === axis)
    if (i < 0) {
      apart.push(dim)
      return dim
    }
    apart.push(dim / blocks[i]!, blocks[i]!)
    summed.push(apart.length - 1)
    return dim / blocks[i]!
  })
  return b.reshape(b.reduceSum(b.reshape(g, apart), summed), shape)
}

/** Wᵀ g along an axis: a product from the left, or from the right along the last axis. */
function transposedAlong(b: GraphBuilder, g: Value, { axis, input, output, weights }: AxisMap): Value {
  const shape: Shape = g.shape.with(axis, input)
  const inner = sizeOf(g.shape.slice(axis + 1))
  if (inner === 1) {
    const lines = b.reshape(g, [sizeOf(g.shape) / output, output])
    return b.reshape(b.matMul(lines, b.constant(floatsOf([...weights], g.dtype, [output, input]))), shape)
  }
  const transposed = Array.from(
    { length: weights.length },
    (_, at) => weights[(at % output) * input + Math.floor(at / output)]!,
  )
  const matrix = b.constant(floatsOf(transposed, g.dtype, [input, output]))
  return b.reshape(b.matMul(matrix, b.reshape(g, [sizeOf(g.shape.slice(0, axis)), output, inner])), shape)
}
