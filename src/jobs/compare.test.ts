/** Which runs are about the same question: the constraints of features count with all they say. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { temporaryFolder } from '../../test/support/digits.js'
import { linearGraph } from '../../test/support/models.js'
import { encodeModel } from '../onnx/codec/index.js'
import { compare } from './compare.js'
import { evaluate } from './evaluate.js'

test('runs under constraints that differ in a radius alone are not compared', async () => {
  const folder = temporaryFolder()
  const model = join(folder, 'linear.onnx')
  const weights = [
    [1, 1],
    [-1, -1],
  ]
  writeFileSync(model, encodeModel(linearGraph(weights, [0, 0])))
  const data = join(folder, 'data.csv')
  writeFileSync(data, 'age,limit,class\n2,1,0\n1,3,0\n-2,-1,1\n-1,-3,1\n')
  const run = async (name: string, features: object, more: object = {}) => {
    const constraints = join(folder, `${name}.json`)
    writeFileSync(constraints, JSON.stringify({ features }))
    const options = { model, data, epsilon: '0.5', constraints, attacks: [{ name: 'fgsm', options: {} }], processes: 1 }
    const { result } = await evaluate({ ...options, run: join(folder, name), ...more })
    return result
  }
  const three = await run('three', { age: { immutable: true }, limit: { epsilon: 3 } })
  await run('two', { age: { immutable: true }, limit: { epsilon: 2 } })
  const again = await run('again', { limit: { epsilon: 3 }, age: { immutable: true } })
  const [a, b, c] = ['three', 'two', 'again'].map(name => join(folder, name))
  expect(() => compare(a!, b!)).toThrow(
    expect.objectContaining({
      code: 'run-mismatch',
      message: expect.stringMatching(/for they differ in constraints \(sha256\): [0-9a-f]{16}… against [0-9a-f]{16}…$/),
    }),
  )
  expect(compare(a!, c!).robust.difference).toBe(0)
  expect(three.threat).toEqual(again.threat)
  // Read back from the run's own description, too.
  expect((await run('three', { age: { immutable: true }, limit: { epsilon: 3 } }, { resume: true })).threat).toEqual(
    three.threat,
  )
})
