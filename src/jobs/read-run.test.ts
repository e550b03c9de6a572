/** Reports of real runs: what is read of a run folder, what is told of this machine, and what is missing. */
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { expect, test } from 'vitest'
import { cli, digitData, digitModel, temporaryFolder } from '../../test/support/digits.js'
import { numbersOf } from '../../web/data/columns.js'
import { openDataset } from '../data/dataset.js'
import { decodeFloats } from '../evaluate/record.js'
import { renderHtml } from '../report/html/render.js'
import { evaluate } from './evaluate.js'
import { galleryCount, readRun, usualGallery } from './read-run.js'
import { linesOf, parseRecord } from './records.js'

/** A run of 40 digits in a folder of its own. */
async function finishedRun(): Promise<{ folder: string; run: string; data: string }> {
  const folder = temporaryFolder()
  const model = await digitModel(folder)
  const data = await digitData(folder, 40, [])
  const run = join(folder, 'run of digits')
  await evaluate({ model, data, epsilon: '0.05', processes: 1, batch: 16, run })
  return { folder, run, data }
}

test('a finished run becomes columns, pictures and commands, without paths', async () => {
  const { folder, run, data } = await finishedRun()
  const { document, samples } = await readRun(run)
  const records = [...linesOf(join(run, 'records.jsonl'))].map(({ text }) => parseRecord(text)!)
  expect([...numbersOf(document.records!.label)]).toEqual(records.map(({ label }) => label))
  expect([...numbersOf(document.records!.margin)]).toEqual(records.map(({ margin }) => Math.fround(margin!)))
  const broken = records.flatMap(({ adversarial }, row) => (adversarial === null ? [] : [row]))
  expect([...numbersOf(document.gallery!.rows)]).toEqual(broken)
  expect(samples).toHaveLength(broken.length)

  // The pictures: clean pixels exactly, the largest change as the values have it.
  const dataset = await openDataset(data)
  const row = broken[0]!
  const { inputs } = await dataset.read(row, row + 1)
  await dataset.close()
  const bytes = Buffer.from(samples[0]!, 'base64')
  expect([...bytes.subarray(4, 788)]).toEqual([...inputs].map(value => Math.round(255 * value)))
  const changes = decodeFloats(records[row]!.adversarial!).map((value, i) => Math.abs(value - inputs[i]!))
  expect(bytes.readFloatLE(0)).toBeCloseTo(Math.max(...changes), 6)

  expect(document).toMatchObject({
    name: 'run of digits',
    command:
      'robustly evaluate digits.onnx --data digits.npz --samples 0:40 --norm Linf --epsilon 0.05 --box 0:1 --suite quick --seed 0',
    replay: "robustly replay 'run of digits'",
    gallery: { kind: 'image', shape: [1, 28, 28], shrunk: 1, withoutOriginals: null },
  })
  expect(renderHtml([{ document, samples }])).not.toContain(folder)
  expect((await readRun(run, { includePaths: true })).document.command).toContain(join(folder, 'digits.onnx'))
})

test('the gallery holds as many as asked for, and does without originals', async () => {
  const { folder, run, data } = await finishedRun()
  const { available } = (await readRun(run)).document.gallery!
  expect(available).toBeGreaterThan(5)
  expect((await readRun(run, { gallery: 3 })).samples).toHaveLength(3)
  expect((await readRun(run, { gallery: 'all' })).samples).toHaveLength(available)
  expect(await readRun(run, { gallery: 'none' })).toMatchObject({ document: { gallery: null }, samples: [] })

  const moved = join(folder, 'moved.npz')
  renameSync(data, moved)
  const without = await readRun(run)
  expect(without.document.gallery!.withoutOriginals).toContain('was not found')
  expect(Buffer.from(without.samples[0]!, 'base64')).toHaveLength(784)
  expect((await readRun(run, { data: moved })).document.gallery!.withoutOriginals).toBe(null)

  const other = await digitData(temporaryFolder(), 40, [3])
  await expect(readRun(run, { data: other })).rejects.toMatchObject({ code: 'run-mismatch' })
  writeFileSync(data, readFileSync(other))
  expect((await readRun(run)).document.gallery!.withoutOriginals).toContain('not the one that was attacked')
})

test('as many examples as a page can hold', () => {
  expect(galleryCount(undefined, 1000, 2000)).toBe(usualGallery.samples)
  expect(galleryCount(undefined, 1000, usualGallery.characters / 10)).toBe(10)
  expect(galleryCount(undefined, 1000, 2 * usualGallery.characters)).toBe(1)
  expect([galleryCount('all', 10_000, 2000), galleryCount(50, 20, 2000)]).toEqual([10_000, 20])
  expect(() => galleryCount('all', 50_000, 100_000)).toThrow(/would take 5000 MB/)
})

test('what is no finished run is refused with a reason', async () => {
  const { folder, run } = await finishedRun()
  await expect(readRun(folder)).rejects.toMatchObject({ code: 'run-unreadable', message: /is not a run folder/ })
  const lines = readFileSync(join(run, 'records.jsonl'), 'utf8').split('\n')
  writeFileSync(join(run, 'records.jsonl'), lines.slice(1).join('\n'))
  await expect(readRun(run)).rejects.toMatchObject({ message: /holds 39 records, the result speaks of 40/ })
  writeFileSync(join(run, 'records.jsonl'), 'no record\n')
  await expect(readRun(run)).rejects.toMatchObject({ message: /is no record/ })
  writeFileSync(join(run, 'result.json'), '{}')
  await expect(readRun(run)).rejects.toMatchObject({ message: /published format/ })
  rmSync(join(run, 'result.json'))
  await expect(readRun(run)).rejects.toMatchObject({ hint: /--resume/ })
})

test('the command line writes reports of runs, and with an evaluation', async () => {
  const folder = temporaryFolder()
  await digitModel(folder)
  await digitData(folder, 20, [])
  const asked = [
    'evaluate',
    'digits.onnx',
    '--data',
    'digits.npz',
    '--epsilon',
    '0.05',
    '--processes',
    '1',
    '--batch',
    '8',
  ]
  const evaluated = await cli([...asked, '--run', 'a', '-o', 'a.html', '--quiet'], { cwd: folder })
  expect(evaluated).toMatchObject({ code: 0 })
  const reported = await cli(['report', 'a', '-o', 'b.html'], { cwd: folder })
  expect(reported).toMatchObject({ code: 0, stdout: '', stderr: expect.stringMatching(/^b\.html: \d\.\d MB/) })
  expect(readFileSync(join(folder, 'b.html'))).toEqual(readFileSync(join(folder, 'a.html')))
  expect(readFileSync(join(folder, 'a.html'), 'utf8')).not.toContain(basename(folder))
  expect(await cli(['report', 'a', 'a', '-o', 'c.html', '--gallery', '2'], { cwd: folder })).toMatchObject({ code: 0 })
  expect(await cli(['report', 'a', '-o', 'c.txt'], { cwd: folder })).toMatchObject({ code: 2 })
  expect(await cli(['report', 'missing', '-o', 'c.html'], { cwd: folder })).toMatchObject({ code: 3 })
})
