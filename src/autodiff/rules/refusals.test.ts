/** What rules refuse, by name, instead of giving a wrong gradient or growing without bound. */
import { describe, expect, it } from 'vitest'
import { GraphBuilder, type Value } from '../../onnx/build.js'
import { float32, int64 } from '../../tensor/tensor.js'
import { differentiate } from '../gradient.js'

type Case = readonly [what: string, build: (b: GraphBuilder, x: Value) => Value, message: RegExp]

const reals = (b: GraphBuilder, shape: readonly number[]) => b.full(shape, 0.5, 'float32')

const cases: readonly Case[] = [
  [
    'an Einsum diagonal',
    (b, x) => b.emit('Einsum', [x], { equation: 'abii->abi' }, [{ dtype: 'float32', shape: [1, 2, 4] }])[0]!,
    /Einsum "abii->abi".*repeated label/,
  ],
  [
    'a Resize beyond all bounds',
    (b, x) =>
      b.emit('Resize', [x, undefined, undefined, b.integers([1, 2, 4, 2e9])], {}, [
        { dtype: 'float32', shape: [1, 2, 4, 2e9] },
      ])[0]!,
    /Resize.*axis 3 goes from 4 to 2000000000/,
  ],
  [
    'a cubic GridSample',
    (b, x) => b.emit('GridSample', [x, reals(b, [1, 4, 4, 2])], { mode: 'cubic' }, [x])[0]!,
    /GridSample.*mode "cubic"/,
  ],
  [
    'a grid that depends on the input in mode nearest',
    (b, x) =>
      b.emit('GridSample', [x, b.reshape(b.slice(x, [1], [0], [1]), [1, 4, 2, 2])], { mode: 'nearest' }, [
        { dtype: 'float32', shape: [1, 2, 4, 2] },
      ])[0]!,
    /GridSample.*to the grid/,
  ],
  [
    'a transform of complex signals in frames',
    (b, x) =>
      b.emit('STFT', [b.reshape(x, [1, 16, 2]), b.integers([4]), reals(b, [4])], { onesided: 0 }, [
        { dtype: 'float32', shape: [1, 4, 4, 2] },
      ])[0]!,
    /STFT.*complex signals/,
  ],
  [
    'a transform of endless length',
    (b, x) =>
      b.emit('DFT', [b.reshape(x, [1, 32, 1]), b.constant(int64([2 ** 40], []))], {}, [
        { dtype: 'float32', shape: [1, 2 ** 40, 2] },
      ])[0]!,
    /DFT.*32 samples to 1099511627776 frequencies/,
  ],
  [
    'LRN over a neighbourhood without end',
    (b, x) => b.emit('LRN', [x], { size: 1e12 + 1 }, [x])[0]!,
    /LRN.*size 1000000000001/,
  ],
  ...(['Sign', 'Round', 'Floor', 'Ceil', 'Hardmax'] as const).map(
    (op): Case => [op, (b, x) => b.unary(op, x), new RegExp(`no gradient rule for: ${op}`)],
  ),
  ...(
    [
      ['clipping', { clip: 3 }],
      ['a rare activation', { activations: ['Affine', 'Tanh', 'Tanh'] }],
      ['coupled gates', { input_forget: 1 }],
    ] as const
  ).map(
    ([what, attributes]): Case => [`an LSTM with ${what}`, (b, x) => lstm(b, x, attributes), /LSTM.*is not supported/],
  ),
  ['a scatter by products', (b, x) => scatter(b, x), /ScatterND.*reduction "mul"/],
]

function lstm(b: GraphBuilder, x: Value, attributes: object): Value {
  const sequence = b.reshape(x, [4, 2, 4])
  return b.emit('LSTM', [sequence, reals(b, [1, 8, 4]), reals(b, [1, 8, 2])], { hidden_size: 2, ...attributes }, [
    { dtype: 'float32', shape: [4, 1, 2, 2] },
  ])[0]!
}

function scatter(b: GraphBuilder, x: Value): Value {
  const updates = b.constant(float32([1, 2]))
  return b.emit(
    'ScatterND',
    [b.reshape(x, [32]), b.reshape(b.integers([0, 3]), [2, 1]), updates],
    { reduction: 'mul' },
    [{ dtype: 'float32', shape: [32] }],
  )[0]!
}

describe('rules refuse', () => {
  it.each(cases)('%s', (_, build, message) => {
    const b = new GraphBuilder('refused')
    const x = b.input('x', 'float32', [1, 2, 4, 4])
    const y = build(b, x)
    const refusal = expect.objectContaining({ code: 'model-unsupported', message: expect.stringMatching(message) })
    expect(() => differentiate(b, y, [x], { seed: y })).toThrow(refusal)
  })
})
