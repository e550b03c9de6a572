/**
 * IDX, the format of MNIST and its relatives (yann.lecun.com/exdb/mnist): magic `0 0 type rank`, big-endian sizes, bytes.
 * A folder with `PREFIX-images-idx3-ubyte` and `PREFIX-labels-idx1-ubyte`, or one of the two files; `.gz` as well.
 */

import { basename, dirname, join, resolve } from 'node:path'
import { createGunzip } from 'node:zlib'
import { RobustlyError } from '../errors.js'
import { printable } from '../printable.js'
import { arrayDataset } from './arrays.js'
import type { Candidate, Format } from './candidate.js'
import { describeCandidate } from './candidate.js'
import { exactSize } from './checks.js'
import type { Dataset, ReaderOptions } from './dataset.js'
import { inflate } from './inflate.js'
import { type Owner, owning } from './owner.js'
import { type Rows, rowsAt } from './rows.js'
import { openSource, type Source } from './source.js'

export const idx: Format = {
  name: 'idx',
  description: 'a folder of IDX files (MNIST), as FOLDER:test or FOLDER:train',
  matches: candidate => (candidate.type === 'folder' ? pairsOf(candidate.entries).length > 0 : isIdxFile(candidate)),
  open: openIdx,
}

/** `t10k-images-idx3-ubyte`, `t10k-images.idx3-ubyte.gz`, `emnist-letters-test-images-idx3-ubyte`. */
const imagesName = /^(.*?)images([-.])idx\d-ubyte(\.gz)?$/

function isIdxFile({ name, head }: Candidate): boolean {
  return imagesName.test(name) || (head[0] === 0 && head[1] === 0 && head[2] === 8 && head[3] === 3)
}

interface Pair {
  readonly prefix: string
  readonly images: string
  /** Names that the labels may have, the likeliest first. */
  readonly labels: readonly string[]
}

function pairOf(images: string): Pair | undefined {
  const match = imagesName.exec(images)
  if (!match) return undefined
  const [, prefix = '', dot = '-', zipped = ''] = match
  const plain = `${prefix}labels${dot}idx1-ubyte`
  return { prefix, images, labels: zipped === '' ? [plain, `${plain}.gz`] : [`${plain}.gz`, plain] }
}

/** One pair for each prefix; where both are there, the uncompressed images. */
function pairsOf(names: readonly string[]): Pair[] {
  const pairs = new Map<string, Pair>()
  for (const name of names.toSorted()) {
    const pair = pairOf(name)
    if (pair && !pairs.has(pair.prefix)) pairs.set(pair.prefix, pair)
  }
  return [...pairs.values()]
}

async function openIdx(path: string, options: ReaderOptions): Promise<Dataset> {
  const candidate = await describeCandidate(path)
  const inFolder = candidate.type === 'folder'
  const folder = inFolder ? path : dirname(resolve(path))
  const pair = inFolder ? choosePair(pairsOf(candidate.entries), options, candidate.name) : pairOf(candidate.name)
  const names = inFolder ? candidate.entries : (await describeCandidate(folder)).entries
  const labels = options.labels ?? labelsIn(folder, names, pair, candidate.name)
  const images = pair ? join(folder, pair.images) : path
  return owning(async owner => {
    const [inputRows, labelRows] = [await idxRows(images, owner, options), await idxRows(labels, owner, options)]
    const { shape } = inputRows
    // One channel is not written in IDX: [N, 28, 28] becomes [N, 1, 28, 28] by the shared rule for stored pixels.
    if (shape.length < 2) throw invalid(inputRows.name, `has ${shape.length} axis; images have at least 2`)
    const files = [images, labels].map(each => ({ path: each, name: basename(resolve(each)) }))
    const name = printable(candidate.name)
    return arrayDataset({ name, inputs: inputRows, labels: labelRows, files, close: owner.close }, options)
  })
}

const splitOf: readonly (readonly [RegExp, 'test' | 'train'])[] = [
  [/t10k|test|valid/i, 'test'],
  [/train/i, 'train'],
]

function choosePair(pairs: readonly Pair[], { split }: ReaderOptions, name: string): Pair {
  const named = (wanted: 'test' | 'train') =>
    pairs.filter(({ prefix }) => splitOf.find(([pattern]) => pattern.test(prefix))?.[1] === wanted)
  const preferred = split ? named(split) : named('test')
  const chosen = preferred.length > 0 || split ? preferred : pairs
  if (chosen.length === 1) return chosen[0]!
  const list = pairs.map(({ images }) => printable(images)).join(', ')
  const message =
    chosen.length === 0
      ? `${printable(name)} has no ${split} images: ${list}`
      : `${printable(name)} has several sets: ${list}`
  throw new RobustlyError('data-invalid', message, { hint: 'pass the images file itself instead of the folder' })
}

function labelsIn(folder: string, names: readonly string[], pair: Pair | undefined, name: string): string {
  const found = pair?.labels.find(each => names.includes(each))
  if (found !== undefined) return join(folder, found)
  const wanted = pair ? ` (${pair.labels.map(each => printable(each)).join(' or ')})` : ''
  throw new RobustlyError('data-invalid', `${printable(name)} has images but no labels beside them${wanted}`, {
    hint: 'an IDX data set is a pair: PREFIX-images-idx3-ubyte and PREFIX-labels-idx1-ubyte',
  })
}

async function idxRows(path: string, owner: Owner, options: ReaderOptions): Promise<Rows> {
  const file = await owner.own(openSource(path))
  const start = await file.read(0, Math.min(2, file.size))
  const zipped = start[0] === 0x1f && start[1] === 0x8b
  if (!zipped) return readIdx(file)
  const limit = { name: file.name, compressed: file.size, maximum: options.limits.inflatedBytes }
  return readIdx(await owner.own(inflate(file, createGunzip, limit).then(({ source }) => source)))
}

const unsignedByte = 8

async function readIdx(source: Source): Promise<Rows> {
  const { name } = source
  const magic = await source.read(0, Math.min(4, source.size))
  if (magic.length < 4 || magic[0] !== 0 || magic[1] !== 0)
    throw invalid(name, 'is not an IDX file: it does not start with two zeros')
  const [, , type, rank] = magic as unknown as readonly [number, number, number, number]
  if (type !== unsignedByte) {
    throw new RobustlyError('data-unsupported', `${name} has IDX element type ${type}; unsigned bytes (8) are read`)
  }
  if (rank === 0 || rank > 4) throw invalid(name, `has ${rank} axes; 1 to 4 are read`)
  const sizes = new DataView((await source.read(4, 4 * rank)).buffer)
  const shape = Array.from({ length: rank }, (_, axis) => sizes.getUint32(4 * axis))
  const offset = 4 + 4 * rank
  const wanted = exactSize(shape)
  if (wanted !== source.size - offset) {
    const needs = wanted === undefined ? 'more bytes than can be counted' : `${wanted} bytes`
    throw invalid(name, `declares [${shape.join(', ')}], which is ${needs}; it holds ${source.size - offset}`)
  }
  return rowsAt(source, offset, { code: 'u1', bigEndian: false }, shape)
}

function invalid(name: string, what: string): RobustlyError {
  return new RobustlyError('data-invalid', `${name} ${what}`, {
    hint: 'the file is cut off, damaged or something else',
  })
}
