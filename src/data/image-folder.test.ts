import { execFileSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { failure, opened, pngFile, temporaryFolder } from './fixtures.test-support.js'

const shared = fileURLToPath(new URL('../../../shared/assets/data/pictures/', import.meta.url))
const present = existsSync(shared)
if (!present) console.log('skipped: folders of real pictures, because ../shared/assets is not there')

const gray = (level: number) => pngFile({ width: 2, height: 1, lines: [[level, 255]] })

async function tree(files: Readonly<Record<string, Uint8Array | string>>): Promise<string> {
  const root = await temporaryFolder()
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true })
    writeFileSync(join(root, name), content)
  }
  return root
}

test('folders in the order of their names are the classes, and files in the order of theirs the samples', async () => {
  const root = await tree({
    'dog/b.png': gray(3),
    'dog/a.png': gray(2),
    'cat/more/z.PNG': gray(1),
    'cat/notes.txt': 'not a picture',
    'cat/.hidden.png': 'not looked at',
    'README.md': 'no class',
  })
  const dataset = await opened(root)
  expect(dataset).toMatchObject({
    count: 3,
    sampleShape: [1, 1, 2],
    kind: 'image',
    layout: 'CHW',
    classNames: ['cat', 'dog'],
    decoder: undefined,
  })
  expect(await dataset.read(0, 3)).toEqual({
    inputs: Float32Array.from([1, 255, 2, 255, 3, 255], level => level / 255),
    labels: Int32Array.of(0, 1, 1),
  })
  expect((await dataset.read(1, 2)).labels).toEqual(Int32Array.of(1))
})

test('folders with numbers for names are those labels', async () => {
  const dataset = await opened(await tree({ '10/a.png': gray(1), '9/a.png': gray(2), '100/a.png': gray(3) }))
  expect((await dataset.read(0, 3)).labels).toEqual(Int32Array.of(9, 10, 100))
  expect(dataset.classNames).toBeUndefined()
  expect((await failure(await tree({ '1/a.png': gray(1), '01/a.png': gray(2) }))).message).toMatch(/same label/)
})

test('colours become planes', async () => {
  const root = await tree({ 'a/a.png': pngFile({ width: 2, height: 1, color: 2, lines: [[1, 2, 3, 4, 5, 6]] }) })
  const dataset = await opened(root)
  expect(dataset.sampleShape).toEqual([3, 1, 2])
  expect((await dataset.read(0, 1)).inputs).toEqual(Float32Array.from([1, 4, 2, 5, 3, 6], level => level / 255))
})

test('16 bits are divided by 65535', async () => {
  const root = await tree({ 'a/a.png': pngFile({ width: 1, height: 1, depth: 16, lines: [[0x01, 0x02]] }) })
  expect((await (await opened(root)).read(0, 1)).inputs).toEqual(Float32Array.of(0x0102 / 65535))
})

test('the hash depends on content, class and name', async () => {
  const variants: readonly Record<string, Buffer>[] = [
    { 'a/1.png': gray(1), 'b/2.png': gray(2) },
    { 'a/1.png': gray(1), 'b/2.png': gray(3) },
    { 'a/1.png': gray(1), 'c/2.png': gray(2) },
    { 'a/1.png': gray(1), 'b/3.png': gray(2) },
  ]
  const hashes = await Promise.all(variants.map(async files => (await opened(await tree(files))).hash()))
  expect(new Set(hashes).size).toBe(4)
})

describe.skipIf(!present)('real pictures', () => {
  test('CIFAR-10 as PNG and ImageNet as JPEG', async () => {
    for (const [set, shape] of [
      ['cifar10', [3, 32, 32]],
      ['imagenet', [3, 512, 512]],
    ] as const) {
      const root = await temporaryFolder()
      const names = readdirSync(shared).filter(name => new RegExp(`^${set}_0\\d_\\d+\\.`).test(name))
      for (const name of names) cpSync(shared + name, join(root, /_(\d+)\./.exec(name)![1]!, name), { recursive: true })
      const dataset = await opened(root)
      expect(dataset).toMatchObject({ count: 10, sampleShape: shape })
      const { inputs, labels } = await dataset.read(0, 10)
      expect(Math.max(...inputs.subarray(0, 3072))).toBeLessThanOrEqual(1)
      expect([...labels].every((label, row) => row === 0 || label >= labels[row - 1]!)).toBe(true)
      if (set === 'imagenet') expect(dataset.decoder).toMatch(/^sharp/)
    }
  })
})

describe('bad input 30 and 31', () => {
  test.each<[string, Record<string, Uint8Array | string>, string, RegExp]>([
    ['no pictures', { 'a/notes.txt': 'x' }, 'data-invalid', /no folders with pictures/],
    ['pictures without folders', { 'a.png': gray(1) }, 'data-invalid', /no folders with pictures/],
    [
      'another size',
      { 'a/1.png': gray(1), 'b/2.png': pngFile({ width: 1, height: 1, lines: [[1]] }) },
      'data-invalid',
      /b\/2\.png is 1 x 1 in gray, and a\/1\.png is 2 x 1 in gray/,
    ],
    [
      'another colour',
      { 'a/1.png': gray(1), 'b/2.png': pngFile({ width: 2, height: 1, color: 2, lines: [[1, 2, 3, 4, 5, 6]] }) },
      'data-invalid',
      /b\/2\.png is 2 x 1 in colour/,
    ],
    ['an empty file', { 'a/1.png': gray(1), 'a/2.png': '' }, 'data-invalid', /a\/2\.png is empty/],
    ['SVG', { 'a/1.svg': '<svg/>' }, 'data-unsupported', /a\/1\.svg is SVG/],
    ['a name with escapes', { 'a/\x1b[31m<img onerror>.png': '' }, 'data-invalid', /^a\/<img onerror>\.png is empty/],
    [
      '50 000 x 50 000',
      { 'a/1.png': pngFile({ width: 50_000, height: 50_000, lines: [] }) },
      'data-unsafe',
      /50000 x 50000/,
    ],
  ])('%s', async (_, files, code, message) => {
    const error = await failure(await tree(files))
    expect(error.code).toBe(code)
    expect(error.message).toMatch(message)
  })

  test('what is not verified on opening is found on reading', async () => {
    const root = await tree({ 'a/1.png': gray(1), 'a/2.png': pngFile({ width: 1, height: 1, lines: [[1]] }) })
    const dataset = await opened(root, { verify: false })
    expect((await dataset.read(0, 1)).labels).toEqual(Int32Array.of(0))
    await expect(dataset.read(0, 2)).rejects.toThrow(/a\/2\.png is 1 x 1/)
  })

  test('more files than allowed', async () => {
    const root = await tree({ 'a/1.png': gray(1), 'a/2.png': gray(2) })
    expect(await failure(root, { limits: { files: 1 } })).toMatchObject({ code: 'data-unsafe' })
  })

  test('links: into the folder allowed; out of it, to folders and in circles refused', async () => {
    const outside = await tree({ 'secret.png': gray(9) })
    const inside = await tree({ 'a/1.png': gray(1) })
    symlinkSync('1.png', join(inside, 'a', '2.png'))
    expect((await opened(inside)).count).toBe(2)
    for (const [target, name, message] of [
      [join(outside, 'secret.png'), '3.png', /a\/3\.png is a link that leads out of the folder/],
      [outside, 'out', /a\/out is a link that leads out/],
      ['..', 'loop', /a\/loop is a link to a folder/],
      ['4.png', '4.png', /cannot read a\/4\.png: its links lead in a circle/],
      ['missing.png', '5.png', /cannot read a\/5\.png: it does not exist/],
    ] as const) {
      const root = await tree({ 'a/1.png': gray(1) })
      symlinkSync(target, join(root, 'a', name))
      expect((await failure(root)).message).toMatch(message)
    }
  })

  test('the folder itself may be a link', async () => {
    const root = await tree({ 'a/1.png': gray(1) })
    const link = join(await temporaryFolder(), 'link')
    symlinkSync(root, link)
    expect(await opened(link)).toMatchObject({ name: 'link', count: 1 })
  })

  test.skipIf(process.platform !== 'linux')('a name that is not UTF-8, and a pipe called a picture', async () => {
    const root = await tree({ 'a/1.png': gray(1) })
    writeFileSync(Buffer.concat([Buffer.from(`${root}/a/`), Buffer.of(0xff, 0xfe), Buffer.from('.png')]), gray(1))
    expect(await failure(root)).toMatchObject({ code: 'data-unsupported', message: expect.stringContaining('UTF-8') })
    const piped = await tree({ 'a/1.png': gray(1) })
    execFileSync('mkfifo', [join(piped, 'a', '2.png')])
    expect(await failure(piped)).toMatchObject({ code: 'data-unsafe', message: 'a/2.png is no regular file' })
  })

  test('folders nested without end', async () => {
    const root = await tree({ [`a/${'d/'.repeat(30)}1.png`]: gray(1) })
    expect(await failure(root)).toMatchObject({
      code: 'data-unsafe',
      message: expect.stringContaining('16 folders deep'),
    })
  })
})
