import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { failure, filesIn, opened } from './fixtures.test-support.js'

const shared = fileURLToPath(new URL('../../../shared/assets/data/cifar10/', import.meta.url))
const present = existsSync(shared)
if (!present) console.log('skipped: CIFAR-10 itself, because ../shared/assets is not there')

/** One picture whose three channels are levels 10, 20 and 30. */
const record = (...labels: number[]) =>
  Buffer.from([...labels, ...[10, 20, 30].flatMap(level => new Array<number>(1024).fill(level))])

describe.skipIf(!present)('CIFAR-10 itself', () => {
  test('the labels are the published ones, the pixels the bytes', async () => {
    const path = `${shared}test_batch_first1000.bin`
    const dataset = await opened(path)
    expect(dataset).toMatchObject({ count: 1000, sampleShape: [3, 32, 32], kind: 'image', layout: 'CHW' })
    const published = JSON.parse(readFileSync(`${shared}cifar10_labels.json`, 'utf8')) as { labels: number[] }
    expect([...(await dataset.read(0, 1000)).labels]).toEqual(published.labels.slice(50_000))
    const { inputs } = await dataset.read(998, 999)
    const stored = readFileSync(path).subarray(998 * 3073 + 1, 999 * 3073)
    expect(inputs).toEqual(Float32Array.from(stored, level => level / 255))
  })
})

test('CIFAR-10 and CIFAR-100 are told apart by the size of a record', async () => {
  const ten = await opened(await filesIn({ 'a.bin': Buffer.concat([record(3), record(9)]) }))
  expect(ten.classNames?.[9]).toBe('truck')
  const { inputs, labels } = await ten.read(1, 2)
  expect([labels[0], inputs[0], inputs[1024], inputs[3071]]).toEqual([
    9,
    ...[10, 20, 30].map(level => Math.fround(level / 255)),
  ])

  const hundred = await filesIn({ 'b.bin': record(19, 99) })
  expect((await (await opened(hundred)).read(0, 1)).labels[0]).toBe(99)
  const coarse = await opened(hundred, { cifar: 'cifar100-coarse' })
  expect(await coarse.read(0, 1)).toEqual({ inputs: inputs, labels: Int32Array.of(19) })
})

test('a size that fits both is refused until one is chosen', async () => {
  const path = await filesIn({ 'a.bin': Buffer.alloc(3073 * 3074) })
  expect(await failure(path)).toMatchObject({ code: 'data-invalid', hint: expect.stringContaining('cifar100-coarse') })
  expect((await opened(path, { cifar: 'cifar10' })).count).toBe(3074)
  expect((await opened(path, { cifar: 'cifar100' })).count).toBe(3073)
})

test.each<[string, Buffer, RegExp]>([
  ['cut off', record(3).subarray(0, 3000), /3000 bytes, which is no number of CIFAR records/],
  ['empty', Buffer.alloc(0), /0 bytes/],
  [
    'a label that CIFAR-10 does not have',
    Buffer.concat([record(3), record(10)]),
    /row 1 \(counting from 0\) has label 10/,
  ],
])('%s', async (_, content, message) => {
  const error = await failure(await filesIn({ 'a.bin': content }))
  expect(error.code).toBe('data-invalid')
  expect(error.message).toMatch(message)
})
