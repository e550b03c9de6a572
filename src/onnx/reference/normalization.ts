/** Batch normalization at inference, the softmaxes and Hardmax by their definition. */
import { RobustlyError } from '../../errors.js'
import { float64, sizeOf, type Tensor } from '../../tensor/tensor.js'
import { positive } from '../shapes.js'
import { asFloats, zeros } from './floats.js'
import type { ReferenceRules } from './rule.js'

export const normalization: Pick<ReferenceRules, 'BatchNormalization' | 'Hardmax' | 'LogSoftmax' | 'Softmax'> = {
  BatchNormalization({ input, node, attributes: { epsilon, training_mode } }) {
    if (training_mode === 1) {
      throw new RobustlyError('model-unsupported', `node "${node.name}" (BatchNormalization) is in training mode`)
    }
    const x = asFloats(input(0))
    const [scale, bias, mean, variance] = [1, 2, 3, 4].map(i => asFloats(input(i)).data)
    const area = sizeOf(x.shape.slice(2))
    const y = x.data.map((value, i) => {
      const c = Math.floor(i / area) % x.shape[1]!
      return (scale![c]! * (value - mean![c]!)) / Math.sqrt(variance![c]! + epsilon) + bias![c]!
    })
    return [float64(y, x.shape)]
  },

  // 1 at the first of the largest
  Hardmax({ input, attributes: { axis } }) {
    return [
      alongAxis(input(0), axis, (values, _, max) => {
        const first = values.indexOf(max)
        return values.map((_, i) => (i === first ? 1 : 0))
      }),
    ]
  },

  LogSoftmax({ input, attributes: { axis } }) {
    return [alongAxis(input(0), axis, (values, sum, max) => values.map(value => value - max - Math.log(sum)))]
  },

  Softmax({ input, attributes: { axis } }) {
    return [alongAxis(input(0), axis, (values, sum, max) => values.map(value => Math.exp(value - max) / sum))]
  },
}

/** Maps every line along `axis`, given also its maximum and the sum of exp(value - maximum). */
function alongAxis(
  tensor: Tensor,
  axis: number,
  map: (values: Float64Array, sum: number, max: number) => Float64Array,
): Tensor {
  const x = asFloats(tensor)
  const at = positive(axis, x.shape.length)
  const [dim, inner] = [x.shape[at]!, sizeOf(x.shape.slice(at + 1))]
  const y = zeros(x.shape)
  for (let line = 0; line < x.data.length / dim; line++) {
    const base = Math.floor(line / inner) * dim * inner + (line % inner)
    const values = Float64Array.from({ length: dim }, (_, i) => x.data[base + i * inner]!)
    const max = Math.max(...values)
    const sum = values.reduce((total, value) => total + Math.exp(value - max), 0)
    map(values, sum, max).forEach((value, i) => {
      y.data[base + i * inner] = value
    })
  }
  return y
}
