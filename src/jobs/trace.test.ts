/** Searches done again, query by query: the very ones of the run, every query of them, and what the report makes of them. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { cli, digitData, digitModel, temporaryFolder } from '../../test/support/digits.js'
import { numbersOf } from '../../web/data/columns.js'
import type { SampleRecord } from '../evaluate/record.js'
import { type EvaluateOptions, evaluate } from './evaluate.js'
import { readRun } from './read-run.js'
import { linesOf, parseRecord } from './records.js'
import { readTraces, trace } from './trace.js'

// Several worker processes one after the other, on machines that may be busy.
vi.setConfig({ testTimeout: 240_000 })

const epsilon = 0.05

async function finishedRun(options: Partial<EvaluateOptions> = {}): Promise<{ run: string; records: SampleRecord[] }> {
  const folder = temporaryFolder()
  const model = await digitModel(folder)
  const data = await digitData(folder, 24, [])
  const run = join(folder, 'run')
  const attacks = [
    { name: 'square', options: { queries: 20 } },
    { name: 'apgd-ce', options: {} },
  ]
  await evaluate({ model, data, epsilon: String(epsilon), attacks, processes: 1, batch: 16, run, ...options })
  const records = [...linesOf(join(run, 'records.jsonl'))].map(({ text }) => parseRecord(text) as SampleRecord)
  return { run, records }
}

test('a trace holds every query of the search that the run made', async () => {
  const { run, records } = await finishedRun()
  const attacked = records.filter(({ attempts }) => attempts.length > 0)
  const broken = attacked.filter(({ attack }) => attack !== null)
  expect(broken.length).toBeGreaterThan(3)
  const traces = await trace(
    run,
    records.map(({ index }) => index),
  )
  expect(traces.map(({ index, reproduced }) => [index, reproduced])).toEqual(records.map(({ index }) => [index, true]))
  for (const { index, attempts, attack } of records) {
    const { attacks } = traces.find(trace => trace.index === index)!
    expect(attacks.map(({ attack, margin }) => [attack, margin.length])).toEqual(
      attempts.map(({ attack, queries }) => [attack, queries.forward + queries.gradient]),
    )
    attacks.forEach(({ margin, loss, distance }, at) => {
      expect(loss.filter(value => value !== null)).toHaveLength(attempts[at]!.queries.gradient)
      expect([loss.length, distance.length]).toEqual([margin.length, margin.length])
      for (const value of distance) expect(value).toBeLessThanOrEqual(epsilon + 1e-6)
      // A search ends with the first point that fools the model.
      expect(margin.slice(0, -1).every(value => value! > 0)).toBe(true)
      expect(margin.at(-1)! < 0).toBe(attempts[at]!.attack === attack)
    })
  }
  expect([...readTraces(run).values()].sort((a, b) => a.index - b.index)).toEqual(traces)
})

test('the report shows traced samples, whichever it would choose', async () => {
  const { run, records } = await finishedRun()
  const broken = records.filter(({ adversarial }) => adversarial !== null)
  const last = broken.at(-1)!
  await trace(run, [last.index])
  const { document, samples } = await readRun(run, { gallery: 1 })
  expect([...numbersOf(document.gallery!.rows)]).toEqual([broken[0]!, last].map(record => records.indexOf(record)))
  expect(samples).toHaveLength(2)
  const [first, shown] = document.gallery!.traces
  expect(first).toBe(null)
  expect(shown!.reproduced).toBe(true)
  expect(shown!.attacks.map(({ attack }) => document.result.attacks[attack]!.name)).toEqual(
    last.attempts.map(({ attack }) => attack),
  )
  const trail = shown!.attacks.at(-1)!
  expect(trail.queries).toBe(last.attempts.at(-1)!.queries.forward + last.attempts.at(-1)!.queries.gradient)
  expect(numbersOf(trail.query).at(-1)).toBe(trail.queries)
  expect(numbersOf(trail.margin).at(-1)).toBeLessThan(0)
})

test('what does not come to the record of the run says so, and what is no trace is no report', async () => {
  const { run, records } = await finishedRun({ attacks: [{ name: 'square', options: { queries: 50 } }] })
  const broken = records.find(({ attack }) => attack !== null)!
  const manifest = join(run, 'run.json')
  writeFileSync(manifest, readFileSync(manifest, 'utf8').replace('"seed": 0', '"seed": 1'))
  const ended = await cli(['replay', run, '--trace', String(broken.index)])
  expect([ended.code, ended.stdout]).toEqual([1, expect.stringContaining('ANOTHER record')])
  expect((await cli(['replay', run, '--trace', '99'])).stderr).toContain('no record of sample 99')
  expect((await cli(['replay', run, '--trace', '1,x'])).stderr).toContain('positions in the data')
  const [name] = readdirSync(join(run, 'traces'))
  writeFileSync(join(run, 'traces', name!), '{"format": 1, "index": "</script>"}')
  await expect(readRun(run)).rejects.toThrow(/is no trace of a sample/)
})
