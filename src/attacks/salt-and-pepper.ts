/**
 * Salt-and-pepper noise: pixels at either end of the box, more of them until the model errs, then fewer, as long as steps are left. As
 * foolbox's SaltAndPepperNoiseAttack, which counts distances in L2; here in the threat model's norm.
 */
import { z } from 'zod'
import type { Random } from '../random.js'
import { askLabel, defineAttack } from './attack.js'
import { type Extremes, extremesOf } from './extremes.js'
import { type ImageLayout, imageLayout } from './image.js'
import { boxOf, nearestTo } from './nearest.js'

export const saltAndPepperOptions = z.strictObject({
  steps: z.int().min(1).max(1_000_000).default(1000).describe('points drawn in each repeat'),
  repeats: z.int().min(1).max(10_000).default(1).describe('how often to start again from no noise'),
  acrossChannels: z.boolean().default(true).describe('a pixel is changed in all of its channels or in none'),
})

export const saltAndPepper = defineAttack({
  name: 'salt-and-pepper',
  paper: 'Rauber, Brendel, Bethge, Foolbox, ICML 2017 workshop (salt and pepper)',
  access: 'labels',
  norms: ['L0', 'L1', 'L2'],
  kind: 'minimum',
  family: 'noise',
  options: saltAndPepperOptions,
  losses: () => [],
  *search(sample, threat, { steps, repeats, acrossChannels }, random) {
    const nearest = nearestTo(sample, threat)
    const ends = extremesOf(boxOf(sample, threat))
    const layout = imageLayout(sample.shape)
    const point = new Float32Array(sample.input.length)
    for (let repeat = 0; repeat < repeats; repeat++) {
      const stream = random(repeat)
      let least = 0
      let most = 1
      let size = 1 / steps
      let share = size
      for (let step = 0; step < steps; step++) {
        point.set(sample.input)
        sprinkle(point, share, ends, layout, acrossChannels, stream)
        const before = nearest.distance
        const { label } = yield* askLabel(point)
        const nearer = nearest.offer(point, label) && nearest.distance < before
        if (nearer) {
          least = share / 2
          most = share
          size = (most - least) / (steps - step)
        }
        share = Math.min(most, (nearer || share >= most ? least : share) + size)
      }
    }
    return nearest.point
  },
})

/** Sets about this share of the pixels (or features) to one end each. */
function sprinkle(
  point: Float32Array,
  share: number,
  { low, high }: Extremes,
  { channels, height, width, channelStride, rowStride, columnStride }: ImageLayout,
  acrossChannels: boolean,
  random: Random,
): void {
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      let draw = random.uniform()
      for (let channel = 0; channel < channels; channel++) {
        if (channel > 0 && !acrossChannels) draw = random.uniform()
        const at = channel * channelStride + row * rowStride + column * columnStride
        if (draw < share / 2) point[at] = low[at]
        else if (draw >= 1 - share / 2) point[at] = high[at]
      }
    }
  }
}
