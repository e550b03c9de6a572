/** Rows of reductions: every way to name axes, with and without kept dimensions, and ties. */
import type { Row, RowInput } from '../../../test/support/gradcheck.js'

const axes = (values: readonly number[]): RowInput => ({ shape: [values.length], dtype: 'int64', values })

function reductions(op: 'ReduceSum' | 'ReduceMean' | 'ReduceMax'): Row[] {
  const x: RowInput = { shape: [2, 3, 4] }
  return [
    { op, shows: 'one axis, kept', inputs: [x, axes([1])] },
    { op, shows: 'one axis, dropped', inputs: [x, axes([1])], attributes: { keepdims: 0 } },
    { op, shows: 'negative axes, dropped', inputs: [x, axes([-1, -3])], attributes: { keepdims: 0 } },
    { op, shows: 'axes out of order, kept', inputs: [x, axes([2, 0])] },
    { op, shows: 'no axes: all, dropped', inputs: [x], attributes: { keepdims: 0 } },
    { op, shows: 'no axes: all, kept', inputs: [x] },
    { op, shows: 'an empty list of axes: all', inputs: [x, axes([])], attributes: { keepdims: 0 } },
    { op, shows: 'an empty list that means none', inputs: [x, axes([])], attributes: { noop_with_empty_axes: 1 } },
    { op, shows: 'an axis of length 1', inputs: [{ shape: [3, 1] }, axes([1])], attributes: { keepdims: 0 } },
    { op, shows: 'a scalar', inputs: [{ shape: [] }] },
  ]
}

export const rows: readonly Row[] = [
  ...reductions('ReduceSum'),
  ...reductions('ReduceMean'),
  ...reductions('ReduceMax'),
  {
    op: 'ReduceMax',
    shows: 'ties share',
    inputs: [{ shape: [2, 4], values: [1, 3, 3, 0, 2, 2, 2, 2] }, axes([1])],
    gradient: [[0, 0.5, 0.5, 0, 0.25, 0.25, 0.25, 0.25], undefined],
  },
  { op: 'ArgMax', shows: 'first axis, kept', inputs: [{ shape: [3, 4] }] },
  { op: 'ArgMax', shows: 'last axis, dropped', inputs: [{ shape: [3, 4] }], attributes: { axis: -1, keepdims: 0 } },
  { op: 'ArgMax', shows: 'ties: the first', inputs: [{ shape: [4], values: [1, 3, 3, 0] }] },
  {
    op: 'ArgMax',
    shows: 'ties: the last',
    inputs: [{ shape: [4], values: [1, 3, 3, 0] }],
    attributes: { select_last_index: 1 },
  },
  ...(
    [
      ['the largest two of the last axis', [2, 5], 2, {}],
      ['the smallest two of the first axis', [5, 2], 2, { axis: 0, largest: 0 }],
      ['all of a middle axis', [2, 3, 2], 3, { axis: -2 }],
    ] as const
  ).map(
    ([shows, shape, k, attributes]): Row => ({
      op: 'TopK',
      shows,
      attributes,
      inputs: [{ shape }, { shape: [1], dtype: 'int64', values: [k] }],
      outputs: 2,
    }),
  ),
  {
    op: 'TopK',
    shows: 'ties: the lower index',
    inputs: [
      { shape: [4], values: [1, 3, 3, 0] },
      { shape: [1], dtype: 'int64', values: [1] },
    ],
    outputs: 2,
    gradient: [[0, 1, 0, 0], undefined],
  },
]
