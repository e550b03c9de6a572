/** Rows of activation functions: both branches, the kink, and inputs so large that a careless formula overflows. */
import type { Row } from '../../../test/support/gradcheck.js'

type Activation =
  | 'Relu'
  | 'LeakyRelu'
  | 'Elu'
  | 'Selu'
  | 'Sigmoid'
  | 'Tanh'
  | 'Softplus'
  | 'HardSigmoid'
  | 'HardSwish'
  | 'Celu'
  | 'Mish'
  | 'Softsign'
  | 'Shrink'
  | 'ThresholdedRelu'

function curve(op: Activation | 'Gelu', shows: string, attributes: object = {}): Row {
  return { op, shows, attributes, inputs: [{ shape: [4, 6], domain: [-4, 4] }] } as Row
}

/** Gradient of the sum of outputs at single points. */
function at(
  op: Activation | 'Gelu',
  shows: string,
  points: readonly (readonly [number, number])[],
  attributes: object = {},
) {
  const values = points.map(([x]) => x)
  const gradient = [points.map(([, slope]) => slope)]
  return { op, shows, attributes, inputs: [{ shape: [values.length], values }], gradient } as Row
}

const far = 'far out: no overflow'
const gamma = 1.0507010221481323

export const rows: readonly Row[] = [
  curve('Relu', 'both branches'),
  at('Relu', '0 at 0', [
    [-1, 0],
    [0, 0],
    [1, 1],
  ]),
  at('Relu', 'a step from one number to the next', [
    [-1.2e-38, 0],
    [1.2e-38, 1],
    [3e38, 1],
  ]),
  curve('LeakyRelu', 'default slope'),
  curve('LeakyRelu', 'slope 0.2', { alpha: 0.2 }),
  curve('LeakyRelu', 'negative slope', { alpha: -0.5 }),
  at(
    'LeakyRelu',
    'the lower slope at 0',
    [
      [-1, 0.25],
      [0, 0.25],
      [1, 1],
    ],
    { alpha: 0.25 },
  ),
  curve('Elu', 'default alpha'),
  curve('Elu', 'alpha 0.5', { alpha: 0.5 }),
  at('Elu', far, [
    [-1e30, 0],
    [-200, 0],
    [200, 1],
    [1e30, 1],
  ]),
  at('Elu', 'alpha at 0', [[0, 0.5]], { alpha: 0.5 }),
  curve('Celu', 'default alpha'),
  curve('Celu', 'alpha 2', { alpha: 2 }),
  at('Celu', far, [
    [-1e30, 0],
    [0, 1],
    [1e30, 1],
  ]),
  curve('Mish', 'both sides'),
  at('Mish', far, [
    [-1e30, 0],
    [0, 0.6],
    [1e30, 1],
  ]),
  curve('Softsign', 'both sides'),
  at('Softsign', far, [
    [-1e30, 0],
    [0, 1],
    [1e30, 0],
  ]),
  curve('Shrink', 'hard, by default'),
  curve('Shrink', 'soft', { bias: 1.5, lambd: 1.5 }),
  curve('ThresholdedRelu', 'default alpha'),
  at(
    'ThresholdedRelu',
    '0 at alpha',
    [
      [1, 0],
      [1.5, 1],
    ],
    { alpha: 1 },
  ),
  curve('Selu', 'default constants'),
  curve('Selu', 'other constants', { alpha: 0.5, gamma: 2 }),
  at('Selu', far, [
    [-1e30, 0],
    [200, gamma],
    [1e30, gamma],
  ]),
  curve('Sigmoid', 'both sides'),
  at('Sigmoid', far, [
    [-1e30, 0],
    [0, 0.25],
    [1e30, 0],
  ]),
  curve('Tanh', 'both sides'),
  at('Tanh', far, [
    [-1e30, 0],
    [0, 1],
    [1e30, 0],
  ]),
  curve('Softplus', 'both sides'),
  at('Softplus', far, [
    [-1e30, 0],
    [-200, 0],
    [0, 0.5],
    [200, 1],
    [1e30, 1],
  ]),
  curve('HardSigmoid', 'default constants'),
  curve('HardSigmoid', 'other constants', { alpha: 0.4, beta: 0.25 }),
  at(
    'HardSigmoid',
    '0 at both kinks',
    [
      [-2, 0],
      [-1, 0],
      [0, 0.5],
      [0.9999999, 0.5],
      [1, 0],
      [2, 0],
    ],
    { alpha: 0.5, beta: 0.5 },
  ),
  curve('HardSwish', 'all three pieces'),
  at('HardSwish', 'the outer slopes at the kinks', [
    [-1e30, 0],
    [-3, 0],
    [-2.9999997615814209, -0.4999999205],
    [0, 0.5],
    [2.9999997615814209, 1.4999999205],
    [3, 1],
    [1e30, 1],
  ]),
  curve('Gelu', 'exact'),
  curve('Gelu', 'tanh approximation', { approximate: 'tanh' }),
  at('Gelu', far, [
    [-1e30, 0],
    [-40, 0],
    [0, 0.5],
    [40, 1],
    [1e30, 1],
  ]),
  at(
    'Gelu',
    `tanh approximation, ${far}`,
    [
      [-1e30, 0],
      [-40, 0],
      [0, 0.5],
      [40, 1],
      [1e30, 1],
    ],
    {
      approximate: 'tanh',
    },
  ),
  ...(
    [
      ['one slope for all', [1]],
      ['one slope per channel', [3, 1]],
      ['one slope per element', [2, 3, 2]],
      ['a scalar slope', []],
    ] as const
  ).map(([shows, shape]): Row => ({ op: 'PRelu', shows, inputs: [{ shape: [2, 3, 2] }, { shape, as: 'weight' }] })),
  {
    op: 'PRelu',
    shows: 'the slope of the lower branch at 0',
    inputs: [
      { shape: [3], values: [-2, 0, 2] },
      { shape: [1], values: [0.25] },
    ],
    gradient: [[0.25, 0.25, 1], [-2]],
  },
]
