/** Rows of recurrent layers. ONNX Runtime has no kernel for the layout with the batch first: that one is by the reference alone. */
import type { Row, RowInput } from '../../../test/support/gradcheck.js'

const gates = { LSTM: 4, GRU: 3, RNN: 1 } as const
const [steps, batch, width, size] = [3, 2, 4, 3]

interface Extras {
  readonly attributes?: object
  readonly directions?: number
  readonly bias?: boolean
  readonly lengths?: RowInput
  readonly initial?: boolean
  readonly as?: 'weight' | 'input'
  readonly outputs?: number
}

function layer(op: keyof typeof gates, shows: string, extras: Extras = {}): Row {
  const { attributes = {}, directions = 1, bias = true, lengths, initial = false, as = 'weight' } = extras
  const height = gates[op] * size
  const state = { shape: [directions, batch, size] }
  const inputs = [
    { shape: [steps, batch, width] },
    { shape: [directions, height, width], as },
    { shape: [directions, height, size], as },
    bias ? { shape: [directions, 2 * height], as } : undefined,
    lengths,
    initial ? state : undefined,
    ...(initial && op === 'LSTM' ? [state] : []),
  ]
  const outputs = extras.outputs ?? (op === 'LSTM' ? 3 : 2)
  return { op, shows, inputs, attributes: { hidden_size: size, ...attributes }, outputs, tolerance: 1e-5 } as Row
}

const both = { attributes: { direction: 'bidirectional' }, directions: 2 }

export const rows: readonly Row[] = [
  ...(['LSTM', 'GRU', 'RNN'] as const).flatMap((op): Row[] => [
    layer(op, 'forward'),
    layer(op, 'forward, only the sequence is used, no bias', { bias: false, outputs: 1 }),
    layer(op, 'reverse, from given states', { attributes: { direction: 'reverse' }, initial: true }),
    layer(op, 'both directions, weights as inputs', { ...both, as: 'input' }),
    layer(op, 'both directions, sequences of different lengths', {
      ...both,
      initial: true,
      lengths: { shape: [batch], dtype: 'int32', values: [2, 3] },
    }),
  ]),
  layer('GRU', 'reset after the product', { attributes: { linear_before_reset: 1 } }),
  layer('GRU', 'reset after the product, both directions, no bias', {
    ...both,
    attributes: { ...both.attributes, linear_before_reset: 1 },
    bias: false,
  }),
  layer('RNN', 'another activation', { attributes: { activations: ['Relu'] } }),
]
