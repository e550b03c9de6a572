/** Test rows of matrix products. */
import type { Row } from '../../../test/support/gradcheck.js'
import type { Shape } from '../../tensor/tensor.js'

const sums: readonly (readonly [equation: string, ...shapes: readonly (readonly number[])[]])[] = [
  ['ij,jk->ik', [2, 3], [3, 4]],
  ['bhqd,bhkd->bhqk', [2, 2, 3, 4], [2, 2, 5, 4]],
  ['bij,bjk', [2, 3, 4], [2, 4, 2]],
  ['i,j->ij', [3], [4]],
  ['ij->ji', [2, 3]],
  ['ij->i', [2, 3]],
  ['ij,ik,il->jkl', [2, 3], [2, 2], [2, 4]],
  ['ab,cd->ac', [2, 3], [2, 4]],
  ['...ij,jk->...ik', [2, 2, 2, 3], [3, 4]],
  ['...i,...i->...', [2, 3, 4], [2, 3, 4]],
  ['ij,ij->', [2, 3], [2, 3]],
  ['bi,bi->b', [1, 3], [2, 3]],
]

export const rows: readonly Row[] = [
  ...sums.map(
    ([equation, ...shapes]): Row => ({
      op: 'Einsum',
      shows: equation,
      inputs: shapes.map(shape => ({ shape })),
      attributes: { equation },
    }),
  ),
  matMul('matrices', [3, 4], [4, 5]),
  matMul('the right one a constant weight', [3, 4], [4, 5], 'weight'),
  matMul('vector and matrix', [4], [4, 5]),
  matMul('matrix and vector', [3, 4], [4]),
  matMul('two vectors', [4], [4]),
  matMul('vector and batch of matrices', [4], [2, 3, 4, 5]),
  matMul('batch of matrices and vector', [2, 3, 5, 4], [4]),
  matMul('batch and weight matrix', [2, 3, 4], [4, 5], 'weight'),
  matMul('two batch dimensions and matrix', [2, 3, 2, 4], [4, 5]),
  matMul('matrix and batch', [3, 4], [2, 4, 5]),
  matMul('batches', [2, 3, 4], [2, 4, 5]),
  matMul('batch broadcast on the right', [2, 3, 4], [1, 4, 5]),
  matMul('batch broadcast on the left', [1, 3, 4], [2, 4, 5]),
  matMul('batches broadcast on both sides', [2, 1, 3, 4], [3, 4, 2]),
  matMul('single row and column', [1, 4], [4, 1]),

  gemm('without C', {}, [
    [3, 4],
    [4, 5],
  ]),
  gemm('C per column', {}, [[3, 4], [4, 5], [5]]),
  gemm('C per row, beta', { beta: 0.5 }, [
    [3, 4],
    [4, 5],
    [3, 1],
  ]),
  gemm('full C, alpha and beta', { alpha: 1.5, beta: -2 }, [
    [3, 4],
    [4, 5],
    [3, 5],
  ]),
  gemm('C of rank 0', {}, [[3, 4], [4, 5], []]),
  gemm('C of one element', { beta: 3 }, [[3, 4], [4, 5], [1]]),
  gemm('transA', { transA: 1, alpha: 0.7 }, [[4, 3], [4, 5], [5]]),
  gemm('transB', { transB: 1, alpha: 0.7 }, [
    [3, 4],
    [5, 4],
    [1, 5],
  ]),
  gemm('transA and transB', { transA: 1, transB: 1, alpha: 0.7, beta: 0.3 }, [[4, 3], [5, 4], [5]]),
  {
    op: 'Gemm',
    shows: 'constant weights',
    inputs: [{ shape: [3, 4] }, { shape: [5, 4], as: 'weight' }, { shape: [5], as: 'weight' }],
    attributes: { transB: 1 },
  },
]

function matMul(shows: string, a: Shape, b: Shape, as: 'input' | 'weight' = 'input'): Row {
  return { op: 'MatMul', shows, inputs: [{ shape: a }, { shape: b, as }] }
}

function gemm(shows: string, attributes: (Row & { op: 'Gemm' })['attributes'], shapes: readonly Shape[]): Row {
  return { op: 'Gemm', shows, inputs: shapes.map(shape => ({ shape })), attributes }
}
