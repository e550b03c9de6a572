/**
 * One folder of pictures for each class, as torchvision's ImageFolder reads it. Samples come class by class: a range is
 * not a random selection. All pictures have one size; nothing is resized, because how to is the model's business.
 */

import { basename, join, resolve } from 'node:path'
import { RobustlyError } from '../errors.js'
import { printable } from '../printable.js'
import type { Format } from './candidate.js'
import { checkRange } from './checks.js'
import type { Dataset, ReaderOptions } from './dataset.js'
import { listTree, type PictureFile } from './folder-tree.js'
import { hashFiles } from './hash.js'
import { type Header, type Picture, type PictureReader, pictureReader } from './picture.js'

export const imageFolder: Format = {
  name: 'image-folder',
  description: 'a folder with one folder of PNG, JPEG or WebP pictures for each class',
  matches: ({ type, entries }) => type === 'folder' && entries.length > 0,
  open: openImageFolder,
}

async function openImageFolder(path: string, options: ReaderOptions): Promise<Dataset> {
  const name = printable(basename(resolve(path)))
  const { files, classNames } = await listTree(path, options.limits.files)
  if (files.length === 0) {
    throw new RobustlyError('data-invalid', `${name} holds no folders with pictures`, {
      hint: 'an image folder has one folder of pictures for each class; other data: .npz, IDX, CIFAR .bin',
    })
  }
  const reader = pictureReader(options.limits)
  const pathOf = (file: PictureFile) => join(path, file.name)
  const first = await reader.header(pathOf(files[0]!), printable(files[0]!.name))
  if (options.verify ?? true) await checkHeaders(files, { reader, pathOf, first })
  const sampleShape = [first.channels, first.height, first.width]
  const width = first.channels * first.height * first.width
  let hash: Promise<string> | undefined
  return {
    name,
    count: files.length,
    sampleShape,
    kind: 'image',
    layout: 'CHW',
    classNames,
    get decoder() {
      return reader.decoder()
    },
    hash() {
      hash ??= hashFiles(files.map(file => ({ path: pathOf(file), name: file.name })))
      return hash
    },
    async read(start, end) {
      checkRange(start, end, files.length, name)
      const range = files.slice(start, end)
      const inputs = new Float32Array(range.length * width)
      for (const [row, file] of range.entries()) {
        const picture = await reader.read(pathOf(file), printable(file.name))
        checkSame(picture, first, { file, reference: files[0]! })
        writePlanes(picture, inputs.subarray(row * width, (row + 1) * width))
      }
      return { inputs, labels: Int32Array.from(range, file => file.label) }
    },
    async close() {},
  }
}

/** Looks at every header before any work starts; the first picture that differs is named. */
async function checkHeaders(
  files: readonly PictureFile[],
  { reader, pathOf, first }: { reader: PictureReader; pathOf: (file: PictureFile) => string; first: Header },
): Promise<void> {
  for (const file of files) {
    checkSame(await reader.header(pathOf(file), printable(file.name)), first, { file, reference: files[0]! })
  }
}

function checkSame(
  header: Header,
  first: Header,
  { file, reference }: { file: PictureFile; reference: PictureFile },
): void {
  if (header.width === first.width && header.height === first.height && header.channels === first.channels) return
  throw new RobustlyError(
    'data-invalid',
    `${printable(file.name)} is ${described(header)}, and ${printable(reference.name)} is ${described(first)}; all pictures must be alike`,
    { hint: 'resize and convert them as the model expects' },
  )
}

function described({ width, height, channels }: Header): string {
  return `${width} x ${height} in ${channels === 1 ? 'gray' : 'colour'}`
}

/** Channels last, integers, to channels first, [0, 1]. */
function writePlanes({ values, channels, maximum }: Picture, planes: Float32Array): void {
  const area = values.length / channels
  for (let channel = 0; channel < channels; channel++) {
    for (let pixel = 0; pixel < area; pixel++) {
      planes[channel * area + pixel] = values[pixel * channels + channel]! / maximum
    }
  }
}
