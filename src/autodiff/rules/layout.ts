/** Gradient rules of operators that repeat, mask, rearrange and count. */
import type { Value } from '../../onnx/build.js'
import { sizeOf } from '../../tensor/tensor.js'
import type { GradientRules } from '../rule.js'
import { floatsOf } from './constants.js'

type Layout = 'Tile' | 'Trilu' | 'DepthToSpace' | 'SpaceToDepth' | 'Range' | 'Size' | 'EyeLike'

export const layout: GradientRules<Layout> = {
  // y = x repeated along its axes: the sum of G over the repeats
  Tile({ b, I, G, integers }) {
    const repeats = integers(1)
    const apart = I(0).shape.flatMap((dim, axis) => (repeats[axis] === 1 ? [dim] : [repeats[axis]!, dim]))
    const axes: number[] = []
    repeats.reduce((at, count) => {
      if (count !== 1) axes.push(at)
      return at + (count === 1 ? 1 : 2)
    }, 0)
    return [b.reshape(b.reduceSum(b.reshape(G(), apart), axes), I(0).shape)]
  },

  // y = x in the triangle, 0 outside: G in the triangle
  Trilu: ({ b, I, G, has, attributes: { upper } }) => [
    b.emit('Trilu', has(1) ? [G(), I(1)] : [G()], { upper }, [G()])[0]!,
  ],

  // A permutation of the elements: G put back.
  DepthToSpace({ b, I, G, attributes: { blocksize, mode } }) {
    if (mode === 'DCR') return [b.emit('SpaceToDepth', [G()], { blocksize }, [I(0)])[0]!]
    const [batch, channels, height, width] = I(0).shape as [number, number, number, number]
    const size = blocksize!
    const blocks = b.reshape(G(), [batch, channels / (size * size), height, size, width, size])
    return [b.reshape(b.transpose(blocks, [0, 1, 3, 5, 2, 4]), I(0).shape)]
  },

  SpaceToDepth: ({ b, I, G, attributes: { blocksize } }) => [b.emit('DepthToSpace', [G()], { blocksize }, [I(0)])[0]!],

  // y[i] = start + i delta: ΣG; Σ i G[i]
  Range({ b, I, G, needs }) {
    const all = (x: Value) => b.reduceSum(x, [0])
    const steps = Array.from({ length: sizeOf(G().shape) }, (_, i) => i)
    return [
      needs(0) ? all(G()) : undefined,
      undefined,
      needs(2) ? all(b.mul(G(), b.constant(floatsOf(steps, I(2).dtype, G().shape)))) : undefined,
    ]
  },

  Size: 'constant',
  EyeLike: 'constant',
}
