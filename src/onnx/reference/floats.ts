/** What the reference rules of floating-point operators share. */
import { RobustlyError } from '../../errors.js'
import { float64, type Shape, sizeOf, type Tensor, type TensorOf } from '../../tensor/tensor.js'

/** Narrows an input to float64. Throws `model-unsupported` for integers and others. */
export function asFloats(tensor: Tensor): TensorOf<'float64'> {
  if (tensor.dtype === 'float64') return tensor
  throw new RobustlyError('model-unsupported', `the reference computes this operator in float64, got ${tensor.dtype}`)
}

export function zeros(shape: Shape): TensorOf<'float64'> {
  return float64(new Float64Array(sizeOf(shape)), shape)
}
