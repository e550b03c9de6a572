/** Run folders as crashes leave them. */
import { spawnSync } from 'node:child_process'
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join, resolve } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { temporaryFolder } from '../../test/support/digits.js'
import type { SampleRecord } from '../evaluate/record.js'
import type { EvaluationSpec } from '../evaluate/spec.js'
import { replaceFile } from './files.js'
import type { Manifest } from './manifest.js'
import { parseRecord, recordLine } from './records.js'
import { defaultRunFolder, openRunFolder } from './run-folder.js'

const hash = (digit: string) => digit.repeat(64)
const spec: EvaluationSpec = {
  model: { path: '/models/m.onnx', sha256: hash('a') },
  data: { path: '/data/d.npz', sha256: hash('b'), range: [100, 110], space: {} },
  threat: { norm: 'Linf', epsilon: 8 / 255, epsilonText: '8/255', box: [0, 1] },
  suite: 'custom',
  attacks: [{ name: 'pgd', options: { steps: 40, restarts: 1 } }],
  mode: 'cascade',
  seed: 0,
}
const manifest = (change: Partial<EvaluationSpec> = {}): Manifest => ({
  format: 1,
  tool: { name: 'robustly', version: '0.1.0' },
  created: '2026-01-31T12:00:00.000Z',
  spec: { ...spec, ...change },
})
const record = (index: number, change: Partial<SampleRecord> = {}): SampleRecord => ({
  index,
  label: index % 10,
  prediction: index % 10,
  verdict: 'robust',
  attack: null,
  distance: null,
  margin: 1 / 3,
  adversarialPrediction: null,
  attempts: [
    { attack: 'pgd', status: 'exhausted', queries: { forward: 1, gradient: 40 }, zeroGradients: 0, distance: null },
  ],
  adversarial: null,
  error: null,
  ...change,
})
const open = (folder: string, resume = false, wanted = manifest()) => openRunFolder(folder, wanted, { resume })
const lines = (folder: string) => readFileSync(join(folder, 'records.jsonl'), 'utf8')

test('whatever the order, the interruptions and what a crash left: the same bytes', () => {
  const order = fc.shuffledSubarray(
    [...Array(10).keys()].map(at => at + 100),
    { minLength: 10 },
  )
  const cuts = fc.array(fc.integer({ min: 0, max: 10 }), { maxLength: 3 })
  const rubbish = fc.constantFrom(
    '',
    '{"index":',
    'null\n',
    '\0\0\0\n',
    `${recordLine(record(100)).slice(0, 90)}`,
    '{}\n{"ind',
  )
  const sorted = [...Array(10).keys()].map(at => recordLine(record(at + 100))).join('')
  fc.assert(
    fc.property(order, cuts, rubbish, (indices, places, left) => {
      const folder = join(temporaryFolder(), 'run')
      let run = open(folder)
      indices.forEach((index, at) => {
        if (places.includes(at)) {
          run.close()
          appendFileSync(join(folder, 'records.jsonl'), left)
          run = open(folder, true)
          expect(run.recorded).toBe(at)
        }
        expect(run.append(record(index))).toBe(true)
        expect(run.append(record(index, { margin: 7 }))).toBe(false)
      })
      run.sort()
      expect([...run.records()].map(each => each.index)).toEqual([...Array(10).keys()].map(at => at + 100))
      run.close()
      expect(lines(folder)).toBe(sorted)
    }),
    { numRuns: 30 },
  )
})

test('samples without a verdict are tried again, and an old result goes', () => {
  const folder = join(temporaryFolder(), 'run')
  const run = open(folder)
  run.append(record(100))
  run.append(record(101, { verdict: 'unknown', error: 'time limit' }))
  run.writeResult('{}')
  run.close()
  const again = open(folder, true)
  expect([again.has(100), again.has(101), again.recorded]).toEqual([true, false, 1])
  expect(existsSync(join(folder, 'result.json'))).toBe(false)
  again.close()
  expect(lines(folder)).toBe(recordLine(record(100)))
})

test('a record survives its line', () => {
  const odd = record(104, { error: 'a\u001b[31mb\nc', margin: Number.NaN, distance: 0.1 + 0.2, adversarial: 'AAAA' })
  const line = recordLine(odd)
  expect(line.endsWith('\n') && !line.slice(0, -1).includes('\n')).toBe(true)
  expect(parseRecord(line)).toEqual({ ...odd, error: 'ab c', margin: null })
  expect(parseRecord('{"index": -1}')).toBeUndefined()
  expect(parseRecord(`${'['.repeat(1e5)}`)).toBeUndefined()
})

test('resuming another run is refused, naming everything that differs', () => {
  const folder = join(temporaryFolder(), 'run')
  open(folder).close()
  const other = manifest({
    seed: 1,
    threat: { ...spec.threat, epsilonText: '4/255' },
    model: { ...spec.model, sha256: hash('c') },
  })
  expect(() => open(folder, true, other)).toThrow(
    /model \(sha256\) was .* epsilon was "8\/255" and is now "4\/255".* seed was 0 and is now 1/,
  )
  expect(() => open(folder, true, manifest({ model: { ...spec.model, surrogates: 'off' } }))).toThrow(
    /surrogates was "on" and is now "off"/,
  )
  open(folder, true, manifest({ model: { ...spec.model, surrogates: 'on' } })).close()
  const reordered = manifest({ attacks: [{ name: 'pgd', options: { restarts: 1, steps: 40 } }] })
  open(folder, true, reordered).close()
  expect(() => open(folder, true, { ...manifest(), tool: { name: 'robustly', version: '0.0.9' } })).toThrow(
    'made by robustly 0.1.0',
  )
})

test.each([
  ['a run, without resume', { 'run.json': '{}' }, 'usage', 'holds a run already'],
  ['other files', { 'thesis.tex': '' }, 'usage', 'is not empty and holds no run'],
] as const)('a folder with %s is refused', (_, files, code, message) => {
  const folder = temporaryFolder()
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text)
  expect(() => open(folder)).toThrow(expect.objectContaining({ code, message: expect.stringContaining(message) }))
  expect(readdirSync(folder)).toEqual(Object.keys(files))
})

test.each([
  ['no JSON', 'PK\u0003'],
  ['another format', '{"format": 2}'],
  ['a hash that is none', JSON.stringify(manifest({ model: { path: '/m', sha256: '../../etc' } }))],
  ['an empty range', JSON.stringify(manifest({ data: { ...spec.data, range: [5, 5] } }))],
  ['deep nesting', '['.repeat(1e6)],
])('a manifest with %s is refused', (_, text) => {
  const folder = temporaryFolder()
  writeFileSync(join(folder, 'run.json'), text)
  expect(() => open(folder, true)).toThrow(expect.objectContaining({ code: 'run-unreadable' }))
})

test.each([
  ['is a file', 'file'],
  ['lies below a file', 'file/run'],
  ['lies where nothing can be written', '/proc/robustly/run'],
])('a run folder that %s: an error that says so', (_, place) => {
  const base = temporaryFolder()
  writeFileSync(join(base, 'file'), '')
  expect(() => open(resolve(base, place))).toThrow(expect.objectContaining({ code: 'output-unwritable' }))
})

test('a folder in use is refused; a lock whose owner is gone is taken over', () => {
  const folder = temporaryFolder()
  const run = open(join(folder, 'a'))
  expect(() => open(join(folder, 'a'), true)).toThrow(expect.objectContaining({ code: 'run-locked' }))
  run.close()
  expect(readdirSync(join(folder, 'a')).sort()).toEqual(['records.jsonl', 'run.json'])

  const { pid } = spawnSync(process.execPath, ['--version'])
  const lock = (owner: unknown) => {
    mkdirSync(join(folder, 'b'), { recursive: true })
    writeFileSync(join(folder, 'b', 'lock'), typeof owner === 'string' ? owner : JSON.stringify(owner))
  }
  const stale = [
    { pid, host: hostname(), started: null },
    { pid: process.pid, host: hostname(), started: 'the process before this one of the same id' },
    '',
    '{"pid":',
  ]
  for (const owner of stale) {
    lock(owner)
    open(join(folder, 'b'), true).close()
    expect(existsSync(join(folder, 'b', 'lock'))).toBe(false)
  }
  lock({ pid: 1, host: 'another.machine', started: null })
  expect(() => open(join(folder, 'b'), true)).toThrow('process 1 on another.machine')
})

test('a write that fails leaves the old file and no temporary one', () => {
  const folder = temporaryFolder()
  const path = join(folder, 'result.json')
  writeFileSync(path, 'old')
  const full = () => {
    throw Object.assign(new Error('no space left'), { code: 'ENOSPC' })
  }
  expect(() =>
    replaceFile(path, write => {
      write(Buffer.from('half'))
      full()
    }),
  ).toThrow('the disk is full')
  expect(readFileSync(path, 'utf8')).toBe('old')
  expect(readdirSync(folder)).toEqual(['result.json'])
})

test('names of new folders are safe and say what they hold', () => {
  const now = new Date('2026-01-31T12:34:56.789Z')
  expect(defaultRunFolder('my model (1).onnx', now)).toBe(join('runs', '2026-01-31T12-34-56Z-my_model_1_'))
  expect(defaultRunFolder('../../../etc/x.onnx', now)).not.toContain('/etc')
})
