import { readdir, readFile, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, onTestFinished, test } from 'vitest'
import { float32, int64, type TensorOf } from '../tensor/tensor.js'
import {
  failure,
  filesIn,
  float32Npy,
  int64Npy,
  opened,
  surviveDamage,
  temporaryFolder,
  type ZipItem,
  zipFile,
} from './fixtures.test-support.js'
import { writeNpz } from './npz-write.js'

const x = float32Npy([0, 0.25, 0.5, 1], [2, 2])
const y = int64Npy([3, 1])
const pair = (change: Partial<ZipItem> = {}): ZipItem[] => [
  { name: 'x.npy', data: x, ...change },
  { name: 'y.npy', data: y },
]
const npz = (items: readonly ZipItem[], entryCount?: number) => filesIn({ 'data.npz': zipFile(items, entryCount) })

/** Temporary files of this test go here; what is still visible is returned by the function. */
async function watchTemporaryFiles(): Promise<() => Promise<string[]>> {
  const folder = await temporaryFolder()
  const before = process.env.TMPDIR
  process.env.TMPDIR = folder
  onTestFinished(() => {
    if (before === undefined) delete process.env.TMPDIR
    else process.env.TMPDIR = before
  })
  return () => readdir(folder)
}

test.each([false, true])('x and y are read by ranges (deflated: %s)', async deflate => {
  const dataset = await opened(await npz(pair({ deflate })))
  expect(dataset).toMatchObject({ name: 'data.npz', count: 2, sampleShape: [2], kind: 'features' })
  expect(await dataset.read(1, 2)).toEqual({ inputs: Float32Array.of(0.5, 1), labels: Int32Array.of(1) })
  expect(await dataset.read(0, 0)).toEqual({ inputs: new Float32Array(), labels: new Int32Array() })
  expect(await dataset.hash()).toMatch(/^[0-9a-f]{64}$/)
})

test('what is written is read back, whatever the shape and the values', async () => {
  const path = join(await temporaryFolder(), 'data.npz')
  const finite = fc.float({ noNaN: true, noDefaultInfinity: true })
  const sizes = fc.tuple(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 6 }))
  const arrays = sizes.chain(([rows, width]) =>
    fc.tuple(
      fc.constant([rows, width]),
      fc.array(finite, { minLength: rows * width, maxLength: rows * width }),
      fc.array(fc.nat(0x7fffffff), { minLength: rows, maxLength: rows }),
    ),
  )
  await fc.assert(
    fc.asyncProperty(arrays, async ([shape, inputs, labels]) => {
      const tensor: TensorOf<'int32'> = { dtype: 'int32', shape: [labels.length], data: Int32Array.from(labels) }
      await writeNpz(path, { y: tensor, x: float32(inputs, shape), note: int64([1]) })
      const dataset = await opened(path)
      expect(await dataset.read(0, shape[0]!)).toEqual({ inputs: Float32Array.from(inputs), labels: tensor.data })
      await dataset.close()
    }),
    { numRuns: 40 },
  )
  expect(await readdir(dirname(path))).toEqual(['data.npz'])
})

test('the same arrays are written as the same bytes', async () => {
  const folder = await temporaryFolder()
  for (const name of ['a.npz', 'b.npz']) await writeNpz(join(folder, name), { x: float32([1, 2]), y: int64([0]) })
  expect(await readFile(join(folder, 'a.npz'))).toEqual(await readFile(join(folder, 'b.npz')))
})

describe('compressed arrays', () => {
  test('their temporary files have no name once they are open, and several openings do not meet', async () => {
    const temporary = await watchTemporaryFiles()
    const path = await npz(pair({ deflate: true }))
    const datasets = await Promise.all(Array.from({ length: 8 }, () => opened(path)))
    if (process.platform !== 'win32') expect(await temporary()).toEqual([basename(dirname(path))])
    for (const dataset of datasets) expect((await dataset.read(0, 2)).inputs).toEqual(Float32Array.of(0, 0.25, 0.5, 1))
    await Promise.all(datasets.map(dataset => dataset.close()))
    expect(await temporary()).toEqual([basename(dirname(path))])
    await datasets[0]!.close()
  })

  test('a temporary folder that is not there is said', async () => {
    const path = await npz(pair({ deflate: true }))
    await watchTemporaryFiles()
    process.env.TMPDIR = '/nowhere/at/all'
    expect(await failure(path)).toMatchObject({ code: 'data-unreadable', hint: expect.stringContaining('TMPDIR') })
  })
})

describe('keys', () => {
  const named = (...names: string[]) =>
    npz(names.map(name => ({ name: `${name}.npy`, data: /^[^y]*[yl]/i.test(name) && !/^test_im/.test(name) ? y : x })))
  test.each([
    [['x', 'y'], {}],
    [['X', 'Y'], {}],
    [['images', 'labels'], {}],
    [['inputs', 'labels'], {}],
    [['x_test', 'y_test'], {}],
    [['x_train', 'y_train'], {}],
    [['x_train', 'y_train', 'x_test', 'y_test'], {}],
    [['x_train', 'y_train', 'x_test', 'y_test'], { split: 'train' as const }],
    [['adversarial', 'y'], { keys: { inputs: 'adversarial' } }],
  ])('%j with %j', async (names, options) => {
    const items = names.map(name => ({ name: `${name}.npy`, data: /^(y|labels)/i.test(name) ? y : x }))
    expect((await opened(await npz(items), options)).count).toBe(2)
  })

  test('PATH:train reads the other part', async () => {
    const items = ['x_train', 'x_test', 'y_train', 'y_test'].map(name => ({
      name: `${name}.npy`,
      data: { x_train: float32Npy([7], [1, 1]), y_train: int64Npy([5]), x_test: x, y_test: y }[name]!,
    }))
    const path = await npz(items)
    expect((await (await opened(`${path}:train`)).read(0, 1)).labels).toEqual(Int32Array.of(5))
    expect((await opened(path)).count).toBe(2)
  })

  test.each<[string[], RegExp]>([
    [['x'], /no array with the labels \(y, labels, targets\); it has x/],
    [['y'], /no array with the samples .*; it has y/],
    [['x', 'images', 'y'], /several arrays that could be the samples: x, images/],
    [['a', 'b'], /it has a, b/],
    [[], /it has no arrays/],
  ])('%j is not clear', async (names, message) => {
    const error = await failure(await named(...names))
    expect(error.code).toBe('data-invalid')
    expect(error.message).toMatch(message)
  })
})

describe('bad input 27', () => {
  const zeros = (size: number) => Buffer.alloc(size)
  test.each<[string, () => readonly ZipItem[], string, RegExp]>([
    [
      'a name that climbs out',
      () => [...pair(), { name: '../../evil.npy', data: x }],
      'data-unsafe',
      /leads out.*\.\.\/\.\.\/evil/,
    ],
    [
      'a name that climbs with backslashes',
      () => [...pair(), { name: '..\\evil.npy', data: x }],
      'data-unsafe',
      /leads out/,
    ],
    ['an absolute name', () => [...pair(), { name: '/etc/evil.npy', data: x }], 'data-unsafe', /absolute/],
    ['a drive', () => [...pair(), { name: 'C:/evil.npy', data: x }], 'data-unsafe', /absolute/],
    [
      'two entries of a name',
      () => [...pair(), { name: 'x.npy', data: x }],
      'data-unsafe',
      /two entries called x\.npy/,
    ],
    [
      'encrypted',
      () => pair({ flags: 1, compressedSize: x.length + 12 }),
      'data-unsupported',
      /x in data\.npz is encrypted/,
    ],
    ['strongly encrypted', () => pair({ flags: 0x41 }), 'data-invalid', /encryption/],
    ['compressed with lzma', () => pair({ method: 14 }), 'data-unsupported', /method 14/],
    ['a bomb', () => pair({ data: zeros(64 * 2 ** 20), deflate: true }), 'data-unsafe', /1000 times/],
    ['larger than declared', () => pair({ deflate: true, size: 20 }), 'data-unsafe', /more than the limit of 20 bytes/],
    ['smaller than declared', () => pair({ deflate: true, size: 2000 }), 'data-invalid', /has \d+ bytes, not 2000/],
    ['declared as 4 GB', () => pair({ deflate: true, size: 0xfffffffe }), 'data-unsafe', /1000 times/],
    [
      'stored past the end',
      () => pair({ size: 10_000, compressedSize: 10_000 }),
      'data-invalid',
      /overflows file bounds/,
    ],
    ['two sizes for stored bytes', () => pair({ size: 10 }), 'data-invalid', /size mismatch/],
    ['a wrong checksum', () => pair({ deflate: true, crc: 1 }), 'data-invalid', /checksum/],
  ])('%s', async (_, items, code, message) => {
    const temporary = await watchTemporaryFiles()
    const path = await npz(items())
    const error = await failure(path)
    expect(error.code).toBe(code)
    expect(error.message).toMatch(message)
    // The fixture's own folder is below the watched one; nothing else may be there.
    expect(await temporary()).toEqual([basename(dirname(path))])
  })

  test.skipIf(process.platform !== 'linux')('openings that fail leave no file open', async () => {
    const paths = [
      await npz(pair({ deflate: true, crc: 1 })),
      await npz(pair({ deflate: true, size: 20 })),
      await npz([]),
    ]
    const openFiles = async () => (await readdir('/proc/self/fd')).length
    for (const path of paths) await failure(path)
    const before = await openFiles()
    for (let round = 0; round < 20; round++) for (const path of paths) await failure(path)
    expect(await openFiles()).toBeLessThan(before + 10)
  })

  test('a million entries are refused by their number', async () => {
    const path = await filesIn({ 'data.npz': zipFile(pair(), 0xfffe) })
    expect(await failure(path)).toMatchObject({
      code: 'data-unsafe',
      message: expect.stringContaining('65534 entries'),
    })
  })

  test('an archive of zip64 is read', async () => {
    const path = join(await temporaryFolder(), 'data.npz')
    await writeNpz(path, { x: float32([1, 2], [2, 1]), y: int64([0, 1]) })
    expect((await readFile(path)).includes(Buffer.from('PK\x06\x06', 'latin1'))).toBe(true)
    expect((await opened(path)).count).toBe(2)
  })

  test('inflating over the limit is refused with the way out', async () => {
    const error = await failure(await npz(pair({ deflate: true })), { limits: { inflatedBytes: 50 } })
    expect(error).toMatchObject({ code: 'data-unsafe', hint: expect.stringContaining('uncompressed') })
  })

  test.each<[string, Buffer | string]>([
    ['text', 'this is no archive'],
    ['empty', ''],
    ['cut off', zipFile(pair()).subarray(0, 200)],
  ])('%s', async (_, content) => {
    expect(await failure(await filesIn({ 'data.npz': content }))).toMatchObject({ code: 'data-invalid' })
  })

  test('a key with terminal escapes is shown without them', async () => {
    const error = await failure(await npz([{ name: '\x1b[31mx\u202e.npy', data: x, flags: 0x800 }]))
    expect(error.message).toMatch(/; it has x$/)
  })

  test('damaged archives end in a reading or a coded error', async () => {
    const path = await npz(pair())
    const replace = async (damaged: Buffer) => {
      await writeFile(path, damaged)
      return path
    }
    await surviveDamage(zipFile(pair()), replace)
    await surviveDamage(zipFile(pair({ deflate: true })), replace)
  })
})

describe('arrays for other inputs of the model', () => {
  const ids = int64Npy([7, 16_777_216, 9, 8], [2, 2])
  const weight = float32Npy([0.5, 1.5], [2])
  const several = (...more: ZipItem[]) => npz([...pair(), { name: 'ids.npy', data: ids }, ...more])

  test('stand side by side in the order in which they are named', async () => {
    const path = await several({ name: 'w.npy', data: weight })
    const dataset = await opened(`${path}:bind=weight=w,bind=ids`)
    const parts = [{ input: 'weight', shape: [] }, { input: 'ids', shape: [2] }] // biome-ignore format: one line
    expect(dataset).toMatchObject({
      sampleShape: [2],
      bound: { parts, example: Float32Array.of(0.5, 7, 16_777_216), last: Float32Array.of(1.5, 9, 8) },
    })
    const { bound } = await dataset.read(1, 2)
    expect(bound).toEqual(Float32Array.of(1.5, 9, 8))
    expect((await dataset.read(0, 2)).bound).toHaveLength(6)
    const hashes = await Promise.all(
      [path, `${path}:bind=ids`, `${path}:bind=i=ids`].map(async each => (await opened(each)).hash()),
    )
    expect(new Set([...hashes, await dataset.hash()]).size).toBe(4)
  })

  test.each([
    { said: ':bind=a=nothing', items: [], code: 'usage', message: /no array nothing; it has x, y, ids/ },
    { said: ':bind=ids,bind=ids=y', items: [], code: 'usage', message: /the input ids is bound to two arrays/ },
    { said: ':label=y', items: [], code: 'usage', message: /behind the path of an .npz stands label=y/ },
    {
      said: ':bind=w',
      items: [{ name: 'w.npy', data: float32Npy([1], [1]) }],
      code: 'data-invalid',
      message: /1 samples and 2 labels/,
    },
    {
      said: ':bind=w',
      items: [{ name: 'w.npy', data: float32Npy([1, Number.NaN], [2]) }],
      code: 'data-invalid',
      message: /row 1 .* of w in .* has the value NaN/,
    },
    {
      said: ':bind=w',
      items: [{ name: 'w.npy', data: int64Npy([1, 16_777_217], [2]) }],
      code: 'data-unsupported',
      message: /row 1 .* has the value 16777217/,
    },
  ])('refuses $said: $message', async ({ said, items, code, message }) => {
    expect(await failure((await several(...items)) + said)).toMatchObject({
      code,
      message: expect.stringMatching(message),
    })
  })
})

describe('labels of another order', () => {
  const labelled = (labels: readonly number[]) =>
    npz([
      { name: 'x.npy', data: float32Npy(labels.map(Number), [labels.length, 1]) },
      { name: 'y.npy', data: int64Npy(labels) },
    ])

  test.each([
    { labels: [1, 3, 2], said: ':relabel=-1', expected: [0, 2, 1] },
    { labels: [0, 1], said: ':relabel=+1', expected: [1, 2] },
    { labels: [0, 1, 2, 0], said: ':relabel=2:0:1', expected: [2, 0, 1, 2] },
  ])('$labels with $said', async ({ labels, said, expected }) => {
    const path = await labelled(labels)
    const dataset = await opened(path + said)
    const { inputs, labels: read } = await dataset.read(0, labels.length)
    expect([...read]).toEqual(expected)
    expect([...inputs]).toEqual(labels)
    expect(await dataset.hash()).not.toBe(await (await opened(path)).hash())
  })

  test('names of classes move along', async () => {
    const path = await filesIn({ 'data.csv': 'a,animal\n1,cat\n2,dog\n3,cat\n' })
    expect((await opened(`${path}:relabel=1:0`)).classNames).toEqual(['dog', 'cat'])
    expect((await opened(`${path}:relabel=+1`)).classNames).toEqual(['0', 'cat', 'dog'])
  })

  test.each([
    { said: ':relabel=-1', message: /row 1 .* has the label 0, for which relabel= gives no class/ },
    { said: ':relabel=4:5', message: /row 0 .* has the label 2, for which/ },
    { said: ':relabel=1', message: /behind the path of an .npz stands relabel=1/ },
    { said: ':relabel=0.5:1', message: /stands relabel=0.5:1/ },
  ])('refuses $said', async ({ said, message }) => {
    expect((await failure((await labelled([2, 0])) + said)).message).toMatch(message)
  })
})
