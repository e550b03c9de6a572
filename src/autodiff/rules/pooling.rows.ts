/** Test rows of pools. */
import type { Row } from '../../../test/support/gradcheck.js'

export const rows: readonly Row[] = [
  max('side by side', [2, 3, 4, 6], { kernel_shape: [2, 2], strides: [2, 2] }),
  max('side by side, last row and column unseen', [2, 2, 5, 7], { kernel_shape: [2, 2], strides: [2, 2] }),
  max('side by side, 3x2', [1, 2, 6, 5], { kernel_shape: [3, 2], strides: [3, 2] }),
  max('side by side, too many taps to compare', [1, 2, 8, 9], { kernel_shape: [4, 4], strides: [4, 4] }),
  max('side by side, ceil_mode', [1, 2, 5, 5], { kernel_shape: [2, 2], strides: [2, 2], ceil_mode: 1 }),
  max('overlapping', [2, 2, 6, 5], { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] }),
  max('stride 1', [1, 2, 4, 4], { kernel_shape: [2, 3] }),
  max('stride beyond the kernel', [1, 2, 7, 7], { kernel_shape: [2, 2], strides: [3, 3] }),
  max('1x1 kernel', [1, 2, 3, 3], { kernel_shape: [1, 1] }),
  max('asymmetric padding', [1, 2, 4, 5], { kernel_shape: [3, 2], strides: [1, 2], pads: [1, 0, 0, 1] }),
  max('padding at the start, side by side', [1, 1, 6, 6], {
    kernel_shape: [2, 2],
    strides: [2, 2],
    pads: [1, 1, 0, 0],
  }),
  max('ceil_mode', [1, 2, 6, 6], { kernel_shape: [3, 3], strides: [2, 2], ceil_mode: 1 }),
  max('ceil_mode with padding', [1, 1, 6, 7], {
    kernel_shape: [3, 3],
    strides: [3, 3],
    pads: [1, 1, 1, 1],
    ceil_mode: 1,
  }),
  max('dilation', [1, 2, 6, 7], { kernel_shape: [2, 3], dilations: [3, 2] }),
  max('dilation as large as the stride', [1, 1, 8, 8], { kernel_shape: [2, 2], dilations: [2, 2], strides: [2, 2] }),
  max('SAME_UPPER', [1, 2, 5, 4], { kernel_shape: [2, 2], strides: [2, 2], auto_pad: 'SAME_UPPER' }),
  max('SAME_LOWER', [1, 2, 5, 4], { kernel_shape: [2, 2], strides: [2, 2], auto_pad: 'SAME_LOWER' }),
  max('VALID', [1, 2, 5, 4], { kernel_shape: [3, 2], strides: [2, 2], auto_pad: 'VALID' }),
  max('1-D side by side', [2, 3, 7], { kernel_shape: [2], strides: [2] }),
  max('1-D overlapping', [2, 3, 7], { kernel_shape: [3], strides: [2], pads: [1, 1] }),
  max('3-D side by side', [1, 2, 4, 2, 5], { kernel_shape: [2, 1, 2], strides: [2, 1, 2] }),
  // Ties: the whole gradient goes to the first maximum of each window.
  {
    op: 'MaxPool',
    shows: 'ties, side by side',
    inputs: [{ shape: [1, 1, 2, 6], values: [0, 0, 1, 2, -1, 3, 0, 0, 2, 2, 3, 3] }],
    attributes: { kernel_shape: [2, 2], strides: [2, 2] },
    gradient: [[1, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0]],
  },
  {
    op: 'MaxPool',
    shows: 'ties, overlapping: one element wins two windows',
    inputs: [{ shape: [1, 1, 6], values: [1, 1, 5, 5, 2, 2] }],
    attributes: { kernel_shape: [3] },
    gradient: [[0, 0, 3, 1, 0, 0]],
  },
  {
    op: 'MaxPool',
    shows: 'ties with padding: zeros are not mistaken for it',
    inputs: [{ shape: [1, 1, 2, 2], values: [0, 0, 0, 0] }],
    attributes: { kernel_shape: [2, 2], pads: [1, 1, 1, 1] },
    gradient: [[4, 2, 2, 1]],
  },
  {
    op: 'MaxPool',
    shows: 'negative values beside padding',
    inputs: [{ shape: [1, 1, 4], values: [-4, -3, -2, -1] }],
    attributes: { kernel_shape: [3], strides: [2], pads: [1, 1] },
    gradient: [[0, 1, 0, 1]],
  },
  {
    op: 'MaxPool',
    shows: 'indices as second output',
    inputs: [{ shape: [1, 2, 4, 4] }],
    outputs: 2,
    attributes: { kernel_shape: [2, 2], strides: [2, 2] },
  },

  max('3-D, side by side', [1, 2, 4, 2, 5], { kernel_shape: [2, 2, 2], strides: [2, 2, 2] }),
  max('3-D, overlapping', [1, 2, 4, 3, 4], { kernel_shape: [3, 2, 2], pads: [1, 0, 1, 1, 0, 0], strides: [2, 1, 1] }),

  average('side by side', [2, 3, 4, 6], { kernel_shape: [2, 2], strides: [2, 2] }),
  average('side by side, last row and column unseen', [1, 2, 5, 7], { kernel_shape: [2, 2], strides: [2, 2] }),
  average('overlapping', [1, 2, 6, 5], { kernel_shape: [3, 3], strides: [2, 2] }),
  average('padding not counted', [1, 2, 6, 5], { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] }),
  average('padding counted', [1, 2, 6, 5], {
    kernel_shape: [3, 3],
    strides: [2, 2],
    pads: [1, 1, 1, 1],
    count_include_pad: 1,
  }),
  average('stride 1, padding not counted', [2, 2, 4, 4], { kernel_shape: [3, 3], pads: [1, 1, 1, 1] }),
  average('stride 1, padding counted', [2, 2, 4, 4], {
    kernel_shape: [3, 3],
    pads: [1, 1, 1, 1],
    count_include_pad: 1,
  }),
  average('asymmetric padding', [1, 2, 4, 5], { kernel_shape: [3, 2], strides: [1, 2], pads: [1, 0, 0, 1] }),
  average('stride beyond the kernel', [1, 2, 7, 8], { kernel_shape: [2, 2], strides: [3, 3] }),
  average('ceil_mode', [1, 2, 6, 6], { kernel_shape: [3, 3], strides: [2, 2], ceil_mode: 1 }),
  average('ceil_mode, padding not counted', [1, 1, 6, 7], {
    kernel_shape: [3, 3],
    strides: [3, 3],
    pads: [1, 1, 1, 1],
    ceil_mode: 1,
  }),
  average('ceil_mode, padding counted', [1, 1, 6, 7], {
    kernel_shape: [3, 3],
    strides: [3, 3],
    pads: [1, 1, 1, 1],
    ceil_mode: 1,
    count_include_pad: 1,
  }),
  average('dilation', [1, 2, 6, 7], { kernel_shape: [2, 3], dilations: [3, 2], pads: [1, 1, 1, 1] }),
  average('SAME_UPPER', [1, 2, 5, 4], { kernel_shape: [2, 2], strides: [2, 2], auto_pad: 'SAME_UPPER' }),
  average('SAME_LOWER', [1, 2, 5, 4], { kernel_shape: [2, 2], strides: [2, 2], auto_pad: 'SAME_LOWER' }),
  average('1-D', [2, 3, 7], { kernel_shape: [3], strides: [2], pads: [1, 1] }),
  average('3-D', [1, 2, 4, 3, 5], { kernel_shape: [2, 1, 2], strides: [2, 1, 1] }),

  { op: 'GlobalAveragePool', shows: '3-D', inputs: [{ shape: [2, 3, 2, 3, 2] }] },
  { op: 'GlobalMaxPool', shows: '3-D', inputs: [{ shape: [2, 3, 2, 3, 2] }] },
  ...[1, 2, 3].flatMap((p): Row[] => [
    {
      op: 'LpPool',
      shows: `p ${p}, 2-D`,
      inputs: [{ shape: [2, 3, 5, 6] }],
      attributes: { p, kernel_shape: [2, 3], strides: [2, 1] },
    },
    { op: 'GlobalLpPool', shows: `p ${p}`, inputs: [{ shape: [2, 3, 2, 3] }], attributes: { p } },
  ]),
  {
    op: 'LpPool',
    shows: 'padding, dilation, last windows cut',
    inputs: [{ shape: [1, 2, 6, 5] }],
    attributes: { kernel_shape: [2, 2], pads: [1, 0, 0, 1], dilations: [2, 1], strides: [2, 2] },
  },
  {
    op: 'LpPool',
    shows: '1-D, up',
    inputs: [{ shape: [1, 2, 5] }],
    attributes: { kernel_shape: [2], strides: [2], ceil_mode: 1 },
  },
  { op: 'LpPool', shows: '3-D', inputs: [{ shape: [1, 2, 3, 3, 3] }], attributes: { kernel_shape: [2, 2, 2] } },
  {
    op: 'LpPool',
    shows: 'auto_pad',
    inputs: [{ shape: [1, 2, 5, 4] }],
    attributes: { kernel_shape: [2, 2], auto_pad: 'SAME_UPPER' },
  },
  {
    op: 'LpPool',
    shows: '0 where everything is 0',
    inputs: [{ shape: [1, 1, 4], values: [0, 0, 3, 4] }],
    attributes: { kernel_shape: [2], strides: [2] },
    gradient: [[0, 0, 0.6, 0.8]],
  },
  {
    op: 'MaxUnpool',
    shows: 'places of a pool',
    inputs: [{ shape: [1, 1, 2, 2] }, { shape: [1, 1, 2, 2], dtype: 'int64', values: [1, 6, 8, 15] }],
    attributes: { kernel_shape: [2, 2], strides: [2, 2] },
  },
  { op: 'GlobalAveragePool', shows: '2-D', inputs: [{ shape: [2, 3, 4, 5] }] },
  { op: 'GlobalAveragePool', shows: '1-D', inputs: [{ shape: [2, 3, 4] }] },
  { op: 'GlobalAveragePool', shows: 'one element', inputs: [{ shape: [2, 3, 1, 1] }] },
  { op: 'GlobalMaxPool', shows: '2-D', inputs: [{ shape: [2, 3, 4, 5] }] },
  { op: 'GlobalMaxPool', shows: '1-D', inputs: [{ shape: [2, 3, 4] }] },
  {
    op: 'GlobalMaxPool',
    shows: 'ties: the first',
    inputs: [{ shape: [1, 2, 2, 2], values: [1, 3, 3, 0, 0, 0, 0, 0] }],
    gradient: [[0, 1, 0, 0, 1, 0, 0, 0]],
  },
]

function max(shows: string, shape: readonly number[], attributes: (Row & { op: 'MaxPool' })['attributes']): Row {
  return { op: 'MaxPool', shows, inputs: [{ shape }], attributes }
}

function average(
  shows: string,
  shape: readonly number[],
  attributes: (Row & { op: 'AveragePool' })['attributes'],
): Row {
  return { op: 'AveragePool', shows, inputs: [{ shape }], attributes }
}
