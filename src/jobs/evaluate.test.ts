/** Evaluations in real worker processes, on real digits; and what happens to them when workers do not live. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { mnist } from '../../test/support/assets.js'
import {
  childrenOf,
  digitData,
  digitModel,
  essence,
  failing,
  notFinite,
  temporaryFolder,
} from '../../test/support/digits.js'
import type { SampleRecord } from '../evaluate/record.js'
import { encodeFloats } from '../evaluate/record.js'
import { type EvaluateOptions, type EvaluationEvent, evaluate } from './evaluate.js'
import { linesOf, parseRecord, recordLine } from './records.js'
import { replay } from './replay.js'

const quick = { data: mnist, epsilon: '0.05', samples: [0, 64], processes: 1, batch: 16 } as const
const recordsOf = (folder: string) =>
  [...linesOf(join(folder, 'records.jsonl'))].map(({ text }) => parseRecord(text) as SampleRecord)

/** Options for a run in a folder of its own. */
const run = (folder: string, name: string, options: Partial<EvaluateOptions> = {}) =>
  evaluate({ ...quick, model: join(folder, 'digits.onnx'), run: join(folder, name), ...options })

test('the same bytes for any number of processes and any batch size', async () => {
  const folder = temporaryFolder()
  await digitModel(folder)
  await run(folder, 'a')
  await run(folder, 'b', { processes: 2, batch: 7 })
  await run(folder, 'c', { processes: 2, batch: 128, threads: 2 })
  const a = essence(join(folder, 'a'))
  expect(a.files).toEqual(['records.jsonl', 'result.json', 'run.json', 'times.json'])
  expect(essence(join(folder, 'b'))).toEqual(a)
  expect(essence(join(folder, 'c'))).toEqual(a)
  const { result } = await run(folder, 'd', { seed: 1 })
  expect(essence(join(folder, 'd')).records).not.toBe(a.records)
  expect(result.accuracy.standard.correct).toBeGreaterThan(40)
  expect(result.attacks[0]!.broken).toBeGreaterThan(5)
  expect(result.attacks[0]!.robustAfter).toBe(result.accuracy.robust.correct)
  expect(result.attacks[0]!.robustAfter).toBeGreaterThan(5)
})

test('attacks one after the other, or each on every sample', async () => {
  const folder = temporaryFolder()
  await digitModel(folder)
  const attacks = [
    { name: 'fgsm', options: {} },
    { name: 'pgd', options: { steps: 10 } },
  ]
  const cascade = (await run(folder, 'a', { attacks })).result
  const individual = (await run(folder, 'b', { attacks, individual: true })).result
  const correct = cascade.accuracy.standard.correct
  expect(cascade.attacks.map(attack => attack.attempted)).toEqual([correct, cascade.attacks[0]!.robustAfter])
  expect(individual.attacks.map(attack => attack.attempted)).toEqual([correct, correct])
  expect(individual.attacks[1]!.broken).toBeGreaterThanOrEqual(cascade.attacks[1]!.broken)
  expect(individual.accuracy).toEqual(cascade.accuracy)
  expect(cascade).toMatchObject({ suite: 'custom', mode: 'cascade' })
})

test('the time that is told counts every query of every attack', async () => {
  const folder = temporaryFolder()
  await digitModel(folder)
  const events: EvaluationEvent[] = []
  const attacks = [
    { name: 'apgd-t', options: { steps: 5 } },
    { name: 'square', options: { queries: 300 } },
  ]
  await run(folder, 'a', { attacks, samples: [0, 8], batch: undefined, onEvent: event => events.push(event) })
  const { chosen, mostSeconds, samples } = events.find(event => event.kind === 'chosen')!
  const { forward, gradient } = chosen.secondsPerQuery!
  // Nine targets, each asked about its start and five steps; the scores that choose the targets.
  expect(mostSeconds()).toBeCloseTo(samples * (9 * 6 * gradient + 301 * forward), 10)
})

test.skipIf(process.platform !== 'linux')('a worker that is killed or hangs changes nothing', async () => {
  const folder = temporaryFolder()
  await digitModel(folder)
  const attacks = [{ name: 'pgd', options: { steps: 300 } }]
  await run(folder, 'a', { attacks })
  const notices: string[] = []
  const before = new Set(childrenOf(process.pid))
  let hurt = 0
  const onEvent = (event: EvaluationEvent) => {
    if (event.kind === 'notice') notices.push(event.text)
    if (event.kind !== 'progress' || event.progress.done < 20 * (hurt + 1) || hurt === 2) return
    const worker = childrenOf(process.pid).find(pid => !before.has(pid))!
    process.kill(worker, hurt++ === 0 ? 'SIGKILL' : 'SIGSTOP')
  }
  await run(folder, 'b', { attacks, timeout: 5, onEvent })
  expect(notices.slice(0, 2)).toEqual([expect.stringContaining('crashed'), expect.stringContaining('no sign of life')])
  expect(essence(join(folder, 'b'))).toEqual(essence(join(folder, 'a')))
})

test.skipIf(process.platform !== 'linux')(
  'workers that all hang: an error, and a run that can be resumed',
  async () => {
    const folder = temporaryFolder()
    await digitModel(folder)
    await run(folder, 'a')
    const before = new Set(childrenOf(process.pid))
    const stop = setInterval(() => {
      for (const pid of childrenOf(process.pid)) if (!before.has(pid) && stopping) process.kill(pid, 'SIGSTOP')
    }, 20)
    let stopping = false
    const onEvent = (event: EvaluationEvent) => {
      if (event.kind === 'progress' && event.progress.done === 10) stopping = true
    }
    await expect(run(folder, 'b', { timeout: 1, onEvent })).rejects.toMatchObject({ code: 'time-limit' })
    clearInterval(stop)
    await run(folder, 'b', { resume: true })
    expect(essence(join(folder, 'b'))).toEqual(essence(join(folder, 'a')))
  },
)

test('a sample that fails inside ONNX Runtime is given up; the others are not', async () => {
  const folder = temporaryFolder()
  await digitModel(folder, failing(500))
  const data = await digitData(folder, 64, [20])
  const { result } = await run(folder, 'a', { data, processes: 2 })
  const records = recordsOf(join(folder, 'a'))
  expect(records.map(({ index }) => index)).toEqual([...Array(64).keys()])
  const lost = records.filter(({ verdict }) => verdict === 'unknown')
  expect(lost.map(({ index }) => index)).toEqual([20])
  expect(lost[0]).toMatchObject({ prediction: -1, error: expect.stringContaining('ONNX Runtime') })
  expect(result.unknown).toBe(1)
  expect(result.warnings.join()).toContain('without a verdict')
})

test('scores that are not finite: no verdict, a warning, not robust', async () => {
  const folder = temporaryFolder()
  await digitModel(folder, notFinite(500))
  const data = await digitData(folder, 40, [3, 5])
  const { result } = await run(folder, 'a', { data, samples: [0, 40], epsilon: '0' })
  const records = recordsOf(join(folder, 'a'))
  for (const index of [3, 5]) {
    expect(records[index]).toMatchObject({
      verdict: 'unknown',
      prediction: -1,
      error: expect.stringContaining('not finite'),
    })
  }
  expect(result.unknown).toBe(2)
  expect(result.accuracy.robust.correct).toBe(result.accuracy.standard.correct)
  expect(result.warnings.join()).toMatch(/2 samples without a verdict/)
})

test('samples outside of the box are not attacked, and say so', async () => {
  const folder = temporaryFolder()
  await digitModel(folder)
  const { result } = await run(folder, 'a', { samples: [0, 4], box: [0, 0.5] })
  expect(result.accuracy.standard.correct).toBeGreaterThan(0)
  expect(result).toMatchObject({
    unknown: result.accuracy.standard.correct,
    accuracy: { robust: { correct: 0 } },
    attacks: [{ attempted: 0 }],
  })
  expect(result.warnings.join()).toContain('outside of the box [0, 0.5]; --box says which values are valid')
})

test('a model that outgrows its memory ends with an error, and leaves no folder', async () => {
  const folder = temporaryFolder()
  const huge = [1, 784, 1000, 1000]
  await digitModel(folder, (b, logits, flat) => {
    const sum = b.reduceSum(b.expand(b.reshape(flat, [1, 784, 1, 1]), huge), [1, 2, 3], false)
    return b.add(logits, b.mul(b.reshape(sum, [1, 1]), b.scalar(0, 'float32')))
  })
  const failure = run(folder, 'a', { memoryLimit: 2 ** 30 })
  await expect(failure).rejects.toMatchObject({ code: 'memory-limit' })
  expect(() => readFileSync(join(folder, 'a', 'run.json'))).toThrow()
})

test('replay confirms a run, and refutes what was changed', async () => {
  const folder = temporaryFolder()
  const model = await digitModel(folder)
  const { folder: path } = await run(folder, 'a')
  const records = recordsOf(path)
  const broken = records.filter(({ attack }) => attack !== null)
  const misclassified = records.filter(({ verdict, attack }) => verdict === 'broken' && attack === null)
  const whole = { records: 64, expected: 64, damaged: 0 }
  expect(await replay(path)).toEqual({
    ...whole,
    confirmedAdversarial: broken.length,
    confirmedMisclassified: misclassified.length,
    withoutProof: 64 - broken.length - misclassified.length,
    refuted: 0,
    refutations: [],
  })

  const robust = records.find(({ verdict }) => verdict === 'robust')!
  const ones = encodeFloats(new Float32Array(784).fill(1))
  const changes = new Map<number, Partial<SampleRecord>>([
    [broken[0]!.index, { adversarial: ones }],
    [broken[1]!.index, { margin: broken[1]!.margin! * 1.01 }],
    [broken[2]!.index, { adversarial: broken[2]!.adversarial!.slice(0, 100) }],
    [broken[3]!.index, { label: (broken[3]!.label + 1) % 10 }],
    [robust.index, { verdict: 'broken', distance: 0 }],
    [misclassified[0]!.index, { margin: 0 }],
  ])
  const changed = records.map(record => recordLine({ ...record, ...changes.get(record.index) })).join('')
  writeFileSync(join(path, 'records.jsonl'), `${changed}{"index": 3}\n`)
  const findings = await replay(path)
  expect(findings).toMatchObject({ ...whole, refuted: 6, damaged: 1 })
  expect(findings.refutations.map(({ index }) => index).sort((a, b) => a - b)).toEqual(
    [...changes.keys()].sort((a, b) => a - b),
  )

  await digitModel(folder, (b, logits) => b.mul(logits, b.scalar(2, 'float32')), 'other')
  await expect(replay(path, { model: join(folder, 'other.onnx') })).rejects.toMatchObject({ code: 'run-mismatch' })
  await expect(replay(folder)).rejects.toMatchObject({ code: 'run-unreadable' })
  await expect(replay(path, { model: `${model}.gone` })).rejects.toMatchObject({ code: 'model-unreadable' })
})

test('a model that guesses is stopped, unless it is forced', async () => {
  const folder = temporaryFolder()
  await digitModel(folder, (b, logits) => b.neg(logits))
  await expect(run(folder, 'a')).rejects.toMatchObject({
    code: 'model-failed',
    message: expect.stringContaining('of the first 64 clean samples'),
    hint: expect.stringContaining('--mean'),
  })
  expect(() => readFileSync(join(folder, 'a', 'run.json'))).toThrow()
  const { result } = await run(folder, 'a', { force: true })
  expect(result.accuracy.standard.value).toBeLessThan(0.1)
})
