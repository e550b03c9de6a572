/** Writes `.npy` and stored (uncompressed) `.npz` files that numpy reads, through a temporary file and a rename. */

import { randomUUID } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import { open, rename, unlink } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { crc32 } from 'node:zlib'
import { RobustlyError } from '../errors.js'
import { printable } from '../printable.js'
import type { DataType, Tensor } from '../tensor/tensor.js'
import { sizeOf } from '../tensor/tensor.js'
import { npyMagic } from './npy-header.js'
import { reason } from './source.js'

const descriptors: Readonly<Partial<Record<DataType, string>>> = {
  bool: '|b1',
  int8: '|i1',
  uint8: '|u1',
  int16: '<i2',
  uint16: '<u2',
  int32: '<i4',
  uint32: '<u4',
  int64: '<i8',
  uint64: '<u8',
  float16: '<f2',
  float32: '<f4',
  float64: '<f8',
}

/** Writes one array. Throws `data-unsupported` for strings and bfloat16, `output-unwritable` when the disk refuses. */
export async function writeNpy(path: string, tensor: Tensor): Promise<void> {
  const parts = npyParts(tensor)
  await writeWhole(path, async file => {
    for (const part of parts) await file.writeFile(part)
  })
}

/** Writes named arrays as `np.savez` does. The same arrays give the same bytes: the entries carry no time. */
export async function writeNpz(path: string, arrays: Readonly<Record<string, Tensor>>): Promise<void> {
  const entries = Object.entries(arrays).map(([key, tensor]) => zipEntry(key, tensor))
  await writeWhole(path, async file => {
    const directory: Buffer[] = []
    let offset = 0
    for (const entry of entries) {
      const local = localHeader(entry)
      directory.push(centralHeader(entry, offset))
      for (const part of [local, ...entry.parts]) await file.writeFile(part)
      offset += local.length + entry.size
    }
    const central = Buffer.concat(directory)
    await file.writeFile(central)
    await file.writeFile(endOfDirectory(entries.length, central.length, offset))
  })
}

/** The file appears under its name complete, or not at all. */
async function writeWhole(path: string, write: (file: FileHandle) => Promise<void>): Promise<void> {
  const temporary = join(dirname(resolve(path)), `.${basename(resolve(path))}.${randomUUID()}.tmp`)
  try {
    const file = await open(temporary, 'wx')
    try {
      await write(file)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, path)
  } catch (error) {
    await unlink(temporary).catch(() => undefined)
    if (error instanceof RobustlyError) throw error
    throw new RobustlyError('output-unwritable', `cannot write ${printable(path)}: ${reason(error)}`, { cause: error })
  }
}

/** Header, padded so that the elements start at a multiple of 64 bytes, and elements. */
function npyParts(tensor: Tensor): readonly Uint8Array[] {
  const descr = descriptors[tensor.dtype]
  if (descr === undefined || tensor.dtype === 'string') {
    throw new RobustlyError('data-unsupported', `an array of ${tensor.dtype} cannot be written as .npy`)
  }
  if (sizeOf(tensor.shape) !== tensor.data.length) {
    throw new RobustlyError('internal', `shape [${tensor.shape}] does not fit ${tensor.data.length} elements`)
  }
  const shape = tensor.shape.length === 1 ? `${tensor.shape[0]},` : tensor.shape.join(', ')
  const literal = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${shape}), }`
  const length = Math.ceil((10 + literal.length + 1) / 64) * 64 - 10
  const header = Buffer.from(`      \x01\x00  ${literal.padEnd(length - 1)}\n`, 'latin1')
  header.set(npyMagic)
  header.writeUInt16LE(length, 8)
  const { buffer, byteOffset, byteLength } = tensor.data
  return [header, new Uint8Array(buffer, byteOffset, byteLength)]
}

interface ZipEntry {
  readonly fileName: Buffer
  readonly parts: readonly Uint8Array[]
  readonly size: number
  readonly crc: number
}

function zipEntry(key: string, tensor: Tensor): ZipEntry {
  const fileName = Buffer.from(`${key}.npy`)
  if (key === '' || fileName.length > 0xffff || /[\\/\0:]/.test(key)) {
    throw new RobustlyError('internal', `an array of an .npz cannot be called "${printable(key, 60)}"`)
  }
  const parts = npyParts(tensor)
  const size = parts.reduce((sum, part) => sum + part.length, 0)
  return { fileName, parts, size, crc: parts.reduce((crc, part) => crc32(part, crc), 0) }
}

/** The 64-bit extra field that numpy writes too: sizes of any length need no special case. */
const marker32 = 0xffffffff
const versionZip64 = 45
const utf8Names = 0x800
/** 1 January 1980, the first day that a zip archive can name. */
const firstDay = 0x21

function localHeader({ fileName, size, crc }: ZipEntry): Buffer {
  const extra = zip64Extra(size, size)
  const header = Buffer.alloc(30)
  header.writeUInt32LE(0x04034b50, 0)
  header.writeUInt16LE(versionZip64, 4)
  header.writeUInt16LE(utf8Names, 6)
  header.writeUInt16LE(firstDay, 12)
  header.writeUInt32LE(crc, 14)
  header.writeUInt32LE(marker32, 18)
  header.writeUInt32LE(marker32, 22)
  header.writeUInt16LE(fileName.length, 26)
  header.writeUInt16LE(extra.length, 28)
  return Buffer.concat([header, fileName, extra])
}

function centralHeader({ fileName, size, crc }: ZipEntry, offset: number): Buffer {
  const extra = zip64Extra(size, size, offset)
  const header = Buffer.alloc(46)
  header.writeUInt32LE(0x02014b50, 0)
  header.writeUInt16LE(versionZip64, 4)
  header.writeUInt16LE(versionZip64, 6)
  header.writeUInt16LE(utf8Names, 8)
  header.writeUInt16LE(firstDay, 14)
  header.writeUInt32LE(crc, 16)
  header.writeUInt32LE(marker32, 20)
  header.writeUInt32LE(marker32, 24)
  header.writeUInt16LE(fileName.length, 28)
  header.writeUInt16LE(extra.length, 30)
  header.writeUInt32LE(marker32, 42)
  return Buffer.concat([header, fileName, extra])
}

function zip64Extra(...sizes: readonly number[]): Buffer {
  const extra = Buffer.alloc(4 + 8 * sizes.length)
  extra.writeUInt16LE(0x0001, 0)
  extra.writeUInt16LE(8 * sizes.length, 2)
  sizes.forEach((size, index) => {
    extra.writeBigUInt64LE(BigInt(size), 4 + 8 * index)
  })
  return extra
}

function endOfDirectory(entries: number, size: number, offset: number): Buffer {
  const end = Buffer.alloc(56 + 20 + 22)
  end.writeUInt32LE(0x06064b50, 0)
  end.writeBigUInt64LE(44n, 4)
  end.writeUInt16LE(versionZip64, 12)
  end.writeUInt16LE(versionZip64, 14)
  end.writeBigUInt64LE(BigInt(entries), 24)
  end.writeBigUInt64LE(BigInt(entries), 32)
  end.writeBigUInt64LE(BigInt(size), 40)
  end.writeBigUInt64LE(BigInt(offset), 48)
  end.writeUInt32LE(0x07064b50, 56)
  end.writeBigUInt64LE(BigInt(offset + size), 64)
  end.writeUInt32LE(1, 72)
  end.writeUInt32LE(0x06054b50, 76)
  end.writeUInt16LE(0xffff, 84)
  end.writeUInt16LE(0xffff, 86)
  end.writeUInt32LE(marker32, 88)
  end.writeUInt32LE(marker32, 92)
  return end
}
