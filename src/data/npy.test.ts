import { rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { float32, int64, type Tensor } from '../tensor/tensor.js'
import {
  bytes,
  failure,
  filesIn,
  float32Npy,
  int64Npy,
  npyFile,
  opened,
  surviveDamage,
  temporaryFolder,
} from './fixtures.test-support.js'
import { parseHeader } from './npy-header.js'
import { writeNpy } from './npz-write.js'

/** Reads a [rows, width] array of features of any element type. */
async function values(x: Buffer, rows: number): Promise<number[]> {
  const dataset = await opened(await filesIn({ 'x.npy': x, 'y.npy': int64Npy(new Array<number>(rows).fill(0)) }))
  return [...(await dataset.read(0, rows)).inputs]
}

describe('element types', () => {
  const big = (write: (buffer: Buffer) => void, size: number) => {
    const buffer = Buffer.alloc(size)
    write(buffer)
    return buffer
  }
  test.each<[string, Buffer, readonly number[]]>([
    ['|b1', Buffer.of(0, 1, 1), [0, 1, 1]],
    ['|i1', Buffer.of(0xff, 0, 1), [-1, 0, 1]],
    ['|u1', Buffer.of(0xff, 0, 1), [255, 0, 1]],
    ['<i2', bytes(Int16Array.of(-2, 300, 0)), [-2, 300, 0]],
    ['<u2', bytes(Uint16Array.of(65535, 300, 0)), [65535, 300, 0]],
    ['>i2', Buffer.of(0xff, 0xfe, 0x01, 0x2c, 0, 0), [-2, 300, 0]],
    ['<i4', bytes(Int32Array.of(-70000, 70000, 0)), [-70000, 70000, 0]],
    ['<u4', bytes(Uint32Array.of(2 ** 31, 1, 0)), [2 ** 31, 1, 0]],
    ['<i8', bytes(BigInt64Array.of(-5n, 2n ** 40n, 0n)), [-5, 2 ** 40, 0]],
    ['<u8', bytes(BigUint64Array.of(2n ** 63n, 1n, 0n)), [2 ** 63, 1, 0]],
    ['<f2', bytes(Uint16Array.of(0x3c00, 0xc100, 0x0001)), [1, -2.5, 2 ** -24]],
    ['>f2', Buffer.of(0x3c, 0x00, 0xc1, 0x00, 0x7b, 0xff), [1, -2.5, 65504]],
    ['<f4', bytes(Float32Array.of(0.5, -1.25, 3)), [0.5, -1.25, 3]],
    ['=f4', bytes(Float32Array.of(0.5, -1.25, 3)), [0.5, -1.25, 3]],
    ['<f8', bytes(Float64Array.of(0.1, -1.25, 3)), [Math.fround(0.1), -1.25, 3]],
    [
      '>f8',
      big(
        buffer =>
          [0.1, -1.25, 3].forEach((value, at) => {
            buffer.writeDoubleBE(value, at * 8)
          }),
        24,
      ),
      [Math.fround(0.1), -1.25, 3],
    ],
  ])('%s', async (descr, data, expected) => {
    expect(await values(npyFile({ descr, shape: [3, 1], data }), 3)).toEqual(expected)
  })
})

test.each([1, 2, 3])('header version %i', async version => {
  const data = bytes(Float32Array.of(1, 2, 3, 4))
  expect(await values(npyFile({ descr: '<f4', shape: [2, 2], data, version }), 2)).toEqual([1, 2, 3, 4])
})

test('Fortran order and big endian give what C order and little endian give, for every shape and range', async () => {
  const folder = await temporaryFolder()
  const shapes = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 2, maxLength: 4 })
  await fc.assert(
    fc.asyncProperty(shapes, fc.nat(), fc.nat(), async (shape, a, b) => {
      const size = shape.reduce((product, dimension) => product * dimension, 1)
      const rows = shape[0]!
      const [start, end] = [a % (rows + 1), b % (rows + 1)].sort((one, other) => one - other) as [number, number]
      const fortran = Buffer.alloc(size * 4)
      for (let index = 0; index < size; index++) {
        // The number stored is the row-major index of its place.
        let [rest, place, stride] = [index, 0, size]
        for (const [axis, dimension] of shape.entries()) {
          stride /= dimension
          const step = Math.floor(rest / stride)
          rest %= stride
          place += step * shape.slice(0, axis).reduce((product, each) => product * each, 1)
        }
        fortran.writeFloatBE(index, place * 4)
      }
      const x = npyFile({ descr: '>f4', shape, data: fortran, fortran: true })
      const path = await filesIn({ 'x.npy': x, 'y.npy': int64Npy(new Array<number>(rows).fill(1)) })
      const dataset = await opened(path, { kind: 'features' })
      const { inputs, labels } = await dataset.read(start, end)
      const width = size / rows
      expect([...inputs]).toEqual(Array.from({ length: (end - start) * width }, (_, at) => start * width + at))
      expect(labels.length).toBe(end - start)
      await dataset.close()
      await rm(dirname(path), { recursive: true })
    }),
    { numRuns: 60 },
  )
  await rm(folder, { recursive: true })
})

test('what is written is read back', async () => {
  const folder = await temporaryFolder()
  await writeNpy(join(folder, 'x_test.npy'), float32([0, 0.25, 0.5, 1], [2, 2]))
  await writeNpy(join(folder, 'y_test.npy'), int64([3, 1]))
  const dataset = await opened(join(folder, 'x_test.npy'))
  expect(dataset).toMatchObject({ name: 'x_test.npy', count: 2, sampleShape: [2], kind: 'features', layout: undefined })
  expect(await dataset.read(1, 2)).toEqual({ inputs: Float32Array.of(0.5, 1), labels: Int32Array.of(1) })
})

test('strings and a folder that is not there cannot be written to, and nothing is left behind', async () => {
  const folder = await temporaryFolder()
  const strings: Tensor = { dtype: 'string', shape: [1], data: ['a'] }
  await expect(writeNpy(join(folder, 'a.npy'), strings)).rejects.toMatchObject({ code: 'data-unsupported' })
  await expect(writeNpy(join(folder, 'no', 'a.npy'), float32([1]))).rejects.toMatchObject({ code: 'output-unwritable' })
  await writeNpy(join(folder, 'b.npy'), float32([1]))
  await expect(writeNpy(folder, float32([1]))).rejects.toMatchObject({ code: 'output-unwritable' })
})

describe('bad input 26', () => {
  const y = int64Npy([0, 1])
  const data = bytes(Float32Array.of(1, 2))
  const good = { descr: '<f4', shape: [2, 1], data }
  const withLength = (length: number, version = 2) => {
    const file = npyFile({ ...good, version })
    file.writeUInt32LE(length, 8)
    return file
  }
  const literal = (header: string) => npyFile({ ...good, header })
  test.each<[string, Buffer, string, RegExp]>([
    ['bad magic', Buffer.from('hello, this is no array at all'), 'data-invalid', /x\.npy is not an \.npy file/],
    ['empty', Buffer.alloc(0), 'data-invalid', /is not an \.npy file/],
    ['cut in the header', npyFile(good).subarray(0, 20), 'data-invalid', /header of \d+ bytes/],
    ['version 4', npyFile({ ...good, version: 4 }), 'data-unsupported', /version 4/],
    ['object dtype', npyFile({ ...good, descr: '|O' }), 'data-unsafe', /pickle.*execute code/],
    ['object dtype in a version 2 header', npyFile({ ...good, descr: 'O', version: 2 }), 'data-unsafe', /pickle/],
    ['4 GB header', withLength(0xffffffff), 'data-invalid', /4294967295 bytes/],
    [
      '70 000 bytes of header',
      npyFile({ ...good, version: 2, header: ' '.repeat(70_000) }),
      'data-invalid',
      /70004 bytes/,
    ],
    ['header past the end', withLength(5000), 'data-invalid', /5000 bytes/],
    ['too few bytes', npyFile({ ...good, shape: [3, 1] }), 'data-invalid', /\[3, 1\], which is 12 bytes; it holds 8/],
    ['too many bytes', npyFile({ ...good, shape: [1, 1] }), 'data-invalid', /4 bytes; it holds 8/],
    [
      'a product that overflows',
      npyFile({ ...good, shape: [4294967296, 4294967296] }),
      'data-invalid',
      /more bytes than/,
    ],
    [
      'a product that wraps to the size',
      literal("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 4611686018427387905)}"),
      'data-invalid',
      /near/,
    ],
    [
      'negative dimension',
      literal("{'descr': '<f4', 'fortran_order': False, 'shape': (-2, 1)}"),
      'data-invalid',
      /near/,
    ],
    ['a call in the header', literal("{'descr': __import__('os').system('x'), 'shape': (2,)}"), 'data-invalid', /near/],
    [
      'a key twice',
      literal("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2, 1)}"),
      'data-invalid',
      /near/,
    ],
    [
      'a key too many',
      literal("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1), 'x': 1}"),
      'data-invalid',
      /near/,
    ],
    ['a key missing', literal("{'descr': '<f4', 'shape': (2, 1)}"), 'data-invalid', /near/],
    [
      'more behind the header',
      literal("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1)} + 1"),
      'data-invalid',
      /near/,
    ],
    [
      'a thousand axes',
      literal(`{'descr': '<f4', 'fortran_order': False, 'shape': (${'1,'.repeat(1000)})}`),
      'data-invalid',
      /near/,
    ],
    [
      'structured',
      literal("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,)}"),
      'data-unsupported',
      /structured/,
    ],
    ['complex', npyFile({ ...good, descr: '<c8' }), 'data-unsupported', /'<c8'/],
    ['text', npyFile({ ...good, descr: '<U1' }), 'data-unsupported', /'<U1'/],
    ['dates', npyFile({ ...good, descr: '<M8[ns]' }), 'data-unsupported', /M8/],
    ['long double', npyFile({ ...good, descr: '<f16' }), 'data-unsupported', /f16/],
    ['a single number', npyFile({ ...good, shape: [], data: data.subarray(4) }), 'data-invalid', /single number/],
    ['one axis', npyFile({ ...good, shape: [2] }), 'data-invalid', /the first axis counts/],
    ['no rows', npyFile({ ...good, shape: [0, 1], data: Buffer.alloc(0) }), 'data-invalid', /0 samples and 2 labels/],
    [
      'samples without values',
      npyFile({ ...good, shape: [2, 0], data: Buffer.alloc(0) }),
      'data-invalid',
      /without values/,
    ],
  ])('%s', async (_, x, code, message) => {
    const error = await failure(await filesIn({ 'x.npy': x, 'y.npy': y }))
    expect(error.code).toBe(code)
    expect(error.message).toMatch(message)
  })

  test('Fortran order over the limit is refused with the way out', async () => {
    const x = npyFile({ ...good, shape: [2, 1], fortran: true })
    const path = await filesIn({ 'x.npy': x, 'y.npy': y })
    const error = await failure(path, { limits: { fortranBytes: 10 } })
    expect(error).toMatchObject({ code: 'data-unsupported', hint: expect.stringContaining('ascontiguousarray') })
  })

  test('the shape of Python 2 is read', () => {
    const header = "{'descr': '<f4', 'fortran_order': False, 'shape': (10L, 3L), }"
    expect(parseHeader(header, 'x.npy').shape).toEqual([10, 3])
  })

  test('damaged files end in a reading or a coded error', async () => {
    const folder = await filesIn({ 'x.npy': '', 'y.npy': y })
    await surviveDamage(npyFile(good), async damaged => {
      await writeFile(folder, damaged)
      return folder
    })
  })
})

describe('labels beside the samples', () => {
  test.each([
    ['x.npy', 'y.npy'],
    ['cifar_x_test.npy', 'cifar_y_test.npy'],
    ['X.npy', 'y.npy'],
    ['test_images.npy', 'test_labels.npy'],
    ['inputs.npy', 'labels.npy'],
  ])('%s with %s', async (x, y) => {
    const path = await filesIn({ [x]: float32Npy([1, 2], [2, 1]), [y]: int64Npy([0, 1]) })
    expect((await opened(path)).count).toBe(2)
  })

  test('said explicitly', async () => {
    const path = await filesIn({ 'a.npy': float32Npy([1, 2], [2, 1]), 'b.npy': int64Npy([0, 1]) })
    expect((await opened(path, { labels: join(dirname(path), 'b.npy') })).count).toBe(2)
  })

  test('missing', async () => {
    const error = await failure(await filesIn({ 'x.npy': float32Npy([1, 2], [2, 1]) }))
    expect(error).toMatchObject({ code: 'data-invalid', message: expect.stringContaining('y.npy') })
  })
})
