/** Evaluations of a model that draws at random: verdicts by the majority of draws, and a replay that tests them. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { mnist } from '../../test/support/assets.js'
import { digitModel, temporaryFolder } from '../../test/support/digits.js'
import type { SampleRecord } from '../evaluate/record.js'
import type { GraphBuilder, Value } from '../onnx/build.js'
import { type EvaluateOptions, evaluate } from './evaluate.js'
import { linesOf, parseRecord, recordLine } from './records.js'
import { replay } from './replay.js'

const recordsOf = (folder: string) =>
  [...linesOf(join(folder, 'records.jsonl'))].map(({ text }) => parseRecord(text) as SampleRecord)

/** Adds noise to the scores: of a strength that now and then turns the answer for a clean digit. */
const noisy =
  (scale: number) =>
  (b: GraphBuilder, logits: Value): Value =>
    b.add(
      logits,
      b.emit('RandomNormalLike', [logits], { scale }, [{ dtype: 'float32', shape: logits.shape }], ['noise'])[0]!,
    )

const run = (folder: string, name: string, options: Partial<EvaluateOptions>) =>
  evaluate({
    model: join(folder, 'digits.onnx'),
    data: mnist,
    epsilon: '0.03',
    samples: [0, 60],
    processes: 1,
    batch: 16,
    run: join(folder, name),
    ...options,
  })

test('one lucky draw breaks nothing, and the result says how it was decided', async () => {
  const folder = temporaryFolder()
  const plain = { attacks: [{ name: 'uniform-noise', options: { repeats: 50 } }], epsilon: '0' }
  await digitModel(folder, noisy(3))
  const { result, folder: path } = await run(folder, 'noisy', plain)
  expect(result).toMatchObject({ randomised: true, draws: 100 })
  expect(result.warnings.join()).toContain('most of 100 draws')
  // Within no distance at all, every further draw is one more chance: one that counted would break nearly all.
  const single = (await run(folder, 'single', { ...plain, draws: 1 })).result
  expect(single.warnings.join()).toContain('One draw decides little')
  expect(single.accuracy.robust.correct).toBeLessThan(result.accuracy.robust.correct - 5)
  expect(result.accuracy.robust.correct).toBeGreaterThan(result.accuracy.standard.correct - 3)
  for (const { verdict, wrongDraws } of recordsOf(path)) {
    expect(wrongDraws! > 50).toBe(verdict === 'broken')
  }
})

test('a replay draws anew, confirms what holds and refutes what does not', async () => {
  const folder = temporaryFolder()
  await digitModel(folder, noisy(3))
  const { folder: path, result } = await run(folder, 'a', {
    attacks: [{ name: 'apgd-ce', options: { eot: 20, steps: 10 } }],
    samples: [0, 120],
  })
  expect(result.warnings.join()).not.toMatch(/single draw/)
  const records = recordsOf(path)
  const broken = records.filter(({ attack }) => attack !== null)
  expect(broken.length).toBeGreaterThanOrEqual(4)
  const findings = await replay(path)
  // Its own test refutes a true verdict once in a hundred runs.
  expect(findings.confirmedAdversarial).toBeGreaterThanOrEqual(broken.length - 1)
  expect(findings).toMatchObject({ test: { draws: 200, level: 0.01 } })
  const robust = records.reduce((a, b) => (b.verdict === 'robust' && b.margin! > a.margin! ? b : a))
  const changes = new Map<number, Partial<SampleRecord>>([
    [robust.index, { verdict: 'broken', distance: 0, wrongDraws: 100 }],
    [broken[0]!.index, { wrongDraws: 50 }],
    [broken[1]!.index, { wrongDraws: undefined }],
    [broken[2]!.index, { wrongDraws: 101 }],
  ])
  writeFileSync(
    join(path, 'records.jsonl'),
    records.map(record => recordLine({ ...record, ...changes.get(record.index) })).join(''),
  )
  const again = await replay(path)
  expect(again.refutations.map(({ index }) => index)).toEqual(expect.arrayContaining([...changes.keys()]))
})

test('attacks by single gradients get a warning; so does rand without randomness', async () => {
  const folder = temporaryFolder()
  await digitModel(folder, noisy(1))
  const few = { samples: [0, 3] as const }
  const { result } = await run(folder, 'a', { ...few, suite: 'quick' })
  expect(result.warnings.join()).toMatch(/apgd-ce took each gradient from a single draw.*--suite rand/)
  await digitModel(folder)
  const other = (await run(folder, 'b', { ...few, suite: 'rand' })).result
  expect(other.randomised).toBeUndefined()
  expect(other.warnings.join()).toContain('always gives the same answer')
})
