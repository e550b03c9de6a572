/**
 * JPEG and WebP through sharp, an optional peer dependency. Policy, as Pillow and torchvision have it: pixels as they
 * are stored, EXIF orientation not applied, colour profiles ignored; gray stays one channel; CMYK is refused.
 * Decoders of JPEG differ by some levels, so the version is part of a result; PNG and arrays have no such doubt.
 */

import { RobustlyError } from '../errors.js'
import { printable } from '../printable.js'
import type { Limits } from './dataset.js'
import type { Header, Picture } from './picture.js'
import { dropAlpha } from './png.js'

type Sharp = typeof import('sharp').default
type Metadata = Awaited<ReturnType<import('sharp').Sharp['metadata']>>

export type SharpLoader = () => Promise<{ readonly default: Sharp }>

export interface SharpDecoder {
  header(input: string | Uint8Array, name: string): Promise<Header>
  read(input: Uint8Array, name: string): Promise<Picture>
  version(): string | undefined
}

export function sharpDecoder({ pixels }: Limits, load: SharpLoader = () => import('sharp')): SharpDecoder {
  let loading: Promise<Sharp> | undefined
  let version: string | undefined
  const sharp = async (name: string) => {
    loading ??= load().then(module => {
      const { default: library } = module
      version = `sharp ${library.versions.sharp} (libvips ${library.versions.vips})`
      // One picture at a time on one thread: worker processes share the machine, and each picture is seen once.
      library.cache(false)
      library.concurrency(1)
      return library
    })
    return loading.catch(error => {
      throw missing(name, error)
    })
  }
  const open = async (input: string | Uint8Array, name: string) => {
    const library = await sharp(name)
    return library(input, { limitInputPixels: pixels, failOn: 'truncated', sequentialRead: true, autoOrient: false })
  }
  const describe = async (input: string | Uint8Array, name: string) => {
    const image = await open(input, name)
    const metadata = await image.metadata().catch(error => {
      throw damaged(name, error)
    })
    return { image, metadata, channels: colorChannels(metadata, name) }
  }
  return {
    version: () => version,
    async header(input, name) {
      const { metadata, channels } = await describe(input, name)
      return { width: metadata.width, height: metadata.height, channels }
    },
    async read(input, name) {
      const { image, metadata, channels } = await describe(input, name)
      const plain = image.toColourspace(channels === 1 ? 'b-w' : 'srgb').raw({ depth: 'uchar' })
      const { data, info } = await plain.toBuffer({ resolveWithObject: true }).catch(error => {
        throw damaged(name, error)
      })
      const { width, height } = metadata
      if (info.width !== width || info.height !== height || info.channels !== channels + (metadata.hasAlpha ? 1 : 0)) {
        throw new RobustlyError('internal', `${name} decodes to ${info.width} x ${info.height} x ${info.channels}`)
      }
      const values = metadata.hasAlpha ? dropAlpha(data, channels + 1, { maximum: 255, name }) : data
      return { width, height, channels, maximum: 255, values }
    },
  }
}

function colorChannels({ format, space, pages }: Metadata, name: string): 1 | 3 {
  if (format !== 'jpeg' && format !== 'webp') throw damaged(name, new Error(`it holds ${format}`))
  if ((pages ?? 1) > 1) {
    throw new RobustlyError('data-unsupported', `${name} is animated`, { hint: 'save one frame of it' })
  }
  if (space === 'b-w') return 1
  if (space === 'srgb') return 3
  throw new RobustlyError('data-unsupported', `${name} has the colour space ${space}; gray and RGB are read`, {
    hint: 'convert it to RGB, the way the training data were',
  })
}

function missing(name: string, error: unknown): RobustlyError {
  return new RobustlyError(
    'data-unsupported',
    `${name} is a JPEG or WebP, and the library for these is not installed`,
    {
      cause: error,
      hint: 'npm install sharp, or convert the pictures to PNG',
    },
  )
}

function damaged(name: string, error: unknown): RobustlyError {
  const why = printable(error instanceof Error ? error.message : String(error))
  return new RobustlyError('data-invalid', `${name} is a damaged picture: ${why}`, {
    cause: error,
    hint: 'copy or save the picture again, or leave it out',
  })
}
