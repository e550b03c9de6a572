/**
 * What decision-based attacks share: a misclassified point to start from, the way from a point to the boundary, and the boundary's
 * normal estimated from labels.
 */
import { z } from 'zod'
import type { Random } from '../random.js'
import { clampToBox, type Region } from '../threat/norm.js'
import type { ThreatModel } from '../threat/threat.js'
import { askLabel, type LabelReply, type Sample, type Steps } from './attack.js'
import { lengths } from './boundary.js'
import { type Extremes, extremesOf } from './extremes.js'
import { type ImageLayout, imageLayout } from './image.js'
import { boxOf, type Nearest } from './nearest.js'

export const starts = z
  .int()
  .min(1)
  .max(1_000_000)
  .default(1000)
  .describe('points tried as a start; when none is misclassified the attack says that it found nothing')

/** One label for each point. */
export function* askLabels(points: readonly Float32Array[]): Steps<'labels', readonly LabelReply[]> {
  return (yield { ask: 'labels', points }) as readonly LabelReply[]
}

interface Scene {
  readonly input: Float32Array
  readonly ends: Extremes
  readonly image: ImageLayout
  readonly random: Random
}

/** Ways to make a point that has little to do with the input. */
const ways: readonly ((scene: Scene, out: Float32Array) => void)[] = [
  ({ ends: { low, high }, random }, out) => {
    for (let i = 0; i < out.length; i++) out[i] = low[i] + (high[i] - low[i]) * random.uniform()
  },
  ({ ends: { low, high }, random }, out) => {
    for (let i = 0; i < out.length; i++) out[i] = random.uint32() & 1 ? high[i] : low[i]
  },
  coarse,
  ({ input, ends: { low, high } }, out) => {
    for (let i = 0; i < out.length; i++) out[i] = low[i] + high[i] - input[i]
  },
]

/** One colour for each of 1 x 1 to 8 x 8 tiles and each channel. */
function coarse({ ends: { low, high }, image, random }: Scene, out: Float32Array): void {
  const { channels, height, width, channelStride, rowStride, columnStride } = image
  const tiles = 1 + random.integer(8)
  for (let channel = 0; channel < channels; channel++) {
    const colours = Float64Array.from({ length: tiles * tiles }, () => random.uniform())
    for (let i = 0; i < height; i++) {
      for (let j = 0; j < width; j++) {
        const tile = Math.floor((i * tiles) / height) * tiles + Math.floor((j * tiles) / width)
        const at = channel * channelStride + i * rowStride + j * columnStride
        out[at] = low[at] + (high[at] - low[at]) * colours[tile]
      }
    }
  }
}

/**
 * A misclassified point of the box: noise of several kinds in the first half of the tries, then such noise blended with the input, from
 * a random share up. In an infinite box the noise grows as the tries go on. Undefined when none was misclassified.
 */
export function* startingPoint(
  sample: Sample,
  threat: ThreatModel,
  nearest: Nearest,
  tries: number,
  random: Random,
): Steps<'labels', Float32Array | undefined> {
  const { input } = sample
  const box = boxOf(sample, threat)
  const scene = { input, ends: extremesOf(box), image: imageLayout(sample.shape), random }
  const point = new Float32Array(input.length)
  for (let k = 0; k < tries; k++) {
    ways[k % ways.length](scene, point)
    const share = k < tries / 2 ? 1 : random.uniform()
    const growth = 2 ** Math.floor((20 * k) / tries)
    for (let i = 0; i < point.length; i++) point[i] = input[i] + share * growth * (point[i] - input[i])
    clampToBox(point, box)
    const { label } = yield* askLabel(point)
    if (nearest.offer(point, label)) return point
  }
  return undefined
}

/**
 * Draws a misclassified point towards the input by bisection of its distance, in the geometry of the norm (along the segment in L2, by
 * clipping in Linf), down to this share of the distance. Changes the point in place; it stays misclassified.
 */
export function* toBoundary(
  sample: Sample,
  { norm, box }: ThreatModel,
  nearest: Nearest,
  point: Float32Array,
  tolerance: number,
): Steps<'labels', void> {
  const { input } = sample
  const from = point.slice()
  const trial = new Float32Array(point.length)
  const distance = norm.distance(from, input)
  let low = 0
  let high = 1
  while (high - low > tolerance) {
    const share = (low + high) / 2
    trial.set(from)
    norm.project(trial, norm.region(input, share * distance, box))
    const { label } = yield* askLabel(trial)
    if (nearest.offer(trial, label)) {
      high = share
      point.set(trial)
    } else low = share
  }
}

export interface NormalEstimate {
  readonly queries: number
  /** How far from the point the labels are asked. */
  readonly width: number
  /** Fills a direction. */
  draw(out: Float32Array): void
  /** Subtracts the mean decision first, which lowers the variance (HopSkipJump, equation 16). */
  readonly centered: boolean
}

/** Directions in a query: bounds memory, not what is asked. */
export const chunk = 32

/** Scales to length 1; gives the length it had. */
export function normalise(vector: Float32Array | Float64Array): number {
  const length = lengths.L2(vector)
  if (length > 0) for (let i = 0; i < vector.length; i++) vector[i] /= length
  return length
}

/**
 * The direction in which points near a boundary point are misclassified: the mean of random directions, each with the sign of what
 * the model says there. out is not normalised.
 */
export function* boundaryNormal(
  sample: Sample,
  box: Region,
  point: Float32Array,
  { queries, width, draw, centered }: NormalEstimate,
  nearest: Nearest,
  out: Float32Array,
): Steps<'labels', void> {
  const features = point.length
  const probes = Array.from({ length: Math.min(chunk, queries) }, () => new Float32Array(features))
  const total = new Float64Array(features)
  const signed = new Float64Array(features)
  let misclassified = 0
  for (let done = 0; done < queries; done += probes.length) {
    const part = probes.slice(0, Math.min(probes.length, queries - done))
    for (const probe of part) {
      draw(probe)
      for (let i = 0; i < features; i++) probe[i] = point[i] + width * probe[i]
      clampToBox(probe, box)
    }
    const replies = yield* askLabels(part)
    replies.forEach(({ label }, k) => {
      const sign = nearest.offer(part[k], label) ? 1 : -1
      if (label !== sample.label) misclassified++
      for (let i = 0; i < features; i++) {
        const direction = (part[k][i] - point[i]) / width
        total[i] += direction
        signed[i] += sign * direction
      }
    })
  }
  const mean = (2 * misclassified - queries) / queries
  const baseline = centered && Math.abs(mean) < 1 ? mean : 0
  for (let i = 0; i < features; i++) out[i] = (signed[i] - baseline * total[i]) / queries
}
