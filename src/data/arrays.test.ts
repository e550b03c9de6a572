import { createHash } from 'node:crypto'
import { readFile, stat, truncate, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { checkLabels } from './dataset.js'
import { bytes, failure, filesIn, float32Npy, int64Npy, npyFile, opened } from './fixtures.test-support.js'

const uint8 = (values: readonly number[], shape: readonly number[]) =>
  npyFile({ descr: '|u1', shape, data: Uint8Array.from(values) })
const pair = (x: Buffer, y: Buffer) => filesIn({ 'x.npy': x, 'y.npy': y })

describe('what samples are', () => {
  const one = int64Npy([0])
  test.each<[string, Buffer, object, readonly number[]]>([
    [
      'uint8 CHW',
      uint8([0, 51, 255, 1], [1, 1, 2, 2]),
      { kind: 'image', layout: 'CHW', sampleShape: [1, 2, 2] },
      [0, 0.2, 1, 1 / 255],
    ],
    [
      'uint8 HWC',
      uint8([0, 51, 255, 0, 0, 0], [1, 2, 1, 3]),
      { kind: 'image', layout: 'HWC', sampleShape: [2, 1, 3] },
      [0, 0.2, 1, 0, 0, 0],
    ],
    ['uint8 HW', uint8([0, 255], [1, 1, 2]), { kind: 'image', layout: 'CHW', sampleShape: [1, 1, 2] }, [0, 1]],
    ['uint8 features', uint8([0, 255], [1, 2]), { kind: 'features', layout: undefined, sampleShape: [2] }, [0, 255]],
    ['float images', float32Npy([-1, 2], [1, 1, 1, 2]), { kind: 'image', sampleShape: [1, 1, 2] }, [-1, 2]],
    ['float series', float32Npy([-1, 2], [1, 1, 2]), { kind: 'features', sampleShape: [1, 2] }, [-1, 2]],
    [
      'uint16 images',
      npyFile({ descr: '<u2', shape: [1, 1, 1, 2], data: bytes(Uint16Array.of(65535, 257)) }),
      { kind: 'image' },
      [1, 257 / 65535],
    ],
  ])('%s', async (_, x, described, expected) => {
    const dataset = await opened(await pair(x, one))
    expect(dataset).toMatchObject({ ...described, count: 1, name: 'x.npy', classNames: undefined })
    expect((await dataset.read(0, 1)).inputs).toEqual(Float32Array.from(expected))
  })

  test('integers of no known white are refused as images and taken as features', async () => {
    const x = npyFile({ descr: '<i4', shape: [1, 1, 1, 2], data: bytes(Int32Array.of(0, 255)) })
    const path = await pair(x, one)
    expect(await failure(path)).toMatchObject({ code: 'data-unsupported', hint: expect.stringContaining('uint8') })
    expect((await (await opened(path, { kind: 'features' })).read(0, 1)).inputs).toEqual(Float32Array.of(0, 255))
  })

  test('every uint8 level is the float32 nearest to level / 255', async () => {
    const levels = Array.from({ length: 256 }, (_, level) => level)
    const dataset = await opened(await pair(uint8(levels, [1, 1, 16, 16]), one))
    expect([...(await dataset.read(0, 1)).inputs]).toEqual(levels.map(level => Math.fround(level / 255)))
  })
})

describe('bad input 25: labels', () => {
  const x = float32Npy([1, 2, 3], [3, 1])
  const floats = (...values: number[]) => npyFile({ descr: '<f8', shape: [3], data: bytes(Float64Array.from(values)) })
  test.each<[string, Buffer, string, RegExp]>([
    ['-1', int64Npy([0, 1, -1]), 'data-invalid', /row 2 \(counting from 0\) of y\.npy has the label -1/],
    ['fraction', floats(0, 1.5, 2), 'data-invalid', /row 1 .* 1\.5/],
    ['NaN', floats(Number.NaN, 1, 2), 'data-invalid', /row 0 .* NaN/],
    ['beyond 32 bits', int64Npy([0, 2 ** 40, 0]), 'data-invalid', /row 1 .* 1099511627776/],
    ['one-hot', float32Npy([1, 0, 0, 1, 1, 0], [3, 2]), 'data-unsupported', /\[3, 2\], which looks one-hot/],
    ['segmentation', uint8([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], [3, 2, 2]), 'data-unsupported', /\[3, 2, 2\]/],
    ['too few', int64Npy([0, 1]), 'data-invalid', /3 samples and 2 labels/],
    ['too many', int64Npy([0, 1, 2, 3]), 'data-invalid', /3 samples and 4 labels/],
  ])('%s', async (_, y, code, message) => {
    const error = await failure(await pair(x, y))
    expect(error.code).toBe(code)
    expect(error.message).toMatch(message)
  })

  test.each<[string, Buffer]>([
    ['floats that are integers', floats(0, 1, 2)],
    ['[N, 1]', int64Npy([0, 1, 2], [3, 1])],
    ['uint8', uint8([0, 1, 2], [3])],
    ['big endian', npyFile({ descr: '>i4', shape: [3], data: Buffer.of(0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2) })],
  ])('%s are read', async (_, y) => {
    expect((await (await opened(await pair(x, y))).read(0, 3)).labels).toEqual(Int32Array.of(0, 1, 2))
  })

  test('a label that the model has no class for is named with its row in the data set', () => {
    expect(() => checkLabels(Int32Array.of(0, 9), 10, 250)).not.toThrow()
    expect(() => checkLabels(Int32Array.of(0, 10), 10, 250)).toThrow(
      /row 251 \(counting from 0\) has label 10; the 10 classes are 0 to 9/,
    )
    expect(() => checkLabels([-1], 10, 0)).toThrow(/row 0 .* label -1/)
    expect(() => checkLabels([0.5], 10, 0)).toThrow(/label 0\.5/)
  })
})

test.each([Number.NaN, Infinity, -Infinity])('%d in the samples is an error with its row', async bad => {
  const path = await pair(float32Npy([0, 1, 2, 3, 4, bad], [3, 2]), int64Npy([0, 0, 0]))
  const dataset = await opened(path)
  expect([...(await dataset.read(0, 2)).inputs]).toEqual([0, 1, 2, 3])
  await expect(dataset.read(1, 3)).rejects.toThrow(
    `row 2 (counting from 0) of x.npy has the value ${bad} at position 1`,
  )
})

test('a float64 beyond float32 is an error, not infinity', async () => {
  const x = npyFile({ descr: '<f8', shape: [1, 1], data: bytes(Float64Array.of(1e300)) })
  expect((await failure(await pair(x, int64Npy([0])))).message).toMatch(/row 0 .* Infinity/)
})

test.each([
  [0, 4],
  [-1, 2],
  [2, 1],
  [0, 1.5],
  [Number.NaN, 1],
])('samples %d to %d of 3 cannot be read', async (start, end) => {
  const dataset = await opened(await pair(float32Npy([1, 2, 3], [3, 1]), int64Npy([0, 1, 2])))
  await expect(dataset.read(start, end)).rejects.toMatchObject({ code: 'usage' })
})

test('the hash follows the content and the names, as sha256sum would', async () => {
  const sha = (data: string | Buffer) => createHash('sha256').update(data).digest('hex')
  const path = await pair(float32Npy([1, 2], [2, 1]), int64Npy([0, 1]))
  const [x, y] = [await readFile(path), await readFile(join(dirname(path), 'y.npy'))]
  expect(await (await opened(path)).hash()).toBe(sha(`${sha(x)}  x.npy\n${sha(y)}  y.npy\n`))
})

test('a range is read from where it lies: 12 GB of samples cost what the range costs', async () => {
  const rows = 1_000_000
  const path = await pair(Buffer.alloc(0), npyFile({ descr: '|u1', shape: [rows], data: new Uint8Array(rows) }))
  const header = npyFile({ descr: '<f4', shape: [rows, 3, 32, 32], data: new Uint8Array() })
  await writeFile(path, header)
  await truncate(path, header.length + rows * 3072 * 4) // a hole: takes no space
  const dataset = await opened(path)
  const before = process.memoryUsage()
  const { inputs } = await dataset.read(rows - 10, rows)
  const after = process.memoryUsage()
  expect(inputs.length).toBe(10 * 3072)
  expect(after.arrayBuffers - before.arrayBuffers).toBeLessThan(2 ** 20)
})

test('a file that shrinks while it is open is noticed', async () => {
  const path = await pair(float32Npy([1, 2, 3], [3, 1]), int64Npy([0, 1, 2]))
  const dataset = await opened(path)
  await truncate(path, (await stat(path)).size - 2)
  await expect(dataset.read(0, 3)).rejects.toMatchObject({
    code: 'data-invalid',
    message: expect.stringMatching(/ends at byte/),
  })
})
