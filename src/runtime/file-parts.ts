/** Reading and writing parts of files, of any size, and why it failed. */
import { closeSync, fstatSync, readSync, writeSync } from 'node:fs'
import { printable } from '../printable.js'

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

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EISDIR: 'it is a directory',
  ENOTDIR: 'a part of the path is not a directory',
  ELOOP: 'its links lead in a circle or cannot be followed',
  ENOSPC: 'the disk is full',
  EROFS: 'the disk is read-only',
  EMFILE: 'too many files are open',
  ENAMETOOLONG: 'the name is too long',
}

/** Why a file operation failed, for people and without paths of this machine. */
export function reasonOf(cause: unknown): string {
  const code = (cause as { code?: unknown } | null)?.code
  return reasons[String(code)] ?? printable(cause instanceof Error ? cause.message : String(cause))
}
