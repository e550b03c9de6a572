/** One run of attacks of minimum distance gives the whole security curve. */
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { mnist } from '../../test/support/assets.js'
import { digitModel, temporaryFolder } from '../../test/support/digits.js'
import { type EvaluateOptions, evaluate } from './evaluate.js'

test('the curve of a distance run is what runs at single radii give', async () => {
  const folder = temporaryFolder()
  const model = await digitModel(folder)
  const base = { model, data: mnist, norm: 'L2', samples: [0, 16], processes: 1, batch: 16 } as const
  const run = async (name: string, options: Partial<EvaluateOptions> & { epsilon: string }) =>
    (await evaluate({ ...base, run: join(folder, name), ...options })).result
  const attacks = ['ddn', 'fmn'].map(name => ({ name, options: {} }))
  const result = await run('a', { attacks, epsilon: '0.5' })
  const { curve, median, attacks: each, withoutDistance } = result.distances!
  expect(result.mode).toBe('individual')
  expect(withoutDistance).toBe(0)
  expect(each.map(({ found }) => found)).toEqual([result.accuracy.standard.correct, result.accuracy.standard.correct])
  for (const { optimality } of each) expect(optimality).toBeGreaterThan(0.9)
  expect(curve.find(({ epsilon }) => epsilon === 0)!.robust).toBe(result.accuracy.standard.value)
  expect(curve.find(({ epsilon }) => epsilon === 0.5)!.robust).toBe(result.accuracy.robust.value)

  const halfway = await run('b', { attacks, epsilon: String(median) })
  expect(halfway.accuracy.robust.value).toBe(curve.find(({ epsilon }) => epsilon === median)!.robust)
  // A cascade stops there: no distances.
  const stopped = await run('c', { attacks, epsilon: '0.5', individual: false })
  expect(stopped).toMatchObject({ mode: 'cascade', accuracy: result.accuracy })
  expect(stopped.distances).toBeUndefined()
})
