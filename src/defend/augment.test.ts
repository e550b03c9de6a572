import fc from 'fast-check'
import { expect, it } from 'vitest'
import { randomStream } from '../random.js'
import { shiftImages } from './augment.js'

it('shifts every channel of an image by the same offset and lets zeros in', () => {
  fc.assert(
    fc.property(fc.nat(1000), fc.integer({ min: 1, max: 6 }), (seed, most) => {
      const [height, width] = [4, 5]
      const image = Float32Array.from({ length: 2 * height * width }, (_, i) => i + 1)
      const shifted = image.slice()
      shiftImages(shifted, [2, height, width], most, () => randomStream(seed, 0, 'test'))
      const stream = randomStream(seed, 0, 'test')
      const [down, right] = [stream.integer(2 * most + 1) - most, stream.integer(2 * most + 1) - most]
      for (let i = 0; i < image.length; i++) {
        const [channel, y, x] = [Math.floor(i / 20), Math.floor(i / width) % height, i % width]
        const [fromY, fromX] = [y - down, x - right]
        const inside = fromY >= 0 && fromY < height && fromX >= 0 && fromX < width
        expect(shifted[i]).toBe(inside ? image[channel * 20 + fromY * width + fromX] : 0)
      }
    }),
  )
})

it('refuses samples that are no images', () => {
  const shift = () => shiftImages(new Float32Array(4), [4], 1, () => randomStream(0, 0, 'test'))
  expect(shift).toThrow('only images can be shifted, the samples have shape [4]')
})
