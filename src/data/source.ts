/** Bytes by position: a file or a part of a file. */

import type { FileHandle } from 'node:fs/promises'
import { open, stat } from 'node:fs/promises'
import { basename, resolve } from 'node:path'
import { RobustlyError } from '../errors.js'
import { printable } from '../printable.js'

export interface Source {
  /** Shown in messages. */
  readonly name: string
  readonly size: number
  /** Exactly `length` bytes from `position`, in an array of their own. Throws when the file does not have them. */
  read(position: number, length: number): Promise<Uint8Array<ArrayBuffer>>
  close(): Promise<void>
}

/** Node reads at most 2 GiB in one call. */
const largestRead = 2 ** 30

/** Opens a regular file. Throws `data-unreadable`. */
export async function openSource(path: string): Promise<Source> {
  try {
    // Before `open`, which waits for ever on a named pipe.
    if (!(await stat(path)).isFile()) throw new Error('not a regular file')
    const handle = await open(path, 'r')
    return fromHandle(handle, printable(basename(resolve(path))), (await handle.stat()).size)
  } catch (error) {
    throw unreadable(path, error)
  }
}

export function fromHandle(handle: FileHandle, name: string, size: number): Source {
  let closing: Promise<void> | undefined
  return {
    name,
    size,
    async read(position, length) {
      const bytes = new Uint8Array(length)
      let done = 0
      while (done < length) {
        const wanted = Math.min(length - done, largestRead)
        const { bytesRead } = await handle.read(bytes, done, wanted, position + done).catch(error => {
          throw unreadable(name, error)
        })
        if (bytesRead === 0) throw endsEarly(name, position + done, position + length)
        done += bytesRead
      }
      return bytes
    },
    close() {
      closing ??= handle.close()
      return closing
    },
  }
}

/** A part of another source, which stays the owner of the file. Throws `data-invalid` when it reaches past the end. */
export function region(source: Source, start: number, size: number, name: string): Source {
  if (start < 0 || size < 0 || start + size > source.size) throw endsEarly(source.name, source.size, start + size)
  return {
    name,
    size,
    async read(position, length) {
      if (position + length > size) throw endsEarly(name, size, position + length)
      return source.read(start + position, length)
    },
    async close() {},
  }
}

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'it does not exist',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EISDIR: 'it is a folder',
  ENOTDIR: 'a part of the path is not a folder',
  ELOOP: 'its links lead in a circle',
  ENAMETOOLONG: 'the name is too long',
  EMFILE: 'too many files are open',
  ENOSPC: 'the disk is full',
  EIO: 'the disk reports an error',
}

/** What went wrong, in words. */
export function reason(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  return reasons[code] ?? printable(error instanceof Error ? error.message : String(error))
}

/** The error for a file that the operating system does not give us. */
export function unreadable(path: string, error: unknown): RobustlyError {
  if (error instanceof RobustlyError) return error
  return new RobustlyError('data-unreadable', `cannot read ${printable(path)}: ${reason(error)}`, { cause: error })
}

function endsEarly(name: string, size: number, wanted: number): RobustlyError {
  return new RobustlyError('data-invalid', `${name} ends at byte ${size}, and byte ${wanted} was expected`, {
    hint: 'the file is cut off: copy or download it again',
  })
}
