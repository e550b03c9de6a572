/** Test rows of batch normalization and the softmaxes. */
import type { Row, RowInput } from '../../../test/support/gradcheck.js'
import type { Shape } from '../../tensor/tensor.js'

export const rows: readonly Row[] = [
  batchNorm('images, everything an input', [2, 3, 4, 2], 'input'),
  batchNorm('images, constant weights', [2, 3, 4, 2], 'weight'),
  batchNorm('images, weights out of reach', [2, 3, 4, 2], 'constant'),
  batchNorm('vectors', [4, 3], 'weight'),
  batchNorm('1-D', [2, 3, 5], 'weight', 0.1),

  ...(['Softmax', 'LogSoftmax'] as const).flatMap((op): Row[] => [
    { op, shows: 'last axis by default', inputs: [{ shape: [3, 5], domain: [-3, 3] }] },
    { op, shows: 'first axis', inputs: [{ shape: [4, 3] }], attributes: { axis: 0 } },
    { op, shows: 'inner axis', inputs: [{ shape: [2, 4, 3] }], attributes: { axis: 1 } },
    { op, shows: 'negative axis', inputs: [{ shape: [2, 4, 3] }], attributes: { axis: -2 } },
    { op, shows: 'one class', inputs: [{ shape: [3, 1] }] },
    { op, shows: 'vector', inputs: [{ shape: [6] }] },
    {
      op,
      shows: 'logits so far apart that exp would overflow',
      inputs: [{ shape: [2, 3], values: [200, 0.5, -200, 0.25, 300.5, 300] }],
    },
  ]),
]

function batchNorm(shows: string, shape: Shape, as: RowInput['as'] & string, epsilon?: number): Row {
  const channels = { shape: [shape[1]!], as }
  return {
    op: 'BatchNormalization',
    shows,
    inputs: [{ shape }, channels, channels, channels, { ...channels, domain: [0.3, 2] }],
    attributes: { epsilon },
  }
}
