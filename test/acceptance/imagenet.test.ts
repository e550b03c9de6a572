/**
 * EfficientNet-Lite0 with its ImageNet weights, as `test/exports/efficientnet_lite.py test/exports/large` exports it, on real pictures.
 * The file is 19 MB and not kept: without it the test is skipped, and says so.
 */
import { existsSync, readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import sharp from 'sharp'
import { describe, expect, it } from 'vitest'
import { asset } from '../support/assets.js'
import { attacked } from '../support/attacked.js'
import { imageSpace } from '../support/models.js'

const path = fileURLToPath(new URL('../exports/large/efficientnet-lite0.onnx', import.meta.url))
const pictures = asset('data/pictures')
const isThere = existsSync(path) && pictures !== undefined

if (!isThere) {
  console.warn('SKIPPED: EfficientNet-Lite0 on pictures of ImageNet; test/exports/README.md says how to make the model')
}

const side = 224

/** Red, green and blue in [0, 1], resized as the weights were evaluated; the label is the last number of the name. */
async function picture(name: string) {
  const pixels = await sharp(`${pictures}/${name}`)
    .resize(side, side, { kernel: 'cubic', fit: 'fill' })
    .removeAlpha()
    .raw()
    .toBuffer()
  const plane = side * side
  const input = Float32Array.from(
    { length: 3 * plane },
    (_, i) => pixels[3 * (i % plane) + Math.floor(i / plane)]! / 255,
  )
  return { input, label: Number(/_(\d+)\.jpg$/.exec(name)![1]) }
}

describe.skipIf(!isThere)('EfficientNet-Lite0', () => {
  it('knows at least 17 of 20 pictures, which noise leaves and PGD does not', { timeout: 120_000 }, async () => {
    const names = readdirSync(pictures!).filter(name => /^imagenet_\d+_\d+\.jpg$/.test(name))
    const samples = await Promise.all(names.map(picture))
    const trial = { path, space: imageSpace(3, side, side), epsilon: 1 / 255 } as const
    const noise = await attacked({ ...trial, samples, attack: 'uniform-noise', options: { repeats: 1 } })
    expect(samples.length).toBe(20)
    // 17 or 18 by the decoder and the resizing.
    expect(noise.correct).toBeGreaterThanOrEqual(17)
    expect(noise.broken).toBeLessThanOrEqual(1)
    const few = samples.slice(0, 6)
    const pgd = await attacked({ ...trial, samples: few, attack: 'pgd', options: { steps: 8 } })
    expect(pgd.correct).toBeGreaterThan(3)
    expect(pgd.broken).toBe(pgd.correct)
  })
})
