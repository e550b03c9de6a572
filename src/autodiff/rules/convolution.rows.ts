/** Test rows of convolutions. Stride 1 takes one form for up to 4 input channels and another for more. */
import type { Row, RowOf } from '../../../test/support/gradcheck.js'
import type { AttributeValues } from '../../onnx/operators.js'
import type { Shape } from '../../tensor/tensor.js'

export const rows: readonly Row[] = [
  ...both('Conv', '3x3 with padding and bias', [2, 3, 5, 6], [4, 3, 3, 3], { pads: [1, 1, 1, 1] }, [4]),
  ...both('Conv', '3x3 with padding, many channels', [2, 6, 4, 5], [3, 6, 3, 3], { pads: [1, 1, 1, 1] }),
  ...both('Conv', '1x1', [2, 6, 4, 3], [5, 6, 1, 1]),
  ...both('Conv', '1x1 of stride 2, last row and column unseen', [2, 3, 4, 6], [2, 3, 1, 1], { strides: [2, 2] }),
  ...both('Conv', 'stride 2, all seen', [2, 2, 5, 7], [3, 2, 3, 3], { strides: [2, 2], pads: [1, 1, 1, 1] }, [3]),
  ...both('Conv', 'stride 2, last row and column unseen', [1, 2, 6, 8], [3, 2, 3, 3], { strides: [2, 2] }),
  ...both('Conv', 'stride 2 with padding that no window reaches', [1, 2, 6, 6], [3, 2, 3, 3], {
    strides: [2, 2],
    pads: [1, 1, 1, 1],
  }),
  ...both('Conv', 'strides 3 and 1', [1, 2, 8, 5], [2, 2, 2, 3], { strides: [3, 1] }),
  ...both('Conv', 'stride 3, two rows unseen', [1, 1, 7, 7], [2, 1, 2, 2], { strides: [3, 3], pads: [0, 1, 0, 0] }),
  ...both('Conv', 'asymmetric padding', [1, 5, 4, 5], [3, 5, 2, 3], { pads: [1, 0, 0, 2] }),
  ...both('Conv', 'asymmetric padding, stride 2', [1, 2, 5, 5], [3, 2, 3, 2], { pads: [2, 0, 1, 1], strides: [2, 2] }),
  ...both('Conv', 'more padding than the kernel reaches over', [1, 5, 3, 3], [2, 5, 2, 2], { pads: [3, 2, 2, 3] }),
  ...both('Conv', 'the same with stride 2', [1, 2, 3, 4], [2, 2, 2, 2], { pads: [3, 2, 2, 3], strides: [2, 2] }),
  ...both('Conv', 'kernel larger than the input', [2, 5, 2, 3], [2, 5, 5, 5], { pads: [2, 2, 2, 2] }),
  ...both('Conv', 'kernel as large as the input', [2, 6, 3, 3], [4, 6, 3, 3], {}, [4]),
  ...both('Conv', 'dilation', [1, 5, 7, 6], [2, 5, 3, 2], { dilations: [2, 3], pads: [2, 1, 2, 1] }),
  ...both('Conv', 'dilation and stride', [1, 2, 8, 8], [2, 2, 2, 3], { dilations: [3, 2], strides: [2, 3] }),
  ...both('Conv', 'two groups', [2, 4, 4, 4], [6, 2, 3, 3], { group: 2, pads: [1, 1, 1, 1] }, [6]),
  ...both('Conv', 'two groups, stride 2', [2, 4, 5, 4], [2, 2, 3, 3], {
    group: 2,
    strides: [2, 2],
    pads: [1, 1, 1, 1],
  }),
  ...both('Conv', 'depthwise', [2, 3, 5, 5], [3, 1, 3, 3], { group: 3, pads: [1, 1, 1, 1] }, [3]),
  ...both('Conv', 'depthwise with multiplier 2, stride 2', [1, 3, 5, 5], [6, 1, 3, 3], { group: 3, strides: [2, 2] }),
  ...both('Conv', 'SAME_UPPER', [1, 5, 5, 6], [2, 5, 2, 4], { auto_pad: 'SAME_UPPER' }),
  ...both('Conv', 'SAME_UPPER of stride 2', [1, 2, 5, 6], [2, 2, 3, 2], { auto_pad: 'SAME_UPPER', strides: [2, 2] }),
  ...both('Conv', 'SAME_LOWER', [1, 5, 5, 6], [2, 5, 2, 4], { auto_pad: 'SAME_LOWER' }),
  ...both('Conv', 'SAME_LOWER of stride 2', [1, 2, 6, 6], [2, 2, 3, 5], { auto_pad: 'SAME_LOWER', strides: [2, 2] }),
  ...both('Conv', 'SAME_UPPER, stride beyond the kernel', [1, 2, 7, 6], [2, 2, 1, 1], {
    auto_pad: 'SAME_UPPER',
    strides: [3, 3],
  }),
  ...both('Conv', 'VALID', [1, 5, 5, 6], [2, 5, 3, 3], { auto_pad: 'VALID' }),
  ...both('Conv', '1-D', [2, 5, 8], [4, 5, 3], { pads: [1, 1] }, [4]),
  ...both('Conv', '1-D, stride 3, dilation 2', [2, 2, 11], [3, 2, 3], { strides: [3], dilations: [2], pads: [0, 1] }),
  ...both('Conv', '1-D depthwise', [1, 4, 6], [4, 1, 2], { group: 4 }),
  ...both('Conv', '3-D', [1, 5, 3, 4, 3], [2, 5, 2, 3, 2], { pads: [0, 1, 1, 1, 1, 0], strides: [1, 2, 1] }),
  ...both('Conv', '3-D, few channels', [2, 1, 4, 4, 4], [2, 1, 3, 3, 3], { pads: [1, 1, 1, 1, 1, 1] }, [2]),
  ...both('Conv', '3-D depthwise, stride 2, dilation', [1, 3, 5, 5, 4], [3, 1, 2, 2, 2], {
    group: 3,
    strides: [2, 2, 1],
    dilations: [1, 2, 1],
  }),

  ...both('ConvTranspose', 'plain, with bias', [2, 3, 3, 4], [3, 2, 3, 3], {}, [2]),
  ...both('ConvTranspose', 'stride 2 and padding', [2, 2, 3, 3], [2, 3, 3, 3], { strides: [2, 2], pads: [1, 1, 1, 1] }),
  ...both('ConvTranspose', 'output padding', [1, 2, 3, 3], [2, 3, 3, 3], {
    strides: [2, 3],
    pads: [1, 1, 1, 1],
    output_padding: [1, 2],
  }),
  ...both('ConvTranspose', 'asymmetric padding', [1, 2, 4, 3], [2, 2, 3, 4], { strides: [1, 2], pads: [2, 0, 0, 1] }),
  ...both('ConvTranspose', 'dilation', [1, 2, 3, 3], [2, 2, 2, 3], { dilations: [3, 2], pads: [1, 0, 1, 2] }),
  ...both('ConvTranspose', 'groups', [2, 4, 3, 3], [4, 3, 2, 2], { group: 2, strides: [2, 2] }, [6]),
  ...both('ConvTranspose', 'depthwise', [1, 3, 3, 4], [3, 1, 3, 3], { group: 3, pads: [1, 1, 1, 1] }),
  ...both('ConvTranspose', 'stride beyond the kernel', [1, 2, 3, 3], [2, 2, 1, 2], { strides: [3, 3] }),
  ...both('ConvTranspose', 'SAME_UPPER', [1, 2, 3, 4], [2, 2, 3, 3], { auto_pad: 'SAME_UPPER', strides: [2, 2] }),
  ...both('ConvTranspose', 'SAME_LOWER', [1, 2, 3, 4], [2, 2, 3, 3], { auto_pad: 'SAME_LOWER', strides: [2, 2] }),
  ...both('ConvTranspose', 'output shape', [1, 2, 3, 3], [2, 2, 3, 3], { output_shape: [6, 5], strides: [2, 2] }),
  ...both(
    'ConvTranspose',
    '3-D',
    [1, 2, 2, 3, 2],
    [2, 2, 2, 3, 2],
    { strides: [2, 1, 2], pads: [0, 1, 0, 1, 0, 1] },
    [2],
  ),
  ...both('ConvTranspose', '3-D, two groups, dilation', [1, 4, 3, 2, 2], [4, 1, 2, 2, 1], {
    group: 2,
    dilations: [2, 1, 1],
  }),
  ...both('ConvTranspose', '1-D', [2, 2, 4], [2, 3, 3], { strides: [2], pads: [1, 0], output_padding: [1] }, [3]),
  folded('2-D, overlapping', [2, 18, 4], [4, 4], [3, 3], { strides: [1, 1] }),
  folded('2-D, strides, dilations and pads', [1, 12, 6], [5, 6], [2, 3], {
    strides: [2, 2],
    dilations: [2, 1],
    pads: [1, 0, 0, 1],
  }),
  folded('1-D, apart', [2, 6, 3], [6], [2], { strides: [2] }),
  folded('3-D', [1, 8, 4], [2, 3, 3], [2, 2, 2], {}),
]

/** A row with constant weights as most models have them, and the same with the weights as an input. */
function both<O extends 'Conv' | 'ConvTranspose'>(
  op: O,
  shows: string,
  x: Shape,
  w: Shape,
  attributes: AttributeValues<O> = {},
  bias?: Shape,
): RowOf<O>[] {
  const kinds = ['weight', 'input'] as const
  return kinds.map(as => ({
    op,
    shows: `${shows}, w as ${as}`,
    inputs: [{ shape: x }, { shape: w, as }, ...(bias === undefined ? [] : [{ shape: bias, as }])],
    attributes,
  }))
}

function folded(
  shows: string,
  shape: Shape,
  image: Shape,
  block: Shape,
  attributes: AttributeValues<'Col2Im'>,
): RowOf<'Col2Im'> {
  const list = (values: Shape) => ({ shape: [values.length], dtype: 'int64', values }) as const
  return { op: 'Col2Im', shows, inputs: [{ shape }, list(image), list(block)], attributes }
}
