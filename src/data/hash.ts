/** The identity of data: SHA-256 over the files that results depend on. */

import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { unreadable } from './source.js'

export interface HashedFile {
  readonly path: string
  /** Relative to the data set, with `/` between the parts. */
  readonly name: string
}

/** The hash that `Dataset.hash` documents. Files are read in pieces, one after the other. */
export async function hashFiles(files: readonly HashedFile[]): Promise<string> {
  if (files.length === 1) return hashFile(files[0]!.path)
  const sorted = files.toSorted((a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)))
  const manifest = createHash('sha256')
  for (const { path, name } of sorted) manifest.update(manifestLine(await hashFile(path), name))
  return manifest.digest('hex')
}

/** As GNU `sha256sum` prints it: a name with a backslash or a newline is escaped, so no name can imitate a line. */
function manifestLine(hash: string, name: string): string {
  const escaped = name.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('\r', '\\r')
  return `${escaped === name ? '' : '\\'}${hash}  ${escaped}\n`
}

async function hashFile(path: string): Promise<string> {
  const hash = createHash('sha256')
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: 2 ** 20 })) hash.update(chunk)
  } catch (error) {
    throw unreadable(path, error)
  }
  return hash.digest('hex')
}
