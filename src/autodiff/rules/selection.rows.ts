/** Rows of operators that select values, convert them or pass them on. */
import type { Row, RowInput } from '../../../test/support/gradcheck.js'
import { elementTypes } from '../../onnx/operators.js'

const indices = (values: readonly number[], shape: readonly number[] = [values.length]): RowInput => ({
  shape,
  dtype: 'int64',
  values,
})
const computed = (input: RowInput): RowInput => ({ ...input, as: 'input' })
const mask = (values: readonly number[], shape: readonly number[]): RowInput => ({
  shape,
  dtype: 'bool',
  values,
  as: 'input',
})

const gathers: readonly Row[] = [
  { op: 'Gather', shows: 'one index', inputs: [{ shape: [4, 3] }, indices([2], [])] },
  {
    op: 'Gather',
    shows: 'one negative index',
    inputs: [{ shape: [2, 4, 3] }, indices([-1], [])],
    attributes: { axis: 1 },
  },
  { op: 'Gather', shows: 'neighbours', inputs: [{ shape: [5, 2] }, indices([1, 2, 3])] },
  { op: 'Gather', shows: 'repeated and negative', inputs: [{ shape: [4, 3] }, indices([0, -1, 0, 3, 1])] },
  {
    op: 'Gather',
    shows: 'a matrix of indices on a middle axis',
    inputs: [{ shape: [2, 3, 2] }, indices([2, 0, 2, 1], [2, 2])],
    attributes: { axis: -2 },
  },
  { op: 'Gather', shows: 'computed indices', inputs: [{ shape: [4, 3] }, computed(indices([3, 0, 3, -2]))] },
  {
    op: 'Gather',
    shows: 'a computed matrix of indices on the last axis',
    inputs: [{ shape: [2, 4] }, computed(indices([0, 1, 1, -1], [2, 2]))],
    attributes: { axis: 1 },
  },
]

const scatters: readonly Row[] = [
  {
    op: 'ScatterElements',
    shows: 'written',
    inputs: [{ shape: [3, 4] }, indices([2, 0, -1, 1], [1, 4]), { shape: [1, 4], as: 'weight' }],
  },
  {
    op: 'ScatterElements',
    shows: 'written on the last axis at computed indices',
    inputs: [{ shape: [3, 4] }, computed(indices([3, 0, 1, -1], [2, 2])), { shape: [2, 2] }],
    attributes: { axis: 1 },
  },
  {
    op: 'ScatterElements',
    shows: 'added, repeated indices',
    inputs: [{ shape: [3, 2] }, indices([0, 2, 0, 1, -3, 1], [3, 2]), { shape: [3, 2] }],
    attributes: { reduction: 'add' },
  },
  {
    op: 'ScatterElements',
    shows: 'rank 3, a middle axis',
    inputs: [{ shape: [2, 3, 2] }, indices([0, 1, 2, 0, 1, 2, 0, 0], [2, 2, 2]), { shape: [2, 2, 2] }],
    attributes: { axis: -2, reduction: 'add' },
  },
]

export const rows: readonly Row[] = [
  {
    op: 'Where',
    shows: 'equal shapes',
    inputs: [mask([1, 0, 0, 1], [2, 2]), { shape: [2, 2] }, { shape: [2, 2], as: 'weight' }],
  },
  { op: 'Where', shows: 'all three broadcast', inputs: [mask([1, 0], [2, 1]), { shape: [3] }, { shape: [2, 1, 1] }] },
  { op: 'Where', shows: 'a scalar branch', inputs: [mask([1, 0, 1], [3]), { shape: [2, 3] }, { shape: [] }] },
  {
    op: 'Where',
    shows: 'an infinite branch that is not taken',
    inputs: [mask([1, 1], [2]), { shape: [2] }, { shape: [2], values: [Infinity, -Infinity] }],
    gradient: [undefined, [1, 1], [0, 0]],
  },
  ...gathers,
  ...scatters,
  { op: 'Cast', shows: 'float to float', inputs: [{ shape: [2, 3] }], attributes: { to: elementTypes.float32 } },
  {
    op: 'Cast',
    shows: 'booleans to float',
    inputs: [mask([1, 0], [2])],
    attributes: { to: elementTypes.float32 },
  },
  { op: 'CastLike', shows: 'the same float', inputs: [{ shape: [2, 3] }, { shape: [], values: [1] }] },
  { op: 'Identity', shows: 'G', inputs: [{ shape: [2, 3] }] },
  { op: 'Dropout', shows: 'no mask', inputs: [{ shape: [2, 3] }] },
  {
    op: 'Dropout',
    shows: 'with ratio, mask and training mode off',
    inputs: [
      { shape: [2, 3] },
      { shape: [], values: [0.5], as: 'constant' },
      { shape: [], dtype: 'bool', values: [0] },
    ],
    outputs: 2,
  },
]
