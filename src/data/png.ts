/**
 * PNG pixels. The chunks are walked here first (sizes, checksums, how much the pixels inflate to) and only what belongs
 * to the pixels is handed to the decoder, so it never allocates by a number in a file or inflates a profile.
 * Colour profiles and gamma are ignored, as the readers of training pipelines do.
 */

import { crc32, inflateSync } from 'node:zlib'
import { decode } from 'fast-png'
import { RobustlyError } from '../errors.js'
import type { Header, Picture } from './picture.js'

export const pngMagic = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a)

/** Bytes from the start of a file that hold its size. */
export const pngHeaderBytes = 33

interface Ihdr {
  readonly width: number
  readonly height: number
  readonly depth: number
  readonly color: number
  readonly interlaced: boolean
}

interface ColorType {
  /** Values stored for a pixel. */
  readonly stored: number
  /** Channels without alpha. */
  readonly channels: 1 | 3
  readonly alpha: boolean
  readonly depths: readonly number[]
}

const palette = 3

/** Colour types of the PNG specification, table 11.1. */
const colorTypes: Readonly<Record<number, ColorType>> = {
  0: { stored: 1, channels: 1, alpha: false, depths: [1, 2, 4, 8, 16] },
  2: { stored: 3, channels: 3, alpha: false, depths: [8, 16] },
  3: { stored: 1, channels: 3, alpha: false, depths: [1, 2, 4, 8] },
  4: { stored: 2, channels: 1, alpha: true, depths: [8, 16] },
  6: { stored: 4, channels: 3, alpha: true, depths: [8, 16] },
}

/** Width, height and channels without alpha, from the first `pngHeaderBytes` bytes. */
export function pngHeader(bytes: Uint8Array, name: string): Header {
  const { width, height, color } = readIhdr(bytes, name)
  return { width, height, channels: colorTypes[color]!.channels }
}

function readIhdr(bytes: Uint8Array, name: string): Ihdr {
  if (bytes.length < pngHeaderBytes) throw damaged(name, 'the file is cut off')
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const [width, height, depth, color] = [view.getUint32(16), view.getUint32(20), bytes[24]!, bytes[25]!]
  const sound =
    ascii(bytes, 12) === 'IHDR' && view.getUint32(8) === 13 && crc32(bytes.subarray(12, 29)) === view.getUint32(29)
  const known = colorTypes[color]?.depths.includes(depth) && bytes[26] === 0 && bytes[27] === 0 && bytes[28]! <= 1
  if (!sound || !known || width === 0 || height === 0) throw damaged(name, 'its header is not valid')
  return { width, height, depth, color, interlaced: bytes[28] === 1 }
}

/** Decodes a whole file whose pixel count the caller has allowed. Opaque alpha is dropped; other alpha is refused. */
export function decodePng(bytes: Uint8Array, name: string): Picture {
  const ihdr = readIhdr(bytes, name)
  const kept = pixelChunks(bytes, name)
  checkInflated(kept, ihdr, name)
  const image = attempt(name, () => decode(Buffer.concat([pngMagic, ...kept.map(({ whole }) => whole)])))
  const values = unpack(image.data, ihdr)
  if (ihdr.color === palette)
    return { ...ihdr, channels: 3, maximum: 255, values: applyPalette(values, image.palette ?? [], name) }
  const { channels, stored, alpha } = colorTypes[ihdr.color]!
  const maximum = 2 ** ihdr.depth - 1
  if (image.transparency) checkKeyUnused(values, image.transparency, name)
  return { ...ihdr, channels, maximum, values: alpha ? dropAlpha(values, stored, { maximum, name }) : values }
}

interface Chunk {
  readonly type: string
  readonly data: Uint8Array
  /** With length, type and checksum. */
  readonly whole: Uint8Array
}

const pixelTypes = ['IHDR', 'PLTE', 'tRNS', 'IDAT', 'IEND']

function pixelChunks(bytes: Uint8Array, name: string): Chunk[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const kept: Chunk[] = []
  let at = pngMagic.length
  while (kept.at(-1)?.type !== 'IEND') {
    const end = at + 12 + (at + 8 <= bytes.length ? view.getUint32(at) : 0)
    if (end > bytes.length) throw damaged(name, 'the file is cut off')
    const type = ascii(bytes, at + 4)
    if (type === 'acTL') {
      throw new RobustlyError('data-unsupported', `${name} is an animated PNG`, { hint: 'save one frame of it' })
    }
    if (pixelTypes.includes(type)) {
      if (crc32(bytes.subarray(at + 4, end - 4)) !== view.getUint32(end - 4))
        throw damaged(name, `the checksum of ${type} is wrong`)
      kept.push({ type, data: bytes.subarray(at + 8, end - 4), whole: bytes.subarray(at, end) })
    }
    at = end
  }
  const once = ['IHDR', 'PLTE', 'tRNS'].every(type => kept.filter(chunk => chunk.type === type).length <= 1)
  if (!once) throw damaged(name, 'it has two headers')
  return kept
}

/** Throws unless the compressed pixels have exactly the bytes that the header announces. */
function checkInflated(chunks: readonly Chunk[], ihdr: Ihdr, name: string): void {
  if (ihdr.interlaced && ihdr.depth < 8) {
    throw new RobustlyError('data-unsupported', `${name} is interlaced with ${ihdr.depth} bits per value`, {
      hint: 'save it without interlacing',
    })
  }
  const bits = ihdr.depth * colorTypes[ihdr.color]!.stored
  const pass = (width: number, height: number) => (width > 0 ? height * (1 + Math.ceil((width * bits) / 8)) : 0)
  const expected = ihdr.interlaced
    ? adam7.reduce(
        (sum, [x, y, dx, dy]) => sum + pass(Math.ceil((ihdr.width - x) / dx), Math.ceil((ihdr.height - y) / dy)),
        0,
      )
    : pass(ihdr.width, ihdr.height)
  const compressed = Buffer.concat(chunks.filter(({ type }) => type === 'IDAT').map(({ data }) => data))
  const inflated = attempt(name, () => inflateSync(compressed, { maxOutputLength: expected }))
  if (inflated.length !== expected)
    throw damaged(name, `it has ${inflated.length} bytes of pixels, expected ${expected}`)
}

/** First column and row, and steps, of the seven passes of an interlaced picture. */
const adam7 = [
  [0, 0, 8, 8],
  [4, 0, 8, 8],
  [0, 4, 4, 8],
  [2, 0, 4, 4],
  [0, 2, 2, 4],
  [1, 0, 2, 2],
  [0, 1, 1, 2],
] as const

type Pixels = Picture['values']

/** One array element for each value; values of less than a byte are packed from the high bits, each line on its own. */
function unpack(data: ArrayLike<number> & Iterable<number>, { width, height, depth }: Ihdr): Pixels {
  if (data instanceof Uint16Array) return data
  if (depth === 8) return data instanceof Uint8Array ? data : Uint8Array.from(data)
  const values = new Uint8Array(width * height)
  const lineBytes = Math.ceil((width * depth) / 8)
  const mask = 2 ** depth - 1
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const bit = x * depth
      values[y * width + x] = (data[y * lineBytes + (bit >> 3)]! >> (8 - depth - (bit & 7))) & mask
    }
  }
  return values
}

function applyPalette(indices: Pixels, colors: readonly (readonly number[])[], name: string): Uint8Array {
  const values = new Uint8Array(indices.length * 3)
  indices.forEach((index, pixel) => {
    const color = colors[index]
    if (!color) throw damaged(name, `it uses colour ${index} of a palette of ${colors.length}`)
    if ((color[3] ?? 255) !== 255) throw transparent(name)
    for (let channel = 0; channel < 3; channel++) values[pixel * 3 + channel] = color[channel]!
  })
  return values
}

/** A tRNS chunk makes all pixels of one gray level or one colour transparent: refused only when one is there. */
function checkKeyUnused(values: Pixels, key: Uint16Array, name: string): void {
  const stored = key.length
  for (let at = 0; at < values.length; at += stored) {
    if (key.every((level, channel) => values[at + channel] === level)) throw transparent(name)
  }
}

/** Takes the last of `stored` values of each pixel away. Throws `data-unsupported` unless it is opaque everywhere. */
export function dropAlpha(
  values: Pixels,
  stored: number,
  { maximum, name }: { maximum: number; name: string },
): Pixels {
  const channels = stored - 1
  const opaque = values.slice(0, (values.length / stored) * channels)
  for (let from = 0, to = 0; from < values.length; from += stored) {
    if (values[from + channels] !== maximum) throw transparent(name)
    for (let channel = 0; channel < channels; channel++) opaque[to++] = values[from + channel]!
  }
  return opaque
}

function attempt<T>(name: string, action: () => T): T {
  try {
    return action()
  } catch (error) {
    const tooLarge = error instanceof RangeError && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE'
    throw damaged(name, tooLarge ? 'it has more pixels than its header says' : 'its pixels do not decode', error)
  }
}

function ascii(bytes: Uint8Array, at: number): string {
  return String.fromCharCode(...bytes.subarray(at, at + 4))
}

function damaged(name: string, why: string, cause?: unknown): RobustlyError {
  return new RobustlyError('data-invalid', `${name} is a damaged PNG: ${why}`, {
    cause,
    hint: 'copy or save the picture again, or leave it out',
  })
}

function transparent(name: string): RobustlyError {
  return new RobustlyError('data-unsupported', `${name} is partly transparent, and what is behind it is not known`, {
    hint: 'save it without an alpha channel, on the background that the model was trained with',
  })
}
