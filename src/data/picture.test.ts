import { existsSync, readdirSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { encode } from 'fast-png'
import sharp from 'sharp'
import { describe, expect, test } from 'vitest'
import { RobustlyError } from '../errors.js'
import { defaultLimits } from './dataset.js'
import { filesIn, type PngFields, pngChunk, pngFile } from './fixtures.test-support.js'
import { pictureReader } from './picture.js'
import { decodePng } from './png.js'

const shared = fileURLToPath(new URL('../../../shared/assets/data/pictures/', import.meta.url))
const present = existsSync(shared)
if (!present) console.log('skipped: real pictures, because ../shared/assets is not there')

const reader = pictureReader(defaultLimits)
const read = async (content: Uint8Array | string, options: Parameters<typeof pictureReader> = [defaultLimits]) =>
  pictureReader(...options).read(await filesIn({ 'a.png': content }), 'cat/a.png')

async function refusal(
  content: Uint8Array | string,
  ...options: Parameters<typeof pictureReader> | []
): Promise<RobustlyError> {
  const error = await read(
    content,
    options.length === 0 ? undefined : (options as Parameters<typeof pictureReader>),
  ).then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(RobustlyError)
  return error as RobustlyError
}

/** The same picture by another decoder. */
async function oracle(file: Uint8Array, channels: 1 | 3): Promise<number[]> {
  const gray = channels === 1 ? sharp(file).toColourspace('b-w') : sharp(file).toColourspace('srgb')
  return [...(await gray.removeAlpha().raw({ depth: 'uchar' }).toBuffer())]
}

describe('PNG', () => {
  const size = fc.record({ width: fc.integer({ min: 1, max: 12 }), height: fc.integer({ min: 1, max: 12 }) })
  const kinds = fc.constantFrom<Partial<import('sharp').PngOptions> & { gray?: boolean; alpha?: boolean }>(
    {},
    { gray: true },
    { alpha: true },
    { palette: true },
    { palette: true, colours: 4 },
    { palette: true, colours: 2 },
    { progressive: true },
    { progressive: true, gray: true },
    { adaptiveFiltering: true },
  )

  test('pixels are those that libpng sees: gray, RGB, opaque alpha, palettes of any depth, interlaced, filtered', async () => {
    await fc.assert(
      fc.asyncProperty(size, kinds, fc.infiniteStream(fc.nat(255)), async ({ width, height }, kind, levels) => {
        const { gray, alpha, ...options } = kind
        const raw = Uint8Array.from({ length: width * height * 3 }, () => levels.next().value as number)
        let image = sharp(raw, { raw: { width, height, channels: 3 } })
        if (gray) image = image.toColourspace('b-w')
        if (alpha) image = image.ensureAlpha()
        const file = await image.png(options).toBuffer()
        const picture = decodePng(file, 'a.png')
        expect(picture).toMatchObject({ width, height, maximum: 255 })
        expect(picture.channels).toBe(gray ? 1 : 3)
        expect([...picture.values]).toEqual(await oracle(file, picture.channels))
      }),
      { numRuns: 60 },
    )
  })

  test('16 bits keep all of their levels', () => {
    const data = Uint16Array.of(0, 1, 256, 65535)
    const picture = decodePng(encode({ width: 2, height: 2, depth: 16, channels: 1, data }), 'a.png')
    expect(picture).toMatchObject({ channels: 1, maximum: 65535 })
    expect([...picture.values]).toEqual([...data])
  })

  test.each<[string, PngFields, number, number[]]>([
    [
      '1 bit',
      {
        width: 10,
        height: 2,
        depth: 1,
        lines: [
          [0b10100000, 0b01000000],
          [0, 0b11000000],
        ],
      },
      1,
      [1, 0, 1, 0, 0, 0, 0, 0, 0, 1, ...Array<number>(8).fill(0), 1, 1],
    ],
    ['2 bits', { width: 3, height: 1, depth: 2, lines: [[0b00011100]] }, 3, [0, 1, 3]],
    ['4 bits', { width: 3, height: 1, depth: 4, lines: [[0x0f, 0x70]] }, 15, [0, 15, 7]],
  ])('gray of %s', (_, fields, maximum, values) => {
    const picture = decodePng(pngFile(fields), 'a.png')
    expect(picture).toMatchObject({ channels: 1, maximum })
    expect([...picture.values]).toEqual(values)
  })

  test('a transparent colour that no pixel has is no transparency', () => {
    const gray: PngFields = { width: 2, height: 1, lines: [[1, 2]] }
    const key = (level: number) => ({ ...gray, extra: [pngChunk('tRNS', Uint8Array.of(0, level))] })
    expect([...decodePng(pngFile(key(3)), 'a.png').values]).toEqual([1, 2])
    expect(() => decodePng(pngFile(key(2)), 'a.png')).toThrow(/partly transparent/)
  })

  const gray: PngFields = {
    width: 2,
    height: 2,
    lines: [
      [1, 2],
      [3, 4],
    ],
  }
  const good = pngFile(gray)
  const rgba = (alpha: number): PngFields => ({ width: 1, height: 1, color: 6, lines: [[9, 8, 7, alpha]] })
  const palette: PngFields = { width: 1, height: 1, color: 3, lines: [[0]] }
  const colors = pngChunk('PLTE', Uint8Array.of(1, 2, 3))
  const flipped = Buffer.from(good)
  flipped[good.indexOf('IDAT') + 8]! ^= 0xff
  test.each<[string, Uint8Array | string, string, RegExp]>([
    [
      '50 000 x 50 000',
      pngFile({ width: 50_000, height: 50_000, lines: [] }),
      'data-unsafe',
      /50000 x 50000 pixels; up to 64000000/,
    ],
    ['2^31 wide', pngFile({ width: 2 ** 31 - 1, height: 1, lines: [] }), 'data-unsafe', /pixels; up to/],
    ['0 wide', pngFile({ width: 0, height: 2, lines: [] }), 'data-invalid', /header is not valid/],
    [
      'a bomb behind a small header',
      pngFile({ ...gray, inflated: new Uint8Array(1e7) }),
      'data-invalid',
      /more pixels than its header says/,
    ],
    ['too few pixels', pngFile({ ...gray, lines: [[1, 2]] }), 'data-invalid', /3 bytes of pixels, expected 6/],
    ['no pixels', good.subarray(0, 33), 'data-invalid', /cut off/],
    ['cut off in the pixels', good.subarray(0, -16), 'data-invalid', /cut off/],
    ['cut off in the header', good.subarray(0, 20), 'data-invalid', /cut off/],
    ['a wrong checksum', flipped, 'data-invalid', /checksum of IDAT/],
    [
      'an unknown filter',
      pngFile({ ...gray, inflated: Uint8Array.of(9, 1, 2, 0, 3, 4) }),
      'data-invalid',
      /do not decode/,
    ],
    ['an impossible depth', pngFile({ ...gray, depth: 3 }), 'data-invalid', /header is not valid/],
    ['two headers', pngFile({ ...gray, extra: [good.subarray(8, 33)] }), 'data-invalid', /two headers/],
    ['animated', pngFile({ ...gray, extra: [pngChunk('acTL', new Uint8Array(8))] }), 'data-unsupported', /animated/],
    ['partly transparent', pngFile(rgba(254)), 'data-unsupported', /partly transparent/],
    [
      'transparent palette',
      pngFile({ ...palette, extra: [colors, pngChunk('tRNS', Uint8Array.of(0))] }),
      'data-unsupported',
      /transparent/,
    ],
    [
      'a colour outside the palette',
      pngFile({ ...palette, lines: [[1]], extra: [colors] }),
      'data-invalid',
      /colour 1 of a palette of 1/,
    ],
    ['no palette', pngFile(palette), 'data-invalid', /palette of 0/],
    ['interlaced bits', pngFile({ ...gray, depth: 1, interlace: 1 }), 'data-unsupported', /interlaced/],
    ['zero bytes', '', 'data-invalid', /cat\/a\.png is empty/],
    [
      'SVG',
      '<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
      'data-unsupported',
      /SVG or other markup/,
    ],
    ['SVG behind an XML header', '<?xml version="1.0"?><svg/>', 'data-unsupported', /SVG/],
    ['an animated GIF', 'GIF89a…', 'data-unsupported', /is a GIF; PNG, JPEG and WebP are read/],
    ['text', 'hello', 'data-unsupported', /no picture that is known/],
  ])('bad input 30: %s', async (_, content, code, message) => {
    const error = await refusal(content)
    expect(error.code).toBe(code)
    expect(error.message).toMatch(message)
    expect(error.message).toContain('cat/a.png')
  })

  test('a colour profile that is a bomb is not looked at', () => {
    const profile = pngChunk('iCCP', Buffer.from('name\0\0not even compressed'))
    expect([...decodePng(pngFile({ ...gray, extra: [profile] }), 'a.png').values]).toEqual([1, 2, 3, 4])
  })

  test('opaque alpha is dropped', () => {
    expect([...decodePng(pngFile(rgba(255)), 'a.png').values]).toEqual([9, 8, 7])
  })

  test('damaged pictures end in a reading or a coded error', async () => {
    const file = encode({ width: 5, height: 4, channels: 3, data: Uint8Array.from({ length: 60 }, (_, at) => at) })
    const change = fc.tuple(fc.nat(file.length - 1), fc.nat(255))
    fc.assert(
      fc.property(fc.array(change, { minLength: 1, maxLength: 3 }), fc.nat(file.length * 2), (changes, cut) => {
        const damaged = Uint8Array.from(file)
        for (const [at, value] of changes) damaged[at] = value
        try {
          decodePng(damaged.subarray(0, cut), 'a.png')
        } catch (error) {
          if (!(error instanceof RobustlyError)) throw error
        }
      }),
      { numRuns: 500 },
    )
  })
})

describe('JPEG and WebP', () => {
  const raw = Uint8Array.from({ length: 8 * 6 * 3 }, (_, at) => (at * 37) % 256)
  const image = () => sharp(raw, { raw: { width: 8, height: 6, channels: 3 } })

  test('pixels are as they are stored: the EXIF orientation is not applied', async () => {
    const plain = await image().jpeg({ quality: 95 }).toBuffer()
    const turned = await sharp(plain).withMetadata({ orientation: 6 }).jpeg({ quality: 95 }).toBuffer()
    expect((await sharp(turned).metadata()).orientation).toBe(6)
    expect(await read(turned)).toMatchObject({ width: 8, height: 6, channels: 3, maximum: 255 })
    expect([...(await read(plain)).values]).toEqual(await oracle(plain, 3))
  })

  test('gray stays one channel', async () => {
    const gray = await image().toColourspace('b-w').jpeg().toBuffer()
    const picture = await read(gray)
    expect(picture.channels).toBe(1)
    expect([...picture.values]).toEqual(await oracle(gray, 1))
  })

  test('lossless WebP with opaque alpha gives the bytes back', async () => {
    expect([...(await read(await image().ensureAlpha().webp({ lossless: true }).toBuffer())).values]).toEqual([...raw])
  })

  test('the decoder and its version are known afterwards', async () => {
    const own = pictureReader(defaultLimits)
    expect(own.decoder()).toBeUndefined()
    await own.read(await filesIn({ 'a.jpg': await image().jpeg().toBuffer() }), 'a.jpg')
    expect(own.decoder()).toMatch(/^sharp \d+\.\d+\.\d+ \(libvips \d/)
  })

  test('without sharp the way out is said', async () => {
    const load = () => Promise.reject(new Error("Cannot find package 'sharp'"))
    const error = await refusal(await image().jpeg().toBuffer(), defaultLimits, load)
    expect(error).toMatchObject({ code: 'data-unsupported', hint: 'npm install sharp, or convert the pictures to PNG' })
    expect([
      ...(
        await pictureReader(defaultLimits, load).read(
          await filesIn({ 'a.png': pngFile({ width: 1, height: 1, lines: [[5]] }) }),
          'a',
        )
      ).values,
    ]).toEqual([5])
  })

  test('bad input 30: CMYK, cut off, animated, transparent, too large', async () => {
    const jpeg = await image().jpeg({ quality: 95 }).toBuffer()
    const cmyk = await image().toColourspace('cmyk').jpeg().toBuffer()
    expect(await refusal(cmyk)).toMatchObject({ code: 'data-unsupported', message: expect.stringContaining('cmyk') })
    expect(await refusal(jpeg.subarray(0, jpeg.length - 60))).toMatchObject({ code: 'data-invalid' })
    expect(await refusal(jpeg.subarray(0, 30))).toMatchObject({ code: 'data-invalid' })
    const glass = await sharp({
      create: { width: 2, height: 2, channels: 4, background: { r: 1, g: 2, b: 3, alpha: 0.5 } },
    })
      .webp()
      .toBuffer()
    expect(await refusal(glass)).toMatchObject({ message: expect.stringContaining('partly transparent') })
    const frames = Uint8Array.from({ length: 4 * 4 * 3 * 2 }, (_, at) => at * 5)
    const animated = await sharp(frames, { raw: { width: 4, height: 8, channels: 3, pageHeight: 4 } })
      .webp({ lossless: true })
      .toBuffer()
    expect(await refusal(animated)).toMatchObject({ message: expect.stringContaining('animated') })
    expect(await refusal(jpeg, { ...defaultLimits, pixels: 47 })).toMatchObject({
      code: expect.stringMatching(/data-(unsafe|invalid)/),
    })
    expect(await refusal(jpeg, { ...defaultLimits, pictureBytes: 20 })).toMatchObject({ code: 'data-unsafe' })
  })
})

describe.skipIf(!present)('real pictures', () => {
  test.each(present ? readdirSync(shared).filter(name => /_0[0-3]_\d+\.(png|jpg)$/.test(name)) : [])(
    '%s',
    async name => {
      const file = await readFile(shared + name)
      const picture = await reader.read(shared + name, name)
      expect(picture).toMatchObject(await reader.header(shared + name, name))
      expect(Buffer.compare(Buffer.from(picture.values), Buffer.from(await oracle(file, picture.channels)))).toBe(0)
    },
  )
})
