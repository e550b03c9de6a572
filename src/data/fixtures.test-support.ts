/** Files for the tests of this folder, good and bad, made byte by byte: the readers are not tested by their own writer. */

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { crc32, deflateRawSync, deflateSync } from 'node:zlib'
import fc from 'fast-check'
import { expect, onTestFinished } from 'vitest'
import { RobustlyError } from '../errors.js'
import { type Dataset, type OpenOptions, openDataset } from './dataset.js'

/** A fresh folder that is removed after the test. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'robustly-test-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** Writes files into a fresh folder and returns the path of the first. */
export async function filesIn(files: Readonly<Record<string, Uint8Array | string>>): Promise<string> {
  const folder = await temporaryFolder()
  for (const [name, bytes] of Object.entries(files)) await writeFile(join(folder, name), bytes)
  return join(folder, Object.keys(files)[0]!)
}

/** Opens a data set that is closed after the test. */
export async function opened(path: string, options?: OpenOptions): Promise<Dataset> {
  const dataset = await openDataset(path, options)
  onTestFinished(() => dataset.close())
  return dataset
}

/** The error that opening, and then reading everything, ends with. Fails when it ends well or with another error. */
export async function failure(path: string, options?: OpenOptions): Promise<RobustlyError> {
  const error = await readAll(path, options).then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(RobustlyError)
  return error as RobustlyError
}

async function readAll(path: string, options?: OpenOptions): Promise<void> {
  const dataset = await openDataset(path, options)
  try {
    await dataset.read(0, dataset.count)
  } finally {
    await dataset.close()
  }
}

interface NpyFields {
  readonly descr: string
  readonly shape: readonly number[]
  readonly data: Uint8Array
  readonly fortran?: boolean
  readonly version?: number
  /** Instead of the literal that the fields give. */
  readonly header?: string
}

export function npyFile({ descr, shape, data, fortran = false, version = 1, header }: NpyFields): Buffer {
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(', ')})`
  const literal = header ?? `{'descr': '${descr}', 'fortran_order': ${fortran ? 'True' : 'False'}, 'shape': ${tuple}, }`
  const text = Buffer.from(`${literal}   \n`)
  const start = Buffer.from([0x93, ...Buffer.from('NUMPY'), version, 0])
  const length = Buffer.alloc(version === 1 ? 2 : 4)
  if (version === 1) length.writeUInt16LE(text.length)
  else length.writeUInt32LE(text.length)
  return Buffer.concat([start, length, text, data])
}

export function bytes(view: ArrayBufferView): Buffer {
  return Buffer.from(view.buffer, view.byteOffset, view.byteLength)
}

export function float32Npy(values: readonly number[], shape: readonly number[]): Buffer {
  return npyFile({ descr: '<f4', shape, data: bytes(Float32Array.from(values)) })
}

export function int64Npy(values: readonly number[], shape: readonly number[] = [values.length]): Buffer {
  return npyFile({ descr: '<i8', shape, data: bytes(BigInt64Array.from(values, BigInt)) })
}

export interface ZipItem {
  readonly name: string
  readonly data: Uint8Array
  readonly deflate?: boolean
  readonly flags?: number
  readonly method?: number
  /** Sizes and checksum that the headers claim, when they lie. */
  readonly size?: number
  readonly compressedSize?: number
  readonly crc?: number
}

/** A zip archive with 32-bit fields. `entryCount` may lie. */
export function zipFile(items: readonly ZipItem[], entryCount = items.length): Buffer {
  const local: Buffer[] = []
  const central: Buffer[] = []
  let offset = 0
  for (const item of items) {
    const name = Buffer.from(item.name)
    const stored = item.deflate ? deflateRawSync(item.data) : Buffer.from(item.data)
    const common = Buffer.alloc(26)
    common.writeUInt16LE(20, 0)
    common.writeUInt16LE(item.flags ?? 0, 2)
    common.writeUInt16LE(item.method ?? (item.deflate ? 8 : 0), 4)
    common.writeUInt32LE(item.crc ?? crc32(item.data), 10)
    common.writeUInt32LE(item.compressedSize ?? stored.length, 14)
    common.writeUInt32LE(item.size ?? item.data.length, 18)
    common.writeUInt16LE(name.length, 22)
    const tail = Buffer.alloc(14)
    tail.writeUInt32LE(offset, 10)
    local.push(Buffer.from('PK\x03\x04', 'latin1'), common, name, stored)
    central.push(Buffer.from('PK\x01\x02\x14\x00', 'latin1'), common, tail, name)
    offset += 30 + name.length + stored.length
  }
  const directory = Buffer.concat(central)
  const end = Buffer.alloc(22)
  end.write('PK\x05\x06', 0, 'latin1')
  end.writeUInt16LE(entryCount, 8)
  end.writeUInt16LE(entryCount, 10)
  end.writeUInt32LE(directory.length, 12)
  end.writeUInt32LE(offset, 16)
  return Buffer.concat([...local, directory, end])
}

export function idxFile(shape: readonly number[], data: Uint8Array, type = 8): Buffer {
  const header = Buffer.alloc(4 + 4 * shape.length)
  header.set([0, 0, type, shape.length])
  shape.forEach((size, axis) => {
    header.writeUInt32BE(size, 4 + 4 * axis)
  })
  return Buffer.concat([header, data])
}

export function pngChunk(type: string, data: Uint8Array = new Uint8Array()): Buffer {
  const body = Buffer.concat([Buffer.from(type), data])
  const length = Buffer.alloc(4)
  length.writeUInt32BE(data.length)
  const checksum = Buffer.alloc(4)
  checksum.writeUInt32BE(crc32(body))
  return Buffer.concat([length, body, checksum])
}

export interface PngFields {
  readonly width: number
  readonly height: number
  readonly depth?: number
  readonly color?: number
  readonly interlace?: number
  /** Lines without the filter byte, packed as PNG packs them. */
  readonly lines?: readonly (readonly number[])[]
  /** Instead of the lines. */
  readonly inflated?: Uint8Array
  /** Chunks between header and pixels. */
  readonly extra?: readonly Buffer[]
}

export function pngFile({
  width,
  height,
  depth = 8,
  color = 0,
  interlace = 0,
  lines,
  inflated,
  extra = [],
}: PngFields): Buffer {
  const header = Buffer.alloc(13)
  header.writeUInt32BE(width, 0)
  header.writeUInt32BE(height, 4)
  header.set([depth, color, 0, 0, interlace], 8)
  const pixels = inflated ?? Uint8Array.from((lines ?? []).flatMap(line => [0, ...line]))
  const magic = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1')
  return Buffer.concat([
    magic,
    pngChunk('IHDR', header),
    ...extra,
    pngChunk('IDAT', deflateSync(pixels)),
    pngChunk('IEND'),
  ])
}

/** Damages bytes of a good file: every outcome but a clean reading or a coded error is a failure. */
export async function surviveDamage(
  good: Buffer,
  write: (damaged: Buffer) => Promise<string>,
  runs = 150,
): Promise<void> {
  const change = fc.tuple(fc.nat(good.length - 1), fc.oneof(fc.constantFrom(0, 1, 127, 128, 255), fc.nat(255)))
  const damage = fc.record({ changes: fc.array(change, { minLength: 1, maxLength: 4 }), cut: fc.nat(good.length * 4) })
  await fc.assert(
    fc.asyncProperty(damage, async ({ changes, cut }) => {
      const damaged = Buffer.from(good)
      for (const [at, value] of changes) damaged[at] = value
      const path = await write(cut < damaged.length ? damaged.subarray(0, cut) : damaged)
      const error = await readAll(path).then(
        () => undefined,
        (reason: unknown) => reason,
      )
      if (error !== undefined && !(error instanceof RobustlyError)) throw error
    }),
    { numRuns: runs },
  )
}
