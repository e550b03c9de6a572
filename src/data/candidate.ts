/** What a data format may look at to recognise itself: the name, the first bytes, the names in a folder. */

import { opendir, stat } from 'node:fs/promises'
import { basename, resolve } from 'node:path'
import { RobustlyError } from '../errors.js'
import { printable } from '../printable.js'
import type { Dataset, ReaderOptions } from './dataset.js'
import { type Sayable, saidBehind } from './said.js'
import { openSource, unreadable } from './source.js'

export interface Candidate {
  readonly path: string
  /** Last part of the path, as it is on disk. */
  readonly name: string
  readonly type: 'file' | 'folder'
  /** What is written behind the path: `mnist:train`, `adult.csv:label=income`. */
  readonly said: string | undefined
  /** First bytes of a file, at most 16. */
  readonly head: Uint8Array
  /** Names in a folder, at most 2,000 of them. */
  readonly entries: readonly string[]
}

export interface Format {
  readonly name: string
  /** One line for people who ask what is supported. */
  readonly description: string
  readonly matches: (candidate: Candidate) => boolean
  /** What can be said behind the path of such data; default: nothing of its own. */
  readonly sayable?: Sayable
  readonly open: (path: string, options: ReaderOptions) => Promise<Dataset>
}

const entriesLookedAt = 2000

/** Throws `data-unreadable` for a path that is missing, or neither a file nor a folder. */
export async function describeCandidate(given: string): Promise<Candidate> {
  const { path, said } = await splitOff(given)
  const info = await stat(path).catch(error => {
    throw unreadable(path, error)
  })
  const name = basename(resolve(path))
  const none = { head: new Uint8Array(), entries: [] }
  if (info.isDirectory()) return { ...none, path, name, type: 'folder', said, entries: await namesIn(path) }
  const source = await openSource(path)
  try {
    return { ...none, path, name, type: 'file', said, head: await source.read(0, Math.min(16, source.size)) }
  } finally {
    await source.close()
  }
}

/** `mnist:train` is the folder `mnist` unless something is really called `mnist:train`. */
async function splitOff(given: string): Promise<Pick<Candidate, 'path' | 'said'>> {
  const match = saidBehind.exec(given)
  if (!match) return { path: given, said: undefined }
  const exists = await stat(given).then(
    () => true,
    () => false,
  )
  return exists ? { path: given, said: undefined } : { path: match[1]!, said: match[2]! }
}

async function namesIn(path: string): Promise<string[]> {
  const names: string[] = []
  const folder = await opendir(path).catch(error => {
    throw unreadable(path, error)
  })
  for await (const entry of folder) {
    names.push(entry.name)
    if (names.length === entriesLookedAt) break
  }
  return names.sort()
}

/** Files that people have at hand and this program does not read, with the way out. */
const foreign: readonly (readonly [pattern: RegExp, reason: string, hint: string])[] = [
  [
    /\.(pt|pth|pkl|pickle|joblib)$/i,
    'is a Python pickle, and loading a pickle can execute code',
    "save it with numpy: np.savez('data.npz', x=x, y=y)",
  ],
  [/\.(h5|hdf5|mat|tfrecord|arrow|feather)$/i, 'has a format that is not read', 'save it as .npz with arrays x and y'],
  [
    /\.(png|jpe?g|webp|gif|bmp|tiff?)$/i,
    'is a single picture, and a data set needs labels',
    'pass a folder with one folder of pictures for each class',
  ],
  [/\.(zip|tar|tgz|7z|rar)$/i, 'is an archive', 'unpack it and pass the folder'],
]

/** The error for something that no format recognises: what it looks like, and all that is supported. */
export function noFormat(candidate: Candidate, formats: readonly Format[]): RobustlyError {
  const shown = printable(candidate.name)
  const supported = formats.map(format => format.description).join('; ')
  if (candidate.type === 'folder') {
    const what = candidate.entries.length === 0 ? 'is empty' : 'holds no data set that is known'
    return new RobustlyError('data-unsupported', `the folder ${shown} ${what}`, { hint: `supported: ${supported}` })
  }
  const known = foreign.find(([pattern]) => pattern.test(candidate.name))
  if (known) return new RobustlyError('data-unsupported', `${shown} ${known[1]}`, { hint: known[2] })
  const message = `${shown} has no data format that is known`
  return new RobustlyError('data-unsupported', message, { hint: `supported: ${supported}` })
}
