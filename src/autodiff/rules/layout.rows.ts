/** Rows of operators that repeat, mask, rearrange and count. */
import type { Row, RowInput } from '../../../test/support/gradcheck.js'
import { elementTypes } from '../../onnx/operators.js'

const integers = (...values: readonly number[]): RowInput => ({ shape: [values.length], dtype: 'int64', values })
const integer = (value: number): RowInput => ({ shape: [], dtype: 'int64', values: [value] })

export const rows: readonly Row[] = [
  { op: 'Tile', shows: 'two axes repeated', inputs: [{ shape: [2, 3, 2] }, integers(2, 1, 3)] },
  { op: 'Tile', shows: 'nothing repeated', inputs: [{ shape: [2, 3] }, integers(1, 1)] },
  { op: 'Tile', shows: 'a vector', inputs: [{ shape: [3] }, integers(4)] },
  ...[0, 1].flatMap((upper): Row[] => [
    { op: 'Trilu', shows: `upper ${upper}`, inputs: [{ shape: [3, 4] }], attributes: { upper } },
    { op: 'Trilu', shows: `upper ${upper}, above`, inputs: [{ shape: [2, 4, 3] }, integer(1)], attributes: { upper } },
    { op: 'Trilu', shows: `upper ${upper}, below`, inputs: [{ shape: [4, 4] }, integer(-2)], attributes: { upper } },
  ]),
  ...['DCR', 'CRD'].map(
    (mode): Row => ({
      op: 'DepthToSpace',
      shows: mode,
      inputs: [{ shape: [2, 12, 2, 3] }],
      attributes: { blocksize: 2, mode },
    }),
  ),
  { op: 'SpaceToDepth', shows: 'blocks of 2', inputs: [{ shape: [2, 3, 4, 6] }], attributes: { blocksize: 2 } },
  { op: 'SpaceToDepth', shows: 'blocks of 3', inputs: [{ shape: [1, 2, 3, 6] }], attributes: { blocksize: 3 } },
  {
    op: 'Range',
    shows: 'floats',
    inputs: [
      { shape: [], values: [0.25] },
      { shape: [], values: [2.5] },
      { shape: [], values: [0.7] },
    ],
    gradient: [[4], [0], [6]],
  },
  { op: 'Range', shows: 'integers, backwards', inputs: [integer(7), integer(-2), integer(-3)] },
  { op: 'Size', shows: 'the number of elements', inputs: [{ shape: [2, 3, 4] }] },
  { op: 'EyeLike', shows: 'like the input', inputs: [{ shape: [2, 4] }] },
  {
    op: 'EyeLike',
    shows: 'another diagonal and type',
    inputs: [{ shape: [4, 3] }],
    attributes: { k: -1, dtype: elementTypes.int64 },
  },
]
