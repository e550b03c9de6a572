/** Rows of Fourier transforms: real and complex, both directions, every axis, shortened and filled up. */
import type { Row, RowInput } from '../../../test/support/gradcheck.js'

const integer = (value: number): RowInput => ({ shape: [], dtype: 'int64', values: [value] })
const window: RowInput = { shape: [4], values: [0.25, 1, 0.75, 0.5], as: 'constant' }

export const rows: readonly Row[] = [
  { op: 'DFT', shows: 'real samples', inputs: [{ shape: [2, 6, 1] }] },
  { op: 'DFT', shows: 'one side', inputs: [{ shape: [2, 5, 1] }], attributes: { onesided: 1 } },
  { op: 'DFT', shows: 'complex samples', inputs: [{ shape: [2, 5, 2] }] },
  { op: 'DFT', shows: 'inverse', inputs: [{ shape: [2, 6, 2] }], attributes: { inverse: 1 } },
  { op: 'DFT', shows: 'another axis', inputs: [{ shape: [2, 4, 3, 2] }, undefined, integer(1)] },
  { op: 'DFT', shows: 'filled up', inputs: [{ shape: [2, 5, 1] }, integer(8)], attributes: { onesided: 1 } },
  { op: 'DFT', shows: 'shortened', inputs: [{ shape: [1, 7, 3, 1] }, integer(4), integer(-3)] },
  { op: 'STFT', shows: 'a window', inputs: [{ shape: [2, 11, 1] }, integer(3), window], attributes: { onesided: 1 } },
  { op: 'STFT', shows: 'both sides', inputs: [{ shape: [2, 8, 1] }, integer(2), window], attributes: { onesided: 0 } },
  { op: 'STFT', shows: 'no window', inputs: [{ shape: [1, 9, 1] }, integer(2), undefined, integer(5)] },
  { op: 'STFT', shows: 'a signal without parts', inputs: [{ shape: [2, 7] }, integer(2), window] },
]
