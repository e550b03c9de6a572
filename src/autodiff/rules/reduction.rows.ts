/** Rows of reductions: every way to name axes, with and without kept dimensions, and ties. */
import type { Row, RowInput } from '../../../test/support/gradcheck.js'

const at = (axis: number): RowInput => ({ shape: [], dtype: 'int64', values: [axis] })
const axes = (values: readonly number[]): RowInput => ({ shape: [values.length], dtype: 'int64', values })

type Reduce = Extract<Row['op'], `Reduce${string}`>

function reductions(op: Reduce, domain: readonly [number, number] = [-1, 1]): Row[] {
  const x: RowInput = { shape: [2, 3, 4], domain }
  return [
    { op, shows: 'one axis, kept', inputs: [x, axes([1])] },
    { op, shows: 'one axis, dropped', inputs: [x, axes([1])], attributes: { keepdims: 0 } },
    { op, shows: 'negative axes, dropped', inputs: [x, axes([-1, -3])], attributes: { keepdims: 0 } },
    { op, shows: 'axes out of order, kept', inputs: [x, axes([2, 0])] },
    { op, shows: 'no axes: all, dropped', inputs: [x], attributes: { keepdims: 0 } },
    { op, shows: 'no axes: all, kept', inputs: [x] },
    { op, shows: 'an empty list of axes: all', inputs: [x, axes([])], attributes: { keepdims: 0 } },
    { op, shows: 'an empty list that means none', inputs: [x, axes([])], attributes: { noop_with_empty_axes: 1 } },
    { op, shows: 'an axis of length 1', inputs: [{ shape: [3, 1], domain }, axes([1])], attributes: { keepdims: 0 } },
    { op, shows: 'a scalar', inputs: [{ shape: [], domain }] },
  ]
}

export const rows: readonly Row[] = [
  ...reductions('ReduceSum'),
  ...reductions('ReduceMean'),
  ...reductions('ReduceMax'),
  ...reductions('ReduceMin'),
  ...reductions('ReduceProd', [0.5, 1.5]),
  ...reductions('ReduceProd', [-1.5, -0.5]).slice(0, 2),
  ...reductions('ReduceL1'),
  ...reductions('ReduceL2'),
  ...reductions('ReduceLogSum', [0.5, 2]),
  ...reductions('ReduceLogSumExp', [-4, 4]),
  ...reductions('ReduceSumSquare'),
  {
    op: 'ReduceMin',
    shows: 'ties share',
    inputs: [{ shape: [4], values: [1, 3, 1, 2] }, axes([0])],
    gradient: [[0.5, 0, 0.5, 0], undefined],
  },
  {
    op: 'ReduceProd',
    shows: 'no, one and two zeros',
    inputs: [{ shape: [3, 3], values: [2, 3, 4, 2, 0, 4, 0, 0, 4] }, axes([1])],
    gradient: [[12, 8, 6, 0, 8, 0, 0, 0, 0], undefined],
  },
  { op: 'ReduceL1', shows: '0 at 0', inputs: [{ shape: [3], values: [-2, 0, 3] }], gradient: [[-1, 0, 1]] },
  {
    op: 'ReduceL2',
    shows: '0 where everything is 0',
    inputs: [{ shape: [2, 2], values: [0, 0, 3, 4] }, axes([1])],
    gradient: [[0, 0, 0.6, 0.8], undefined],
  },
  {
    op: 'ReduceLogSumExp',
    shows: 'far out: no overflow',
    inputs: [{ shape: [3], values: [1000, -1000, 1000] }],
    gradient: [[0.5, 0, 0.5]],
  },
  { op: 'ArgMin', shows: 'last axis, dropped', inputs: [{ shape: [3, 4] }], attributes: { axis: -1, keepdims: 0 } },
  {
    op: 'ArgMin',
    shows: 'ties: the last',
    inputs: [{ shape: [4], values: [1, 0, 0, 3] }],
    attributes: { select_last_index: 1 },
  },
  ...[{}, { exclusive: 1 }, { reverse: 1 }, { exclusive: 1, reverse: 1 }].flatMap((attributes): Row[] => [
    { op: 'CumSum', shows: `first axis ${JSON.stringify(attributes)}`, inputs: [{ shape: [4, 3] }, at(0)], attributes },
    {
      op: 'CumSum',
      shows: `last axis ${JSON.stringify(attributes)}`,
      inputs: [{ shape: [2, 3, 4] }, at(-1)],
      attributes,
    },
  ]),
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
