/** What rules need to make constants of the gradient's own type. */
import { arrays, type DataType, type Shape, type Tensor } from '../../tensor/tensor.js'

/** float64 when `dtype` is, float32 otherwise. */
export function floatsOf(values: readonly number[], dtype: DataType, shape: Shape): Tensor {
  return dtype === 'float64'
    ? { dtype, shape, data: arrays.float64.from(values) }
    : { dtype: 'float32', shape, data: arrays.float32.from(values) }
}
