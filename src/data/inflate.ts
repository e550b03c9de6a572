/** Compressed bytes, inflated once into a temporary file so that they can be read by position. */

import { randomUUID } from 'node:crypto'
import { open, unlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline, Readable, type Transform } from 'node:stream'
import { crc32 } from 'node:zlib'
import { RobustlyError } from '../errors.js'
import { fromHandle, reason, type Source } from './source.js'

export interface InflateLimit {
  /** Shown in messages. */
  readonly name: string
  /** Compressed bytes. */
  readonly compressed: number
  /** Bytes that may come out. */
  readonly maximum: number
}

/** What grows more than this is refused, once it grows past `harmlessBytes`. Deflate itself ends at 1032. */
const largestRatio = 1000
const harmlessBytes = 16 * 2 ** 20

/**
 * Sends a source through `decompress` (`createGunzip`, `createInflateRaw`) into a temporary file; returns that as a
 * source, with the CRC-32 of its bytes. The file has a random name, only its owner may read it, and it is unlinked
 * while open: it is gone when the process ends, however it ends. Throws `data-unsafe` past the limit, `data-invalid`.
 */
export async function inflate(
  source: Source,
  decompress: () => Transform,
  limit: InflateLimit,
): Promise<{ readonly source: Source; readonly crc: number }> {
  const { name } = limit
  const path = join(tmpdir(), `robustly-${process.pid}-${randomUUID()}.tmp`)
  const handle = await open(path, 'wx+', 0o600).catch(error => {
    throw temporaryFailed(name, error)
  })
  const unlinked = await unlink(path).then(
    () => true,
    () => false, // Windows keeps a file that is open
  )
  const discard = async () => {
    await handle.close()
    if (!unlinked) await unlink(path).catch(() => undefined)
  }
  try {
    let size = 0
    let crc = 0
    // Errors reach the loop below; the callback only makes sure that none is left without a listener.
    const inflated: AsyncIterable<Uint8Array> = pipeline(Readable.from(pieces(source)), decompress(), () => {})
    for await (const chunk of inflated) {
      size += chunk.length
      checkInflation(size, limit)
      crc = crc32(chunk, crc)
      await handle.writeFile(chunk).catch(error => {
        throw temporaryFailed(name, error)
      })
    }
    return { source: { ...fromHandle(handle, name, size), close: once(discard) }, crc }
  } catch (error) {
    await discard()
    if (error instanceof RobustlyError) throw error
    throw new RobustlyError('data-invalid', `${name} does not inflate: ${reason(error)}`, {
      cause: error,
      hint: 'the file is cut off or damaged: copy or download it again',
    })
  }
}

async function* pieces(source: Source): AsyncGenerator<Uint8Array> {
  const step = 2 ** 18
  for (let at = 0; at < source.size; at += step) yield source.read(at, Math.min(step, source.size - at))
}

/** Throws `data-unsafe` for a size, declared or reached, that a compressed file must not have. */
export function checkInflation(size: number, { name, compressed, maximum }: InflateLimit): void {
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

function temporaryFailed(name: string, error: unknown): RobustlyError {
  return new RobustlyError('data-unreadable', `cannot inflate ${name} to a temporary file: ${reason(error)}`, {
    cause: error,
    hint: 'free some space or set TMPDIR to another folder; uncompressed data (np.savez) need no temporary file',
  })
}
