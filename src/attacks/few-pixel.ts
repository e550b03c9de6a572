/**
 * One-pixel and few-pixel attack: differential evolution over the places and colours of the pixels to change. Su, Vargas, Sakurai, "One
 * pixel attack for fooling deep neural networks" (IEEE TEVC 2019), with the paper's population of 400 and 100 generations.
 *
 * Differences from the paper: places leave the image on neither side (they are clamped), and the fitness is the logarithm of
 * the true class's probability, which orders candidates as the probability does but does not saturate.
 */
import { z } from 'zod'
import type { Random } from '../random.js'
import { regionOf } from '../threat/threat.js'
import { askScoresOfMany, defineAttack, type Steps } from './attack.js'
import { type Extremes, extremesOf } from './extremes.js'
import { type ImageLayout, imageLayout } from './image.js'
import { scoreLosses } from './score-loss.js'

export const fewPixelOptions = z.strictObject({
  pixels: z
    .int()
    .min(1)
    .max(100_000)
    .optional()
    .describe('pixels to change; default as many as epsilon features are, at least 1'),
  population: z.int().min(4).max(100_000).default(400).describe('candidates of a generation'),
  generations: z.int().min(0).max(100_000).default(100).describe('generations after the first'),
  scale: z.number().positive().max(2).default(0.5).describe('weight of the difference of two candidates (F)'),
})

export const fewPixel = defineAttack({
  name: 'few-pixel',
  paper: 'Su, Vargas, Sakurai, One pixel attack for fooling deep neural networks, IEEE TEVC 2019',
  access: 'scores',
  norms: ['L0'],
  kind: 'budget',
  options: fewPixelOptions,
  losses: () => [],
  *search(sample, threat, { pixels, population, generations, scale }, random) {
    const region = regionOf(threat, sample.input)
    const image = imageLayout(sample.shape)
    const stream = random(0)
    const genes = 2 + image.channels
    const count = pixels ?? Math.max(1, Math.floor(region.epsilon / image.channels))
    const length = count * genes
    const ends = extremesOf(region)
    const parents = Array.from({ length: population }, () => firstCandidate(count, image, stream))
    const children = parents.map(candidate => candidate.slice())
    const points = Array.from({ length: Math.min(population, 32) }, () => sample.input.slice())
    const fitness = new Float64Array(population)

    /** What the adversary gains by each candidate. */
    function* gains(candidates: readonly Float64Array[]): Steps<'scores', Float64Array> {
      const out = new Float64Array(candidates.length)
      for (let done = 0; done < candidates.length; done += points.length) {
        const part = candidates.slice(done, done + points.length)
        part.forEach((candidate, k) => {
          paint(candidate, sample.input, ends, image, points[k])
        })
        const replies = yield* askScoresOfMany(part.length === points.length ? points : points.slice(0, part.length))
        replies.forEach(({ logits }, k) => {
          out[done + k] = scoreLosses['cross-entropy'](logits, sample.label)
        })
      }
      return out
    }

    fitness.set(yield* gains(parents))
    for (let generation = 0; generation < generations; generation++) {
      for (let i = 0; i < population; i++) {
        const [a, b, c] = threeOthers(i, population, stream)
        for (let k = 0; k < length; k++) {
          children[i][k] = Math.min(1, Math.max(0, parents[a][k] + scale * (parents[b][k] - parents[c][k])))
        }
      }
      const gained = yield* gains(children)
      for (let i = 0; i < population; i++) {
        if (gained[i] <= fitness[i]) continue
        parents[i].set(children[i])
        fitness[i] = gained[i]
      }
    }
    const point = sample.input.slice()
    paint(parents[fitness.indexOf(Math.max(...fitness))], sample.input, ends, image, point)
    return point
  },
})

/** For each pixel its row, its column and its colour per channel, all in [0, 1]: places uniform, colours N(128, 127) / 255. */
function firstCandidate(count: number, { channels }: ImageLayout, random: Random): Float64Array {
  const candidate = new Float64Array(count * (2 + channels))
  for (let k = 0; k < candidate.length; k++) {
    const place = k % (2 + channels) < 2
    const value = place ? random.uniform() : (128 + 127 * random.normal()) / 255
    candidate[k] = Math.min(1, Math.max(0, value))
  }
  return candidate
}

/** Three different candidates, none of them the i-th. */
function threeOthers(i: number, population: number, random: Random): [number, number, number] {
  const chosen: number[] = [i]
  while (chosen.length < 4) {
    const other = random.integer(population)
    if (!chosen.includes(other)) chosen.push(other)
  }
  return [chosen[1], chosen[2], chosen[3]]
}

/** out = the input with the candidate's pixels. */
function paint(
  candidate: Float64Array,
  input: Float32Array,
  { low, high }: Extremes,
  { channels, height, width, channelStride, rowStride, columnStride }: ImageLayout,
  out: Float32Array,
): void {
  out.set(input)
  for (let k = 0; k < candidate.length; k += 2 + channels) {
    const row = Math.min(height - 1, Math.floor(candidate[k] * height))
    const column = Math.min(width - 1, Math.floor(candidate[k + 1] * width))
    for (let channel = 0; channel < channels; channel++) {
      const at = channel * channelStride + row * rowStride + column * columnStride
      out[at] = low[at] + candidate[k + 2 + channel] * (high[at] - low[at])
    }
  }
}
