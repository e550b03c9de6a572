/**
 * Bandits: ascends a gradient that is learnt along the way as a prior, from two queries a step, on tiles of pixels. Ilyas, Engstrom,
 * Madry, "Prior convictions: black-box adversarial attacks with bandits and priors" (ICLR 2019).
 *
 * Differences from the reference implementation (blackbox-bandits): the step size is a share of epsilon (its 0.01 of 0.05 in Linf, 0.5 of
 * 5 in L2); exponentiated gradients on (prior + 1) / 2 are written as prior = tanh(sum of the updates), which is the same
 * and cannot overflow; the 50 tiles along a side that the reference has for 299 pixels are taken for large images, tiles of 2 x 2 pixels for
 * small ones; the points it asks about are clamped to the box, and a third query of each step sees the point itself.
 */
import { z } from 'zod'
import { clampToBox, type NormName } from '../threat/norm.js'
import { regionOf } from '../threat/threat.js'
import { askScores, askScoresOfMany, defineAttack } from './attack.js'
import { type ImageLayout, imageLayout } from './image.js'
import { boxOf } from './nearest.js'
import { scoreLoss, scoreLosses } from './score-loss.js'

export const banditsOptions = z.strictObject({
  queries: z.int().min(1).max(10_000_000).default(10_000).describe('queries in all, three a step'),
  width: z
    .number()
    .positive()
    .optional()
    .describe('L2 length of the differences (eta); default 0.1 for Linf, 0.01 for L2'),
  exploration: z
    .number()
    .positive()
    .optional()
    .describe('size of the trial changes of the prior (delta); default 1 and 0.01'),
  priorStep: z.number().positive().optional().describe('learning rate of the prior; default 100 and 0.1'),
  stepSize: z.number().positive().max(2).optional().describe('step, as a share of epsilon; default 0.2 and 0.1'),
  tiles: z
    .int()
    .min(1)
    .optional()
    .describe(
      'tiles along each side; default: 50 for images of 96 pixels and more, half of the pixels for smaller ones, all for other data',
    ),
  loss: scoreLoss.default('cross-entropy'),
})

interface Mode {
  readonly width: number
  readonly exploration: number
  readonly priorStep: number
  readonly stepSize: number
  /** The prior from the sum of its updates. */
  link(sum: number): number
}

const modes: { readonly [N in NormName]?: Mode } = {
  Linf: { width: 0.1, exploration: 1, priorStep: 100, stepSize: 0.2, link: Math.tanh },
  L2: { width: 0.01, exploration: 0.01, priorStep: 0.1, stepSize: 0.1, link: sum => sum },
}

export const bandits = defineAttack({
  name: 'bandits',
  paper: 'Ilyas, Engstrom, Madry, Prior convictions: black-box adversarial attacks with bandits and priors, ICLR 2019',
  access: 'scores',
  norms: ['Linf', 'L2'],
  kind: 'budget',
  options: banditsOptions,
  losses: () => [],
  *search(sample, threat, options, random) {
    const mode = modes[threat.norm.name]!
    const { width, exploration, priorStep, stepSize } = { ...mode, ...options }
    const region = regionOf(threat, sample.input)
    const box = boxOf(sample, threat)
    const stream = random(0)
    const loss = (scores: Float32Array) => scoreLosses[options.loss](scores, sample.label)
    const tileOf = tileMap(imageLayout(sample.shape), options.tiles)
    const dimensions = Math.max(...tileOf) + 1
    const sums = new Float64Array(dimensions)
    const noise = new Float64Array(dimensions)
    const point = sample.input.slice()
    const gradient = new Float32Array(point.length)
    const probes = [point.slice(), point.slice()]

    /** out = x + width * u / ||u|| with u the prior and its trial change on the pixels. */
    const probe = (sign: number, out: Float32Array) => {
      let length = 0
      for (let i = 0; i < out.length; i++) {
        const tile = tileOf[i]
        out[i] = mode.link(sums[tile]) + sign * noise[tile]
        length += out[i] * out[i]
      }
      const scale = length > 0 ? width / Math.sqrt(length) : 0
      for (let i = 0; i < out.length; i++) out[i] = point[i] + scale * out[i]
      clampToBox(out, box)
    }

    for (let used = 0; used + 3 <= options.queries; used += 3) {
      for (let k = 0; k < dimensions; k++) noise[k] = (exploration * stream.normal()) / Math.sqrt(dimensions)
      probe(1, probes[0])
      probe(-1, probes[1])
      const [ahead, behind] = yield* askScoresOfMany(probes)
      const slope = (loss(ahead.logits) - loss(behind.logits)) / (width * exploration)
      for (let k = 0; k < dimensions; k++) sums[k] += priorStep * slope * noise[k]
      for (let i = 0; i < gradient.length; i++) gradient[i] = mode.link(sums[tileOf[i]])
      const size = stepSize * threat.epsilon
      threat.norm.ascend({ point, previous: point, gradient, size, momentum: 1, features: undefined }, region, point)
      yield* askScores(point)
    }
    return point
  },
})

/** The tile of each feature, numbered from 0. */
function tileMap(image: ImageLayout, wanted: number | undefined): Uint32Array {
  const { channels, height, width, channelStride, rowStride, columnStride } = image
  const along = (size: number) => {
    if (wanted !== undefined) return Math.min(wanted, size)
    if (height === 1 || width === 1) return size
    return size >= 96 ? 50 : Math.ceil(size / 2)
  }
  const [rows, columns] = [along(height), along(width)]
  const map = new Uint32Array(channels * height * width)
  for (let channel = 0; channel < channels; channel++) {
    for (let i = 0; i < height; i++) {
      for (let j = 0; j < width; j++) {
        const tile = Math.floor((i * rows) / height) * columns + Math.floor((j * columns) / width)
        map[channel * channelStride + i * rowStride + j * columnStride] = channel * rows * columns + tile
      }
    }
  }
  return map
}
