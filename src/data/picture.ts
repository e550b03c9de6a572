/** Pictures of any kind to pixels: what it is decides by its first bytes, never by its name. */

import { open } from 'node:fs/promises'
import { RobustlyError } from '../errors.js'
import type { Limits } from './dataset.js'
import { decodePng, pngHeader, pngHeaderBytes, pngMagic } from './png.js'
import { type SharpLoader, sharpDecoder } from './sharp.js'
import { openSource, unreadable } from './source.js'

export interface Header {
  readonly width: number
  readonly height: number
  /** Without alpha: 1 (gray) or 3 (red, green, blue). */
  readonly channels: 1 | 3
}

/** Pixels in rows, channels last. */
export interface Picture extends Header {
  readonly values: Uint8Array | Uint16Array
  /** The value that means white or full. */
  readonly maximum: number
}

export interface PictureReader {
  /** Size and channels without decoding. Throws as `read` does where the header tells. */
  header(path: string, name: string): Promise<Header>
  /** Throws `data-invalid` (damaged), `data-unsafe` (too large) or `data-unsupported` (no picture that is read). */
  read(path: string, name: string): Promise<Picture>
  /** Library and version that decodes what this program does not decode itself; known after the first such picture. */
  decoder(): string | undefined
}

/** `loadSharp` brings the optional library for JPEG and WebP; it is only called when there is such a picture. */
export function pictureReader(limits: Limits, loadSharp?: SharpLoader): PictureReader {
  const sharp = sharpDecoder(limits, loadSharp)
  return {
    decoder: sharp.version,
    async header(path, name) {
      const start = await readStart(path, name)
      const header = kindOf(start, name) === 'png' ? pngHeader(start, name) : await sharp.header(path, name)
      return withinLimit(header, limits, name)
    },
    async read(path, name) {
      const bytes = await readWhole(path, name, limits)
      if (kindOf(bytes, name) === 'png') {
        withinLimit(pngHeader(bytes, name), limits, name)
        return decodePng(bytes, name)
      }
      withinLimit(await sharp.header(bytes, name), limits, name)
      return sharp.read(bytes, name)
    },
  }
}

/** Opened once per picture, so as few system calls as can be. */
async function readStart(path: string, name: string): Promise<Uint8Array> {
  const handle = await open(path, 'r').catch(error => {
    throw unreadable(name, error)
  })
  try {
    const { buffer, bytesRead } = await handle.read(new Uint8Array(pngHeaderBytes), 0, pngHeaderBytes, 0)
    return buffer.subarray(0, bytesRead)
  } catch (error) {
    throw unreadable(name, error)
  } finally {
    await handle.close()
  }
}

async function readWhole(path: string, name: string, { pictureBytes }: Limits): Promise<Uint8Array> {
  const source = await openSource(path)
  try {
    if (source.size > pictureBytes) {
      throw new RobustlyError(
        'data-unsafe',
        `${name} has ${source.size} bytes; pictures of up to ${pictureBytes} are read`,
      )
    }
    return await source.read(0, source.size)
  } finally {
    await source.close()
  }
}

function withinLimit(header: Header, { pixels }: Limits, name: string): Header {
  const { width, height } = header
  if (width * height <= pixels) return header
  throw new RobustlyError('data-unsafe', `${name} is ${width} x ${height} pixels; up to ${pixels} pixels are read`, {
    hint: 'resize the pictures to what the model takes',
  })
}

type Kind = 'png' | 'jpeg' | 'webp'

const signatures: readonly {
  readonly kind: Kind | string
  readonly matches: (start: Uint8Array, text: string) => boolean
}[] = [
  { kind: 'png', matches: start => pngMagic.every((byte, index) => start[index] === byte) },
  { kind: 'jpeg', matches: start => start[0] === 0xff && start[1] === 0xd8 && start[2] === 0xff },
  { kind: 'webp', matches: (_, text) => text.startsWith('RIFF') && text.startsWith('WEBP', 8) },
  { kind: 'a GIF', matches: (_, text) => text.startsWith('GIF8') },
  { kind: 'a BMP', matches: (_, text) => text.startsWith('BM') },
  { kind: 'a TIFF', matches: (_, text) => text.startsWith('II*\0') || text.startsWith('MM\0*') },
  { kind: 'an AVIF or HEIF', matches: (_, text) => text.startsWith('ftyp', 4) },
  { kind: 'SVG or other markup', matches: (_, text) => /^(\u00ef\u00bb\u00bf)?\s*</.test(text) },
]

function kindOf(bytes: Uint8Array, name: string): Kind {
  if (bytes.length === 0) throw new RobustlyError('data-invalid', `${name} is empty (0 bytes)`)
  const start = bytes.subarray(0, 32)
  const text = String.fromCharCode(...start)
  const kind = signatures.find(signature => signature.matches(start, text))?.kind
  if (kind === 'png' || kind === 'jpeg' || kind === 'webp') return kind
  throw new RobustlyError(
    'data-unsupported',
    `${name} is ${kind ?? 'no picture that is known'}; PNG, JPEG and WebP are read`,
    {
      hint: 'convert it to PNG, which keeps every pixel',
    },
  )
}
