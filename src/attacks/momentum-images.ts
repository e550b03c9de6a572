/**
 * MI-FGSM for images, whose examples should not depend on where exactly a model looks. Images of a single row get plain MI-FGSM.
 *
 * - DI: half of the gradients are taken through a copy that is resized and padded at random. Xie, Zhang, Zhou, Bai, Wang, Ren, Yuille,
 *   "Improving transferability of adversarial examples with input diversity" (CVPR 2019). Their models take larger inputs than the images
 *   are (299 to 331 pixels); for a model of fixed input the copy is smaller instead, as in torchattacks: from 90 % of the side.
 * - TI: the gradient is smoothed, which stands for gradients through shifted copies. Dong, Pang, Su, Zhu, "Evading defenses to transferable
 *   adversarial examples by translation-invariant attacks" (CVPR 2019): 15 x 15, Gaussian, cut off at three standard deviations.
 */
import { z } from 'zod'
import type { Random } from '../random.js'
import { defineAttack, type Sample } from './attack.js'
import { applyMap, blur, imageLayout, resizedInto, transposeMap } from './image.js'
import { type GradientAt, gatherMomentum, momentumOptions, plain, shared } from './momentum.js'

export const diFgsm = defineAttack({
  ...shared,
  name: 'di-fgsm',
  pictures: () => true,
  paper: 'Xie et al., Improving transferability of adversarial examples with input diversity, CVPR 2019',
  options: momentumOptions.extend({
    probability: z.number().min(0).max(1).default(0.5).describe('share of the gradients through a resized copy'),
    least: z.number().positive().max(1).default(0.9).describe('smallest side of the copy, as a share of the image'),
  }),
  search: (sample, threat, options, random) =>
    gatherMomentum(sample, threat, options, diverse(sample, options, random(0))),
})

export const tiFgsm = defineAttack({
  ...shared,
  name: 'ti-fgsm',
  pictures: () => true,
  paper:
    'Dong et al., Evading defenses to transferable adversarial examples by translation-invariant attacks, CVPR 2019',
  options: momentumOptions.extend({
    kernel: z
      .int()
      .min(1)
      .max(999)
      .default(15)
      .refine(size => size % 2 === 1, 'expected an odd number')
      .describe(
        'pixels on each side of the kernel, an odd number; its standard deviation is a sixth of what lies between',
      ),
  }),
  search: (sample, threat, options) => gatherMomentum(sample, threat, options, smoothed(sample, options.kernel)),
})

function diverse(
  sample: Sample,
  { probability, least }: { readonly probability: number; readonly least: number },
  random: Random,
): GradientAt {
  const image = imageLayout(sample.shape)
  const direct = plain(sample)
  if (image.height === 1) return direct
  const copy = new Float32Array(sample.input.length)
  const gradient = new Float32Array(sample.input.length)
  return function* (point) {
    if (random.uniform() >= probability) return yield* direct(point)
    // One share for both sides: an image that is not square keeps its proportions.
    const share = least + (1 - least) * random.uniform()
    const [height, width] = [Math.floor(share * image.height), Math.floor(share * image.width)].map(side =>
      Math.max(1, side),
    )
    const [top, left] = [random.integer(image.height - height + 1), random.integer(image.width - width + 1)]
    const map = resizedInto(image, { top, left, height, width })
    applyMap(point, image, map, copy)
    transposeMap(yield* direct(copy), image, map, gradient)
    return gradient
  }
}

function smoothed(sample: Sample, size: number): GradientAt {
  const image = imageLayout(sample.shape)
  const direct = plain(sample)
  if (image.height === 1) return direct
  const kernel = gaussian(size)
  return function* (point) {
    const gradient = yield* direct(point)
    blur(gradient, image, kernel)
    return gradient
  }
}

/** So many points of the normal density, evenly spaced from -3 to 3, with a sum of one. */
export function gaussian(size: number): Float32Array {
  const at = (i: number) => (size === 1 ? 0 : (6 * i) / (size - 1) - 3)
  const weights = Float32Array.from({ length: size }, (_, i) => Math.exp(-(at(i) ** 2) / 2))
  const sum = weights.reduce((total, weight) => total + weight, 0)
  return weights.map(weight => weight / sum)
}
