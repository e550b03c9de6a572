/** Bytes by position: a file, a part of a file, or a temporary file that holds what a compressed one inflates to. */

import { randomUUID } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import { open, stat, unlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join, resolve } from 'node:path'
import { crc32 } from 'node:zlib'
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

/** An archive that grows more than this is refused, once it grows past `harmlessBytes`. Deflate itself ends at 1032. */
const largestRatio = 1000
const harmlessBytes = 16 * 2 ** 20

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

function fromHandle(handle: FileHandle, name: string, size: number): Source {
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

/**
 * Writes a stream of inflated bytes to a temporary file and returns it as a source with the CRC-32 of the bytes.
 * The file has a random name, only its owner may read it, and it is unlinked while open: it is gone when the process
 * ends, however it ends. Throws `data-unsafe` past `maximum` or past 1000 times the `compressed` bytes.
 */
export async function toTemporary(
  chunks: AsyncIterable<Uint8Array>,
  { name, compressed, maximum }: { name: string; compressed: number; maximum: number },
): Promise<{ readonly source: Source; readonly crc: number }> {
  const path = join(tmpdir(), `robustly-${process.pid}-${randomUUID()}.tmp`)
  const handle = await open(path, 'wx+', 0o600).catch(error => {
    throw temporaryFailed(name, error)
  })
  const unlinked = await unlink(path).then(
    () => true,
    () => false,
  )
  const discard = async () => {
    await handle.close()
    if (!unlinked) await unlink(path).catch(() => undefined)
  }
  try {
    let size = 0
    let crc = 0
    for await (const chunk of chunks) {
      size += chunk.length
      checkInflation(size, { name, compressed, maximum })
      crc = crc32(chunk, crc)
      await handle.writeFile(chunk).catch(error => {
        throw temporaryFailed(name, error)
      })
    }
    return { source: { ...fromHandle(handle, name, size), close: once(discard) }, crc }
  } catch (error) {
    await discard()
    if (error instanceof RobustlyError) throw error
    throw new RobustlyError('data-invalid', `${name} does not inflate: ${reason(error)}`, { cause: error })
  }
}

/** Throws `data-unsafe` for a size, declared or reached, that a compressed file must not have. */
export function checkInflation(
  size: number,
  { name, compressed, maximum }: { name: string; compressed: number; maximum: number },
): void {
  if (size > maximum) {
    throw new RobustlyError('data-unsafe', `${name} inflates to more than the limit of ${maximum} bytes`, {
      hint: 'store it uncompressed (np.savez), which also needs no temporary file',
    })
  }
  if (size > harmlessBytes && size > compressed * largestRatio) {
    throw new RobustlyError(
      'data-unsafe',
      `${name} inflates from ${compressed} bytes to more than ${largestRatio} times as many, as a decompression bomb does`,
      { hint: 'if it is really that repetitive, store it uncompressed (np.savez)' },
    )
  }
}

function once(action: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | undefined
  return () => {
    running ??= action()
    return running
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

function temporaryFailed(name: string, error: unknown): RobustlyError {
  return new RobustlyError('data-unreadable', `cannot inflate ${name} to a temporary file: ${reason(error)}`, {
    cause: error,
    hint: 'free some space or set TMPDIR to another folder; uncompressed data (np.savez) need no temporary file',
  })
}
