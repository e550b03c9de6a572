/**
 * Zip archives as data: names are only keys, nothing is ever unpacked by name. A stored entry is read where it lies, a
 * compressed one is inflated once into a temporary file, and every size a header declares is checked before it is used.
 */

import { createInflateRaw } from 'node:zlib'
import { type Entry, openPromise, type ZipFile } from 'yauzl'
import { RobustlyError } from '../errors.js'
import { printable } from '../printable.js'
import type { Limits } from './dataset.js'
import { checkInflation, inflate } from './inflate.js'
import type { Closable, Owner } from './owner.js'
import { openSource, reason, region, type Source } from './source.js'

export interface Archive extends Closable {
  readonly name: string
  /** Names of the entries, in the order of the archive. */
  readonly entries: readonly string[]
  /** The bytes of an entry. Owned by `owner`. */
  source(entry: string, shownAs: string, owner: Owner): Promise<Source>
}

/** Throws `data-invalid`, `data-unsafe` (names that lead elsewhere, duplicates, too many entries) or `data-unreadable`. */
export async function openZip(path: string, limits: Limits): Promise<Archive> {
  const file = await openSource(path)
  try {
    const zip = await openPromise(path, { autoClose: false }).catch(error => {
      throw badZip(file.name, error)
    })
    try {
      const entries = await listEntries(zip, file.name, limits)
      return {
        name: file.name,
        entries: [...entries.keys()],
        source: (entry, shownAs, owner) => entrySource(zip, file, entries.get(entry)!, { shownAs, owner, limits }),
        async close() {
          zip.close()
          await file.close()
        },
      }
    } catch (error) {
      zip.close()
      throw error
    }
  } catch (error) {
    await file.close()
    throw error
  }
}

async function listEntries(zip: ZipFile, name: string, { entries: most }: Limits): Promise<Map<string, Entry>> {
  if (zip.entryCount > most) {
    throw new RobustlyError('data-unsafe', `${name} declares ${zip.entryCount} entries; up to ${most} are read`)
  }
  const entries = new Map<string, Entry>()
  try {
    for await (const entry of zip.eachEntry()) {
      if (entries.has(entry.fileName)) throw duplicate(name, entry.fileName)
      entries.set(entry.fileName, entry)
    }
  } catch (error) {
    throw badZip(name, error)
  }
  return entries
}

async function entrySource(
  zip: ZipFile,
  file: Source,
  entry: Entry,
  { shownAs, owner, limits }: { shownAs: string; owner: Owner; limits: Limits },
): Promise<Source> {
  if (entry.isEncrypted()) throw unsupported(shownAs, 'is encrypted', 'save it without a password')
  if (!entry.canDecodeFileData()) {
    throw unsupported(shownAs, `has zip compression method ${entry.compressionMethod}`, 'save it with np.savez')
  }
  const { compressedSize: compressed, uncompressedSize } = entry
  const limit = { name: shownAs, compressed, maximum: limits.inflatedBytes }
  try {
    const { fileDataStart } = await zip.readLocalFileHeaderPromise(entry, { minimal: true })
    const stored = region(file, fileDataStart, compressed, shownAs)
    if (entry.compressionMethod === 0) return stored
    checkInflation(uncompressedSize, limit)
    const { source, crc } = await inflate(stored, createInflateRaw, { ...limit, maximum: uncompressedSize })
    await owner.own(Promise.resolve(source))
    if (source.size !== uncompressedSize || crc !== entry.crc32) {
      const got =
        source.size === uncompressedSize
          ? 'its checksum is wrong'
          : `it has ${source.size} bytes, not ${uncompressedSize}`
      throw new RobustlyError('data-invalid', `${shownAs} is damaged: ${got}`, { hint: 'copy or download it again' })
    }
    return source
  } catch (error) {
    throw badZip(file.name, error)
  }
}

/** What yauzl says about names that would leave the folder they are unpacked to. */
const unsafeName = /absolute path|invalid relative path|invalid characters in fileName/

function badZip(name: string, error: unknown): RobustlyError {
  if (error instanceof RobustlyError) return error
  const why = reason(error)
  if (unsafeName.test(why)) {
    return new RobustlyError('data-unsafe', `${name} has an entry whose name leads out of the archive: ${why}`, {
      hint: 'no tool that saves arrays writes such names: do not trust this file',
    })
  }
  return new RobustlyError('data-invalid', `${name} is no zip archive that can be read: ${why}`, {
    cause: error,
    hint: 'an .npz is what np.savez writes',
  })
}

function duplicate(name: string, entry: string): RobustlyError {
  return new RobustlyError('data-unsafe', `${name} has two entries called ${printable(entry)}`, {
    hint: 'which one counts depends on the program that reads it: save it again',
  })
}

function unsupported(name: string, what: string, hint: string): RobustlyError {
  return new RobustlyError('data-unsupported', `${name} ${what}`, { hint })
}
