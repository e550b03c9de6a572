/** Reading and writing parts of files, of any size. */
import { closeSync, fstatSync, readSync, writeSync } from 'node:fs'

/** Reads `length` bytes from `offset` on. Throws when the file is shorter, or changed since it was opened. */
export type ReadPart = (offset: number, length: number) => Uint8Array

/**
 * Keeps an open file for as long as somebody holds the function given back, and closes it afterwards: the name may go
 * away or stand for another file in the meantime.
 */
export function holdFile(fd: number): ReadPart {
  const { size, mtimeMs } = fstatSync(fd)
  const read = (offset: number, length: number) => {
    const now = fstatSync(fd)
    if (now.size !== size || now.mtimeMs !== mtimeMs) throw new Error('the file was changed while it was in use')
    return readExactly(fd, offset, length)
  }
  unheld.register(read, fd)
  return read
}

const unheld = new FinalizationRegistry(closeSync)

export function readExactly(fd: number, offset: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  for (let at = 0; at < length; ) {
    const got = readSync(fd, bytes, at, Math.min(length - at, mostAtOnce), offset + at)
    if (got === 0) throw new Error('the file was cut off while it was read')
    at += got
  }
  return bytes
}

export function writeAll(fd: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(fd, bytes, at, Math.min(bytes.length - at, mostAtOnce))
}

/** The system takes less than 2 GB in one call. */
const mostAtOnce = 2 ** 30
