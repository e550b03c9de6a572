/** Gradients of Fourier transforms, which are linear: back through the product that each of them is. */
import { RobustlyError } from '../../errors.js'
import { positive } from '../../onnx/shapes.js'
import { fourierMatrix, frameKernels, framesOf, transformOf } from '../../onnx/spectral.js'
import { sizeOf, toNumbers } from '../../tensor/tensor.js'
import type { GradientRules, RuleContext } from '../rule.js'
import { floatsOf } from './constants.js'

export const spectral: GradientRules<'DFT' | 'STFT'> = {
  // y = x M along the axis and the parts
  DFT: context =>
    context.through(() => {
      const { b, node, attributes, I, has, integers } = context
      const x = I(0)
      const last = x.shape.length - 1
      const axis = positive(has(2) ? integers(2)[0]! : -2, x.shape.length)
      const [samples, parts] = [x.shape[axis]!, x.shape[last]!]
      const length = has(1) ? integers(1)[0]! : samples
      const transform = transformOf(node, attributes, { samples, parts, length })
      const matrix = b.constant(floatsOf([...fourierMatrix(transform)], x.dtype, [samples * parts, transform.bins * 2]))
      const order = x.shape.map((_, i) => i)
      const rest = order.filter(i => i !== axis && i !== last)
      const perm = [...rest, axis, last]
      const lined = b.reshape(b.transpose(x, perm), [sizeOf(rest.map(i => x.shape[i]!)), samples * parts])
      const shape = [...rest.map(i => x.shape[i]!), transform.bins, 2]
      return [
        b.transpose(
          b.reshape(b.matMul(lined, matrix), shape),
          order.map(i => perm.indexOf(i)),
        ),
      ]
    }),

  // A convolution along time whose kernels are the windowed waves
  STFT: context =>
    context.through(() => {
      const { b, node, attributes, I, has, integers } = context
      const [batch, time] = I(0).shape as [number, number]
      const window = windowOf(context)
      const [step, length] = [integers(1)[0]!, has(3) ? integers(3)[0]! : window!.length]
      const { transform, count } = framesOf(node, attributes, I(0).shape, { step, length })
      const { bins } = transform
      const kernels = floatsOf([...frameKernels(transform, window)], I(0).dtype, [bins * 2, 1, length])
      const x = b.reshape(I(0), [batch, 1, time])
      const y = b.conv(x, b.constant(kernels), undefined, { strides: [step] })
      return [b.reshape(b.transpose(y, [0, 2, 1]), [batch, count, bins, 2])]
    }),
}

function windowOf({ node, has, constant }: RuleContext<'STFT'>): number[] | undefined {
  const window = constant(2)
  if (window !== undefined) return toNumbers(window)
  if (!has(2)) return undefined
  throw new RobustlyError('model-unsupported', `node "${node.name}" (STFT): its window is computed at run time`, {
    hint: 'Export the window as a constant.',
  })
}
