/** Rows of normalizations by the statistics of the values themselves. */
import type { Row, RowInput } from '../../../test/support/gradcheck.js'
import type { Shape } from '../../tensor/tensor.js'

const images: Shape = [2, 4, 3, 2]

function layerNorm(
  shows: string,
  shape: Shape,
  scale: Shape,
  attributes: object = {},
  as: RowInput['as'] & string = 'weight',
  outputs = 1,
): Row {
  return {
    op: 'LayerNormalization',
    shows,
    inputs: [{ shape }, { shape: scale, as }, { shape: scale, as }],
    attributes,
    outputs,
  }
}

function instanceNorm(shows: string, shape: Shape, attributes: object = {}): Row {
  const channels = { shape: [shape[1]!], as: 'weight' } as const
  return { op: 'InstanceNormalization', shows, inputs: [{ shape }, channels, channels], attributes }
}

export const rows: readonly Row[] = [
  layerNorm('last axis by default', [2, 3, 4], [4]),
  layerNorm('two axes', [2, 3, 4], [3, 4], { axis: 1 }),
  layerNorm('negative axis, everything an input', [2, 3, 4], [3, 4], { axis: -2, epsilon: 0.1 }, 'input'),
  layerNorm('all axes', [3, 4], [3, 4], { axis: 0 }),
  layerNorm('weights out of reach', [5, 4], [4], {}, 'constant'),
  layerNorm('gradients to mean and deviation too', [3, 4], [4], {}, 'weight', 3),
  { op: 'LayerNormalization', shows: 'no bias', inputs: [{ shape: [3, 5] }, { shape: [5] }] },
  {
    op: 'LayerNormalization',
    shows: 'equal values: the variance is 0',
    inputs: [
      { shape: [1, 2], values: [1, 1] },
      { shape: [2], values: [1, 2], as: 'constant' },
    ],
    attributes: { epsilon: 0.25 },
    gradient: [[-1, 1], undefined],
  },
  instanceNorm('images', images),
  instanceNorm('1-D', [2, 3, 5], { epsilon: 0.1 }),
  { op: 'MeanVarianceNormalization', shows: 'batch and space by default', inputs: [{ shape: images }] },
  { op: 'MeanVarianceNormalization', shows: 'channels', inputs: [{ shape: images }], attributes: { axes: [1] } },
  ...[1, 2].map(
    (p): Row => ({
      op: 'LpNormalization',
      shows: `p ${p}, axis 1`,
      inputs: [{ shape: [2, 3, 4] }],
      attributes: { p, axis: 1 },
    }),
  ),
  {
    op: 'LpNormalization',
    shows: '0 where everything is 0',
    inputs: [{ shape: [2, 2], values: [0, 0, 3, 4] }],
    gradient: [[0, 0, 0.032, -0.024]],
  },
  { op: 'LRN', shows: 'odd size', inputs: [{ shape: [2, 5, 2, 2] }], attributes: { size: 3, alpha: 0.5 } },
  {
    op: 'LRN',
    shows: 'more than all channels, other constants',
    inputs: [{ shape: [1, 4, 3, 1] }],
    attributes: { size: 5, alpha: 0.7, beta: 0.5, bias: 2 },
  },
  { op: 'Hardmax', shows: 'last axis, ties', inputs: [{ shape: [2, 3], values: [1, 3, 3, 0, -1, -2] }] },
]
