import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { mnist } from '../../test/support/assets.js'
import { temporaryFolder } from '../../test/support/digits.js'
import type { RobustlyError } from '../errors.js'
import { evaluate } from './evaluate.js'
import { inspect } from './inspect.js'

const model = fileURLToPath(new URL('../../examples/models/mnist-cnn.onnx', import.meta.url))
const doubled = { mean: [8], std: [0.1] }

describe('the preflight', () => {
  it('names what mends the data when asked', { timeout: 60_000 }, async () => {
    const { data } = await inspect(model, { data: mnist, ...doubled })
    expect(data!.better[0]).toMatchObject({ option: 'no --mean and --std' })
  })
  it('stops an evaluation of a model at chance, with what mends it', { timeout: 60_000 }, async () => {
    const run = `${temporaryFolder()}/run`
    const error = await evaluate({ model, data: mnist, epsilon: '0.1', samples: [0, 128], ...doubled, run }).catch(
      (problem: RobustlyError) => problem,
    )
    expect(error).toMatchObject({
      code: 'model-failed',
      hint: expect.stringMatching(/normalised twice.*no --mean.*--force/),
    })
  })
})
