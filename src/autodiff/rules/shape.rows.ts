/** Rows of operators that move, cut and repeat values. */
import type { Row, RowInput } from '../../../test/support/gradcheck.js'

const list = (...values: number[]): RowInput => ({ shape: [values.length], dtype: 'int64', values })
/** Exporters write the largest 64-bit integer for "to the end"; this is the largest that a number holds. */
const farEnd = 2 ** 63 - 1024

const reshapes: readonly Row[] = [
  { op: 'Reshape', shows: 'to a fixed shape', inputs: [{ shape: [2, 6] }, list(3, 4)] },
  { op: 'Reshape', shows: '-1', inputs: [{ shape: [2, 3, 4] }, list(6, -1)] },
  { op: 'Reshape', shows: '0 copies a dimension', inputs: [{ shape: [2, 3, 4] }, list(0, -1)] },
  { op: 'Reshape', shows: 'a scalar to rank 2', inputs: [{ shape: [] }, list(1, 1)] },
  { op: 'Reshape', shows: 'to a scalar', inputs: [{ shape: [1, 1] }, list()] },
  { op: 'Reshape', shows: 'allowzero', inputs: [{ shape: [2, 3] }, list(3, 2)], attributes: { allowzero: 1 } },
  { op: 'Flatten', shows: 'default axis', inputs: [{ shape: [2, 3, 4] }] },
  { op: 'Flatten', shows: 'axis 0', inputs: [{ shape: [2, 3] }], attributes: { axis: 0 } },
  { op: 'Flatten', shows: 'axis -1', inputs: [{ shape: [2, 3, 4] }], attributes: { axis: -1 } },
  { op: 'Flatten', shows: 'axis = rank', inputs: [{ shape: [2, 3] }], attributes: { axis: 2 } },
  { op: 'Squeeze', shows: 'all ones', inputs: [{ shape: [1, 3, 1] }] },
  { op: 'Squeeze', shows: 'a negative axis', inputs: [{ shape: [1, 3, 1] }, list(-1)] },
  { op: 'Unsqueeze', shows: 'first and last axis', inputs: [{ shape: [2, 3] }, list(0, -1)] },
  { op: 'Unsqueeze', shows: 'a scalar', inputs: [{ shape: [] }, list(0)] },
  { op: 'Transpose', shows: 'reversed by default', inputs: [{ shape: [2, 3, 4] }] },
  { op: 'Transpose', shows: 'a rotation', inputs: [{ shape: [2, 3, 4] }], attributes: { perm: [1, 2, 0] } },
  { op: 'Transpose', shows: 'no change', inputs: [{ shape: [2, 3] }], attributes: { perm: [0, 1] } },
]

const parts: readonly Row[] = [
  {
    op: 'Concat',
    shows: 'uneven parts, a weight among them',
    inputs: [{ shape: [2, 1] }, { shape: [2, 3], as: 'weight' }, { shape: [2, 2] }],
    attributes: { axis: 1 },
  },
  {
    op: 'Concat',
    shows: 'a negative axis, a constant part',
    inputs: [{ shape: [2, 3, 2] }, { shape: [2, 1, 2], as: 'constant' }],
    attributes: { axis: -2 },
  },
  { op: 'Concat', shows: 'one part', inputs: [{ shape: [2, 3] }], attributes: { axis: 0 } },
  { op: 'Split', shows: 'equal parts', inputs: [{ shape: [4, 3] }], attributes: { num_outputs: 2 }, outputs: 2 },
  {
    op: 'Split',
    shows: 'a smaller last part',
    inputs: [{ shape: [2, 5] }],
    attributes: { num_outputs: 3, axis: 1 },
    outputs: 3,
  },
  {
    op: 'Split',
    shows: 'stated sizes',
    inputs: [{ shape: [2, 6] }, list(1, 3, 2)],
    attributes: { axis: -1 },
    outputs: 3,
  },
]

const slices: readonly Row[] = [
  { op: 'Slice', shows: 'no axes: the leading ones', inputs: [{ shape: [4, 5] }, list(1, 1), list(3, 4)] },
  { op: 'Slice', shows: 'a negative axis, start and end', inputs: [{ shape: [4, 5] }, list(-4), list(-1), list(-1)] },
  { op: 'Slice', shows: 'an end far past the axis', inputs: [{ shape: [2, 5] }, list(2), list(farEnd), list(1)] },
  { op: 'Slice', shows: 'a start before the axis', inputs: [{ shape: [5] }, list(-farEnd), list(3), list(0)] },
  { op: 'Slice', shows: 'step 2', inputs: [{ shape: [2, 5] }, list(0), list(5), list(1), list(2)] },
  { op: 'Slice', shows: 'step 2 that ends early', inputs: [{ shape: [2, 6] }, list(1), list(6), list(1), list(2)] },
  {
    op: 'Slice',
    shows: 'step 3 on two axes',
    inputs: [{ shape: [7, 5] }, list(0, 1), list(7, 5), list(0, 1), list(3, 2)],
  },
  { op: 'Slice', shows: 'step past the end', inputs: [{ shape: [4] }, list(1), list(4), list(0), list(farEnd)] },
  { op: 'Slice', shows: 'backwards', inputs: [{ shape: [2, 4] }, list(-1), list(-farEnd), list(1), list(-1)] },
  {
    op: 'Slice',
    shows: 'backwards from past the end',
    inputs: [{ shape: [4] }, list(farEnd), list(0), list(0), list(-1)],
  },
  {
    op: 'Slice',
    shows: 'backwards by 2 and forwards by 2',
    inputs: [{ shape: [6, 5] }, list(4, 1), list(0, 5), list(0, 1), list(-2, 2)],
  },
  { op: 'Slice', shows: 'everything', inputs: [{ shape: [2, 3] }, list(0), list(3), list(1)] },
]

const paddings: readonly Row[] = [
  { op: 'Pad', shows: 'constant 0, asymmetric', inputs: [{ shape: [2, 3] }, list(1, 0, 0, 2)] },
  {
    op: 'Pad',
    shows: 'a fill value that is differentiated',
    inputs: [{ shape: [2, 3] }, list(0, 1, 2, 0), { shape: [], values: [0.5], as: 'weight' }],
  },
  { op: 'Pad', shows: 'negative pads crop', inputs: [{ shape: [4, 3] }, list(-1, 1, -1, 0)] },
  { op: 'Pad', shows: 'some axes', inputs: [{ shape: [1, 2, 3, 3] }, list(1, 2, 0, 1), undefined, list(2, -1)] },
  ...(['reflect', 'edge', 'wrap'] as const).flatMap((mode): Row[] => [
    { op: 'Pad', shows: mode, inputs: [{ shape: [1, 2, 3, 4] }, list(0, 0, 2, 1, 0, 0, 1, 3)], attributes: { mode } },
    {
      op: 'Pad',
      shows: `${mode}, the first axis`,
      inputs: [{ shape: [4, 2] }, list(2, 0, 1, 0)],
      attributes: { mode },
    },
  ]),
  {
    op: 'Pad',
    shows: 'edge: repeated elements sum up',
    inputs: [{ shape: [3] }, list(2, 1)],
    attributes: { mode: 'edge' },
    gradient: [[3, 1, 2], undefined],
  },
]

export const rows: readonly Row[] = [
  ...reshapes,
  ...parts,
  ...slices,
  ...paddings,
  { op: 'Expand', shows: 'axes of length 1', inputs: [{ shape: [2, 1, 3] }, list(2, 4, 3)] },
  { op: 'Expand', shows: 'new leading axes', inputs: [{ shape: [3] }, list(2, 2, 3)] },
  { op: 'Expand', shows: 'ones in the wanted shape', inputs: [{ shape: [2, 3] }, list(1, 1, 1)] },
  { op: 'Expand', shows: 'a scalar', inputs: [{ shape: [] }, list(2, 2)] },
  { op: 'Shape', shows: 'whole', inputs: [{ shape: [2, 3, 4] }] },
  { op: 'Shape', shows: 'a part', inputs: [{ shape: [2, 3, 4] }], attributes: { start: -2, end: 2 } },
  { op: 'ConstantOfShape', shows: 'zeros', inputs: [{ ...list(2, 3), as: 'input' }] },
]
