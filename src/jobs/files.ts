/** Writing files so that a crash at any moment leaves the old file or the new one, and errors that say what to do. */
import { randomUUID } from 'node:crypto'
import {
  appendFileSync,
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { RobustlyError } from '../errors.js'
import { printable } from '../printable.js'

const reasons: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full',
  EDQUOT: 'the quota of the disk is used up',
  EROFS: 'the file system is read-only',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EISDIR: 'it is a folder',
  EEXIST: 'there is a file of that name',
  ENOTDIR: 'a part of the path is a file, not a folder',
  ENOENT: 'its folder does not exist',
  EMFILE: 'too many files are open',
  EIO: 'the disk reports an error',
  EFBIG: 'the file would be larger than the system allows',
}

/** What went wrong with a file, in words. */
export function fileProblem(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  return reasons[code] ?? printable(error instanceof Error ? error.message : String(error))
}

/** The error for a place that cannot be written to. */
export function unwritable(path: string, error: unknown): RobustlyError {
  if (error instanceof RobustlyError) return error
  return new RobustlyError('output-unwritable', `cannot write ${printable(path)}: ${fileProblem(error)}`, {
    hint: 'Free some space, or choose another place to write to.',
    cause: error,
  })
}

/** Writes all bytes at the end of an open file; the system may take them in pieces. */
export function writeAll(file: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done, bytes.length - done)
}

/**
 * Replaces a file by what `fill` writes: into a temporary file beside it, flushed, then renamed. When anything fails the
 * temporary file is removed and the old file is as it was. Throws `output-unwritable`.
 */
export function replaceFile(path: string, fill: (write: (bytes: Uint8Array) => void) => void): void {
  const temporary = join(dirname(path), `.${basename(path)}.${randomUUID()}.tmp`)
  let made = false
  try {
    const file = openSync(temporary, 'wx')
    made = true
    try {
      fill(bytes => writeAll(file, bytes))
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
    renameSync(temporary, path)
    flushFolder(dirname(path))
  } catch (error) {
    if (made) rmSync(temporary, { force: true })
    throw unwritable(path, error)
  }
}

/** Makes a folder and those above it. Node's own recursive way never ends below folders such as /proc. */
export function makeFolder(path: string): void {
  if (existsSync(path)) return
  if (dirname(path) !== path) makeFolder(dirname(path))
  try {
    mkdirSync(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
}

export function replaceText(path: string, text: string): void {
  replaceFile(path, write => write(Buffer.from(text)))
}

/** Adds text to the end of a file, made when it is not there. */
export function appendText(path: string, text: string): void {
  try {
    appendFileSync(path, text)
  } catch (error) {
    throw unwritable(path, error)
  }
}

/** Makes a rename survive a power loss, where the system can. */
function flushFolder(path: string): void {
  try {
    const folder = openSync(path, 'r')
    try {
      fsyncSync(folder)
    } finally {
      closeSync(folder)
    }
  } catch {
    // Windows cannot open folders; the rename itself has happened.
  }
}
