/** Rows of element-wise arithmetic. */
import type { Row } from '../../../test/support/gradcheck.js'
import type { OperatorName } from '../../onnx/operators.js'

type Domain = readonly [number, number]

/** An operator of two inputs in every kind of broadcasting. */
function broadcasts(op: 'Add' | 'Sub' | 'Mul' | 'Div' | 'Min' | 'Max' | 'Pow', left: Domain, right: Domain): Row[] {
  const shapes: readonly [string, readonly number[], readonly number[]][] = [
    ['equal shapes', [2, 3], [2, 3]],
    ['a missing leading dimension on the right', [2, 2, 3], [2, 3]],
    ['missing leading dimensions on the left', [3], [2, 2, 3]],
    ['ones on both sides', [2, 1, 3], [1, 4, 1]],
    ['a scalar on the right', [2, 3], []],
    ['a scalar on the left', [], [2, 3]],
    ['two scalars', [], []],
  ]
  return shapes.map(([shows, a, b]) => ({
    op,
    shows,
    inputs: [
      { shape: a, domain: left },
      { shape: b, domain: right, as: 'weight' },
    ],
  }))
}

function unary(op: OperatorName, domain: Domain): Row {
  return { op, shows: `on [${domain}]`, inputs: [{ shape: [3, 4], domain }] } as Row
}

const pair = [
  { shape: [3], values: [-1, 0.5, 2] },
  { shape: [3], values: [-1, 0.5, 1] },
]

const fixedPowers: readonly Row[] = [-2, -0.5, 0, 0.5, 1, 2, 3, 2.5].map(exponent => ({
  op: 'Pow',
  shows: `constant exponent ${exponent}`,
  inputs: [
    { shape: [2, 3], domain: [0.3, 2] },
    { shape: [], values: [exponent], as: 'constant' },
  ],
}))

const integerPowers: readonly Row[] = [
  {
    op: 'Pow',
    shows: 'negative base, exponents 2 and 3',
    inputs: [
      { shape: [2, 2], domain: [-2, -0.5] },
      { shape: [2], values: [2, 3], as: 'constant' },
    ],
  },
  {
    op: 'Pow',
    shows: 'integer exponents, 0 among them, base 0 among them',
    inputs: [
      { shape: [2, 2], values: [0, -1.5, 0.5, 2] },
      { shape: [2, 1], dtype: 'int64', values: [0, 3] },
    ],
    gradient: [[0, 0, 0.75, 12], undefined],
  },
]

const powersOfZero: readonly Row[] = [
  {
    op: 'Pow',
    shows: 'base 0, exponents 0, 1/2, 1, 2, 3: finite, and 0 where the slope is infinite',
    inputs: [
      { shape: [5], values: [0, 0, 0, 0, 0] },
      { shape: [5], values: [0, 0.5, 1, 2, 3], as: 'constant' },
    ],
    gradient: [[0, 0, 1, 0, 0], undefined],
  },
  {
    op: 'Pow',
    shows: 'base 0, exponents computed at run time',
    inputs: [
      { shape: [4], values: [0, 0, 0, 0] },
      { shape: [4], values: [0, 0.5, 1, 2] },
    ],
    gradient: [
      [0, 0, 1, 0],
      [0, 0, 0, 0],
    ],
  },
  ...[1, 2, 3, 1.5].map(
    (exponent): Row => ({
      op: 'Pow',
      shows: `base 0, one constant exponent ${exponent}`,
      inputs: [
        { shape: [2], values: [0, 1] },
        { shape: [1], values: [exponent], as: 'constant' },
      ],
      gradient: [[exponent === 1 ? 1 : 0, exponent], undefined],
    }),
  ),
]

const extremes: readonly Row[] = (['Max', 'Min'] as const).flatMap((op): Row[] => [
  {
    op,
    shows: 'three inputs, broadcast',
    inputs: [{ shape: [2, 3] }, { shape: [3], as: 'weight' }, { shape: [2, 1] }],
  },
  { op, shows: 'one input', inputs: [{ shape: [2, 3] }] },
  {
    op,
    shows: 'ties go to the first input',
    inputs: pair,
    gradient:
      op === 'Max'
        ? [
            [1, 1, 1],
            [0, 0, 0],
          ]
        : [
            [1, 1, 0],
            [0, 0, 1],
          ],
  },
  {
    op,
    shows: 'ties of three',
    inputs: [
      { shape: [2], values: [1, 1] },
      { shape: [2], values: [1, 2] },
      { shape: [2], values: [1, op === 'Max' ? 2 : 1] },
    ],
    gradient:
      op === 'Max'
        ? [
            [1, 0],
            [0, 1],
            [0, 0],
          ]
        : [
            [1, 1],
            [0, 0],
            [0, 0],
          ],
  },
])

const clips: readonly Row[] = [
  { op: 'Clip', shows: 'no bounds', inputs: [{ shape: [2, 3] }] },
  { op: 'Clip', shows: 'low only', inputs: [{ shape: [2, 3] }, { shape: [], values: [-0.25], as: 'weight' }] },
  { op: 'Clip', shows: 'high only', inputs: [{ shape: [2, 3] }, undefined, { shape: [], values: [0.25] }] },
  {
    op: 'Clip',
    shows: 'both bounds',
    inputs: [{ shape: [2, 5] }, { shape: [], values: [-0.5], as: 'weight' }, { shape: [], values: [0.5] }],
  },
  {
    op: 'Clip',
    shows: 'low above high: high wins',
    inputs: [{ shape: [4] }, { shape: [], values: [0.5] }, { shape: [], values: [-0.5] }],
  },
  {
    op: 'Clip',
    shows: 'at the bounds the gradient goes to x',
    inputs: [
      { shape: [4], values: [-2, -1, 1, 2] },
      { shape: [], values: [-1] },
      { shape: [], values: [1] },
    ],
    gradient: [[0, 1, 1, 0], [1], [1]],
  },
  {
    op: 'Clip',
    shows: 'constant bounds, and steps from one number to the next beside them',
    inputs: [
      { shape: [8], values: [-1e30, -1e-37, 0, 1e-37, 5.9999995, 6, 6.0000005, 1e30] },
      { shape: [], values: [0], as: 'constant' },
      { shape: [], values: [6], as: 'constant' },
    ],
    gradient: [[0, 0, 1, 1, 1, 1, 0, 0]],
  },
  {
    op: 'Clip',
    shows: 'constant bounds that are far away',
    inputs: [
      { shape: [4], values: [-3e38, -2e38, 1e38, 3e38] },
      { shape: [], values: [-2e38], as: 'constant' },
      { shape: [], values: [1.5e38], as: 'constant' },
    ],
    gradient: [[0, 1, 1, 0]],
  },
  {
    op: 'Clip',
    shows: 'a constant low bound above the high one',
    inputs: [
      { shape: [4] },
      { shape: [], values: [0.5], as: 'constant' },
      { shape: [], values: [-0.5], as: 'constant' },
    ],
  },
  {
    op: 'Clip',
    shows: 'a constant high bound only',
    inputs: [{ shape: [2, 3] }, undefined, { shape: [], values: [0.25], as: 'constant' }],
  },
]

export const rows: readonly Row[] = [
  ...broadcasts('Add', [-1, 1], [-1, 1]),
  ...broadcasts('Sub', [-1, 1], [-1, 1]),
  ...broadcasts('Mul', [-1, 1], [-1, 1]),
  ...broadcasts('Div', [-1, 1], [0.5, 2]),
  ...broadcasts('Min', [-1, 1], [-1, 1]),
  ...broadcasts('Max', [-1, 1], [-1, 1]),
  ...broadcasts('Pow', [0.5, 2], [-1, 3]),
  unary('Neg', [-1, 1]),
  unary('Abs', [-1, 1]),
  { op: 'Abs', shows: '0 at 0', inputs: [{ shape: [3], values: [-2, 0, 3] }], gradient: [[-1, 0, 1]] },
  unary('Sqrt', [0.2, 4]),
  { op: 'Sqrt', shows: '0 at 0', inputs: [{ shape: [2], values: [0, 4] }], gradient: [[0, 0.25]] },
  unary('Exp', [-3, 3]),
  unary('Log', [0.2, 4]),
  unary('Erf', [-2.5, 2.5]),
  { op: 'Erf', shows: 'far out', inputs: [{ shape: [2], values: [-1e20, 1e20] }], gradient: [[0, 0]] },
  unary('Sign', [-1, 1]),
  unary('Round', [-3, 3]),
  { op: 'Round', shows: 'halves to the even neighbour', inputs: [{ shape: [4], values: [-1.5, -0.5, 0.5, 2.5] }] },
  unary('Floor', [-3, 3]),
  unary('Ceil', [-3, 3]),
  unary('Reciprocal', [0.5, 2]),
  unary('Reciprocal', [-2, -0.5]),
  {
    op: 'Mod',
    shows: 'fmod, both signs, divisor broadcast',
    inputs: [
      { shape: [2, 4], domain: [-5, 5] },
      { shape: [4], values: [0.7, 1.3, -1.1, -2.3] },
    ],
    attributes: { fmod: 1 },
  },
  {
    op: 'Mod',
    shows: 'integers, the sign of the divisor',
    inputs: [
      { shape: [4], dtype: 'int64', values: [-4, 7, 5, -3], as: 'input' },
      { shape: [4], dtype: 'int64', values: [3, -3, 8, -8] },
    ],
  },
  { op: 'Div', shows: 'negative divisors', inputs: [{ shape: [2, 2] }, { shape: [2], values: [-0.5, -2] }] },
  { op: 'Add', shows: 'rank 5', inputs: [{ shape: [1, 2, 1, 2, 1] }, { shape: [2, 1, 2, 1, 2] }] },
  { op: 'Mul', shows: 'a constant factor', inputs: [{ shape: [2, 3] }, { shape: [3], as: 'constant' }] },
  ...(['Sum', 'Mean'] as const).flatMap((op): Row[] => [
    { op, shows: 'three inputs, broadcast', inputs: [{ shape: [2, 3] }, { shape: [3], as: 'weight' }, { shape: [] }] },
    { op, shows: 'one input', inputs: [{ shape: [2, 3] }] },
  ]),
  ...fixedPowers,
  ...integerPowers,
  ...powersOfZero,
  ...extremes,
  ...clips,
]
