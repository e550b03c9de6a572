/** Rows of comparisons and logic: no gradients, ONNX Runtime against the reference. */
import type { Row } from '../../../test/support/gradcheck.js'

const numbers = [
  { shape: [2, 3], values: [-1, 0, 1, 2, 2, 3] },
  { shape: [3], values: [0, 0, 2] },
] as const
const integers = numbers.map(input => ({ ...input, dtype: 'int64', as: 'input' }) as const)
const truths = [
  { shape: [2, 2], dtype: 'bool', values: [0, 0, 1, 1], as: 'input' },
  { shape: [2, 2], dtype: 'bool', values: [0, 1, 0, 1], as: 'input' },
] as const

const infinite = { shape: [4], values: [1, Infinity, -Infinity, Number.NaN] }

export const rows: readonly Row[] = [
  ...(['Equal', 'Greater', 'GreaterOrEqual', 'Less', 'LessOrEqual'] as const).flatMap((op): Row[] => [
    { op, shows: 'floats, broadcast', inputs: numbers },
    { op, shows: 'integers, broadcast', inputs: integers },
  ]),
  { op: 'And', shows: 'all four cases', inputs: truths },
  { op: 'Or', shows: 'all four cases', inputs: truths },
  { op: 'Xor', shows: 'all four cases', inputs: truths },
  ...[{}, { detect_negative: 0 }, { detect_positive: 0 }].map(
    (attributes): Row => ({ op: 'IsInf', shows: JSON.stringify(attributes), inputs: [infinite], attributes }),
  ),
  { op: 'IsNaN', shows: 'among numbers and infinities', inputs: [infinite] },
  { op: 'Not', shows: 'both cases', inputs: [truths[1]] },
]
