/** Evaluations with surrogates and with universal perturbations, in real worker processes. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { mnist } from '../../test/support/assets.js'
import { digitModel, essence, type Twist, temporaryFolder } from '../../test/support/digits.js'
import type { SampleRecord } from '../evaluate/record.js'
import { type EvaluateOptions, evaluate } from './evaluate.js'
import { linesOf, parseRecord } from './records.js'
import { replay } from './replay.js'

const quick = { data: mnist, epsilon: '0.1', samples: [0, 48], processes: 1, batch: 16 } as const
const run = (folder: string, name: string, options: Partial<EvaluateOptions> = {}) =>
  evaluate({ ...quick, model: join(folder, 'digits.onnx'), run: join(folder, name), ...options })
const recordsOf = (folder: string) =>
  [...linesOf(join(folder, 'records.jsonl'))].map(({ text }) => parseRecord(text) as SampleRecord)

/** A way to the same classes with a gradient that is gone: logits rounded to whole numbers. */
const rounded: Twist = (b, logits) => b.cast(b.cast(b.mul(logits, b.scalar(4, 'float32')), 'int64'), 'float32')
const attacks = [
  { name: 'mi-fgsm', options: {} },
  { name: 'square', options: { queries: 20 } },
]

test('attacks by gradients run on the surrogate, the others on the model; all is judged on the model', async () => {
  const folder = temporaryFolder()
  await digitModel(folder, rounded)
  const surrogate = await digitModel(folder, undefined, 'surrogate')
  const other = await digitModel(folder, (b, logits) => b.mul(logits, b.scalar(2, 'float32')), 'other')
  const surrogates = [surrogate, other]
  const { result } = await run(folder, 'a', { attacks, surrogates })
  expect(result.surrogates?.map(({ file }) => file)).toEqual(['surrogate.onnx', 'other.onnx'])
  const [mi, square] = result.attacks
  expect(mi!.broken).toBeGreaterThan(5)
  expect(mi!.queries).toEqual({ forward: mi!.attempted, gradient: 0 })
  expect(mi!.transfer!.queries).toEqual({ forward: mi!.attempted, gradient: 10 * mi!.attempted })
  expect(mi!.transfer!.fooledSurrogate).toBeGreaterThanOrEqual(mi!.broken)
  expect(square!.transfer).toBeUndefined()
  // The same classes, up to ties that rounding makes.
  expect(result.accuracy.surrogate!.correct).toBeGreaterThanOrEqual(result.accuracy.standard.correct)
  expect(result.warnings.join()).toContain('mi-fgsm ran on 2 surrogates')
  expect(await replay(join(folder, 'a'))).toMatchObject({ refuted: 0, records: 48 })

  await run(folder, 'b', { attacks, surrogates, processes: 2, batch: 7 })
  expect(essence(join(folder, 'b'))).toEqual(essence(join(folder, 'a')))
  await expect(run(folder, 'a', { attacks, surrogates: [other], resume: true })).rejects.toMatchObject({
    code: 'run-mismatch',
    message: expect.stringContaining('surrogate models'),
  })
})

test('a surrogate takes samples in its own way, also where a perturbation is found on it for the whole run', async () => {
  const folder = temporaryFolder()
  const model = await digitModel(folder)
  const attacks = [{ name: 'uap-sgd', options: { samples: 24, epochs: 2 } }]
  const found = async (name: string, options: Partial<EvaluateOptions>) => {
    const { result } = await run(folder, name, { attacks, force: true, ...options })
    const predictions = recordsOf(join(folder, name)).map(({ surrogatePrediction }) => surrogatePrediction)
    return { result, predictions, change: readFileSync(join(folder, name, 'uap-sgd.npy')) }
  }
  const space = { mean: [0.5], std: [0.25] }
  const usual = await found('a', { surrogates: [model] })
  const own = await found('b', { ...space, surrogates: [{ model, mean: [0], std: [1] }] })
  expect(own.result.surrogates![0]!.space).toEqual({ mean: [0], std: [1] })
  expect(own.predictions).toEqual(usual.predictions)
  expect(own.change).toEqual(usual.change)
  const asModel = await found('c', { ...space, surrogates: [model] })
  expect(asModel.result.surrogates![0]).not.toHaveProperty('space')
  expect(asModel.predictions).not.toEqual(usual.predictions)
  await expect(
    run(folder, 'b', { attacks, force: true, ...space, surrogates: [model], resume: true }),
  ).rejects.toMatchObject({ code: 'run-mismatch', message: expect.stringContaining('how data enter surrogate models') })
})

test('surrogates that do not fit are refused before the run', async () => {
  const folder = temporaryFolder()
  await digitModel(folder)
  const two = await digitModel(folder, (b, logits) => b.slice(logits, [1], [0], [2]), 'two')
  const gone = join(folder, 'gone.onnx')
  const same = join(folder, 'digits.onnx')
  await expect(run(folder, 'a', { attacks, surrogates: [two] })).rejects.toMatchObject({
    code: 'config',
    message: expect.stringContaining('2 classes, the model has 10'),
  })
  await expect(run(folder, 'a', { attacks, surrogates: [gone] })).rejects.toMatchObject({
    code: 'model-unreadable',
    message: expect.stringMatching(/^surrogate gone\.onnx: /),
  })
  await expect(run(folder, 'a', { suite: 'transfer' })).rejects.toMatchObject({ code: 'usage' })
  await expect(run(folder, 'a', { attacks: [attacks[1]!], surrogates: [same] })).rejects.toMatchObject({
    code: 'usage',
    message: expect.stringContaining('no attack that would run on them'),
  })
})

test('a universal perturbation is one for all samples, whatever processes and batches, and is kept', async () => {
  const folder = temporaryFolder()
  await digitModel(folder)
  const options = { attacks: [{ name: 'uap-sgd', options: { samples: 24, batch: 8, epochs: 12 } }] }
  const { result } = await run(folder, 'a', options)
  const npy = readFileSync(join(folder, 'a', 'uap-sgd.npy'))
  const change = new Float32Array(Uint8Array.from(npy.subarray(npy.length - 4 * 784)).buffer)
  expect(Math.max(...change.map(Math.abs))).toBeCloseTo(0.1, 2)
  expect(result.attacks[0]!.broken).toBeGreaterThan(2)
  expect(result.warnings.join()).toContain('found on samples 0 to 23')
  // One gradient of each sample in a pass, and a look at each: once for the run, and kept for a sitting that has nothing left to do.
  const { preparation, queries } = result.attacks[0]!
  expect(queries).toEqual({ forward: result.attacks[0]!.attempted, gradient: 0 })
  expect(preparation!.queries.gradient).toBe(preparation!.queries.forward)
  expect(preparation!.queries.forward % 24).toBe(0)
  expect(preparation!.queries.forward).toBeGreaterThan(0)
  const asked = `${preparation!.queries.forward} forward and ${preparation!.queries.gradient} gradient queries`
  expect(result.warnings.join()).toContain(`found on samples 0 to 23 by ${asked}`)
  expect((await run(folder, 'a', { ...options, resume: true })).result.attacks[0]!.preparation).toEqual(preparation)

  await run(folder, 'b', { ...options, processes: 2, batch: 5 })
  expect(essence(join(folder, 'b')).records).toEqual(essence(join(folder, 'a')).records)
  expect(readFileSync(join(folder, 'b', 'uap-sgd.npy'))).toEqual(npy)
  for (const record of recordsOf(join(folder, 'a'))) {
    if (record.attack !== null) expect(record.attempts[0]!.queries).toEqual({ forward: 1, gradient: 0 })
  }
})
