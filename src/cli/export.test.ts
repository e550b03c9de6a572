/** `export` on a real run: arrays, pictures, and what rounding to 8 bits leaves of them. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse as parseCsv } from 'csv-parse/sync'
import { decode } from 'fast-png'
import { expect, test } from 'vitest'
import { mnist } from '../../test/support/assets.js'
import { cli, digitModel, temporaryFolder } from '../../test/support/digits.js'
import { openDataset } from '../data/dataset.js'
import { writeNpz } from '../data/npz-write.js'
import { float32, int64 } from '../tensor/tensor.js'

test('arrays and pictures, each marked whether it survives rounding, as the model says', async () => {
  const folder = temporaryFolder()
  await digitModel(folder)
  const run = (...words: string[]) => cli(words, { cwd: folder })
  // Examples at the boundary, some of which rounding puts back over it.
  const attack = ['--norm', 'L2', '--epsilon', '2', '--attack', 'ddn', '--samples', '0:40', '--processes', '1']
  const evaluated = await run('evaluate', 'digits.onnx', '--data', mnist, ...attack, '--quiet', '--run', 'r')
  expect(evaluated).toMatchObject({ code: 0 })

  const pictures = await run('export', 'r', '-o', 'pictures/', '--quiet')
  expect(pictures).toMatchObject({ code: 0, stderr: '' })
  const [count, survived, within] = [...pictures.stdout.matchAll(/\d+(?= adv| fool| of them)/g)].map(([text]) =>
    Number(text),
  )
  const rows = parseCsv(readFileSync(join(folder, 'pictures', 'index.csv'), 'utf8'), { columns: true }) as Record<
    string,
    string
  >[]
  expect(rows).toHaveLength(count!)
  expect(readdirSync(join(folder, 'pictures'))).toHaveLength(count! + 1)
  const marked = (column: string) => rows.filter(row => row[column] === 'true').length
  expect([marked('survives_rounding'), marked('rounded_within_epsilon')]).toEqual([survived, within])
  expect(survived).toBeGreaterThan(0)
  expect(survived).toBeLessThan(count!)

  // The pictures again as data: what still fools the model is misclassified there, and nothing else is.
  const pixels = rows.map(({ file }) => decode(readFileSync(join(folder, 'pictures', file!))))
  for (const { width, height, channels, depth } of pixels)
    expect([width, height, channels, depth]).toEqual([28, 28, 1, 8])
  const x = Float32Array.from(pixels.flatMap(({ data }) => Array.from(data, byte => byte / 255)))
  const y = int64(rows.map(({ label }) => Number(label)))
  await writeNpz(join(folder, 'rounded.npz'), { x: float32(x, [count!, 1, 28, 28]), y })
  const again = await run(
    'evaluate',
    'digits.onnx',
    '--data',
    'rounded.npz',
    '--epsilon',
    '0',
    '--attack',
    'fgsm',
    '--force',
    '--json',
    '--quiet',
  )
  expect(JSON.parse(again.stdout)).toMatchObject({ accuracy: { standard: { correct: count! - survived!, count } } })

  expect(await run('export', 'r', '-o', 'a.npz', '--quiet')).toMatchObject({ code: 0 })
  const arrays = await openDataset(join(folder, 'a.npz'))
  expect([arrays.count, arrays.sampleShape]).toEqual([count, [1, 28, 28]])
  const original = await openDataset(mnist)
  const first = Number(rows[0]!.index)
  expect((await arrays.read(0, 1)).inputs).toEqual((await original.read(first, first + 1)).inputs)
  await arrays.close()
  await original.close()
  const names = readFileSync(join(folder, 'a.npz')).toString('latin1')
  for (const name of ['adversarial', 'prediction', 'index', 'survives_rounding']) expect(names).toContain(`${name}.npy`)

  expect(await run('export', 'r', '-o', 'pictures/')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('is not empty'),
  })
  expect(await run('export', 'r', '-o', 'a.png')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('-o NAME/'),
  })
  writeFileSync(join(folder, 'digits.onnx'), 'another')
  expect(await run('export', 'r', '-o', 'other/', '--quiet')).toMatchObject({ code: 3, stdout: '' })
})

test('a run without examples, and no run', async () => {
  const folder = temporaryFolder()
  await digitModel(folder)
  const run = (...words: string[]) => cli(words, { cwd: folder })
  await run('evaluate', 'digits.onnx', '--data', mnist, '--epsilon', '0', '--samples', '0:10', '--quiet', '--run', 'r')
  expect(await run('export', 'r', '-o', 'a.npz', '--quiet')).toMatchObject({
    code: 3,
    stderr: expect.stringContaining('no adversarial example'),
  })
  mkdirSync(join(folder, 'empty'))
  expect(await run('export', 'empty', '-o', 'a.npz')).toMatchObject({
    code: 3,
    stderr: expect.stringContaining('not a run folder'),
  })
})
