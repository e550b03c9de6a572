/** Rows of operators that pick and place by indices. */
import type { Row, RowInput } from '../../../test/support/gradcheck.js'

const indices = (values: readonly number[], shape: readonly number[] = [values.length]): RowInput => ({
  shape,
  dtype: 'int64',
  values,
})
const computed = (input: RowInput): RowInput => ({ ...input, as: 'input' })

export const rows: readonly Row[] = [
  {
    op: 'GatherElements',
    shows: 'first axis, repeated and negative',
    inputs: [{ shape: [3, 2] }, indices([0, 2, 0, -1, 1, 1, 2, 0], [4, 2])],
  },
  {
    op: 'GatherElements',
    shows: 'last axis, fewer rows than the data, computed indices',
    inputs: [{ shape: [3, 4] }, computed(indices([3, 0, 1, -1], [2, 2]))],
    attributes: { axis: -1 },
  },
  { op: 'GatherND', shows: 'single elements', inputs: [{ shape: [2, 3] }, indices([0, 1, 1, -1, 0, 1], [3, 2])] },
  { op: 'GatherND', shows: 'slices', inputs: [{ shape: [3, 2, 2] }, indices([2, 0, 2, 1], [2, 2, 1])] },
  {
    op: 'GatherND',
    shows: 'a batch dimension, computed indices',
    inputs: [{ shape: [2, 3, 2] }, computed(indices([1, -1, 0, 0], [2, 2, 1]))],
    attributes: { batch_dims: 1 },
  },
  {
    op: 'GatherND',
    shows: 'two batch dimensions',
    inputs: [{ shape: [2, 2, 3] }, indices([1, 0, 2, 2], [2, 2, 1])],
    attributes: { batch_dims: 2 },
  },
  {
    op: 'ScatterND',
    shows: 'elements written',
    inputs: [{ shape: [2, 3] }, indices([0, 1, 1, -1], [2, 2]), { shape: [2], as: 'weight' }],
  },
  {
    op: 'ScatterND',
    shows: 'slices written, computed indices',
    inputs: [{ shape: [4, 2] }, computed(indices([2, 0], [2, 1])), { shape: [2, 2] }],
  },
  {
    op: 'ScatterND',
    shows: 'slices added, repeated',
    inputs: [{ shape: [3, 2] }, indices([1, 1, 0], [3, 1]), { shape: [3, 2] }],
    attributes: { reduction: 'add' },
  },
  {
    op: 'OneHot',
    shows: 'last axis, negative and too large indices',
    inputs: [indices([0, 2, -1, 5]), { shape: [], dtype: 'int64', values: [3] }, { shape: [2], values: [-1, 2] }],
  },
  {
    op: 'OneHot',
    shows: 'first axis',
    inputs: [indices([0, 2, 1, 1], [2, 2]), { shape: [], dtype: 'int64', values: [3] }, { shape: [2] }],
    attributes: { axis: 0 },
  },
  { op: 'NonZero', shows: 'places', inputs: [{ shape: [2, 3], values: [1, 0, -2, 0, 0, 3] }] },
  {
    op: 'Compress',
    shows: 'an axis',
    inputs: [{ shape: [3, 4] }, { shape: [3], dtype: 'bool', values: [1, 0, 1] }],
    attributes: { axis: 0 },
  },
  {
    op: 'Compress',
    shows: 'flattened',
    inputs: [{ shape: [2, 3] }, { shape: [5], dtype: 'bool', values: [0, 1, 0, 0, 1] }],
  },
  {
    op: 'ReverseSequence',
    shows: 'time first',
    inputs: [{ shape: [4, 3, 2] }, indices([4, 2, 1])],
  },
  {
    op: 'ReverseSequence',
    shows: 'batch first',
    inputs: [{ shape: [2, 4] }, indices([3, 4])],
    attributes: { batch_axis: 0, time_axis: 1 },
  },
]
