/** Models that take integers: samples are rounded on their way in, and gradients pass straight through the rounding. */
import { describe, expect, it } from 'vitest'
import { compileGraph } from '../../test/support/models.js'
import { GraphBuilder } from '../onnx/build.js'
import type { DataType } from '../tensor/tensor.js'
import { float32 } from '../tensor/tensor.js'

/** logits = W x for x of the given type. */
function graphOf(dtype: DataType) {
  const b = new GraphBuilder('whole')
  const x = b.input('x', dtype, [1, 3])
  const w = b.constant(float32([1, 2, 4, -1, -2, -4], [2, 3]))
  b.output(
    b.gemm(b.cast(b.transpose(b.transpose(x, [1, 0]), [1, 0]), 'float32'), w, undefined, { transB: true }),
    'logits',
  )
  return b.build()
}

describe.each([
  { dtype: 'uint8', sample: [3.4, 300, -2.6], taken: [3, 255, 0], gradient: [-2, 0, 0] },
  { dtype: 'int32', sample: [3.5, 300, -2.6], taken: [4, 300, -3], gradient: [-2, -4, -8] },
] as const)('an input of $dtype', ({ dtype, sample, taken, gradient }) => {
  it('is rounded and held in its range', async () => {
    await using model = await compileGraph(graphOf(dtype), 3, 2, ['margin'])
    model.inputs.set(sample)
    const expected = taken[0] + 2 * taken[1] + 4 * taken[2]
    const row = { loss: 'margin', label: 0 } as const
    const answer = await model.gradients([row, row])
    expect([...answer.logits.subarray(0, 2)]).toEqual([expected, -expected])
    expect([...answer.gradients.subarray(0, 3)].map(value => value + 0)).toEqual(gradient)
  })
})
