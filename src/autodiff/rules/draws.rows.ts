/**
 * Rows of operators that draw at random: with a spread that float32 does not show. (A standard deviation of exactly 0 ends
 * the process inside ONNX Runtime 1.30.)
 */
import type { Row } from '../../../test/support/gradcheck.js'

const normal = { mean: 2, scale: 1e-30 }
const uniform = { low: 0.25, high: 0.25 }

export const rows: readonly Row[] = [
  { op: 'RandomNormal', shows: 'its shape and mean', inputs: [], attributes: { ...normal, shape: [2, 3] } },
  { op: 'RandomNormalLike', shows: 'the shape of its input', inputs: [{ shape: [2, 3] }], attributes: normal },
  { op: 'RandomUniform', shows: 'its shape and range', inputs: [], attributes: { ...uniform, shape: [2, 3] } },
  { op: 'RandomUniformLike', shows: 'the shape of its input', inputs: [{ shape: [2, 3] }], attributes: uniform },
]
