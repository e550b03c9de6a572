/**
 * GeoDA: takes the boundary for flat, estimates its normal from labels along low frequencies, and goes from the input straight onto
 * it. Rahmati, Moosavi-Dezfooli, Frossard, Dai, "GeoDA: a geometric framework for black-box adversarial attacks" (CVPR 2020).
 *
 * Differences from the reference implementation (GeoDA): the way along the normal starts at the present distance and grows by a
 * half, where the reference takes up to 100 steps of a fixed size; the subspace is a share of the frequencies (its 75 of 224), none
 * for samples that are not images; all directions have the length that its have on average (0.0002 for each of 3 x 75 x 75
 * frequencies), for with fewer frequencies they would be shorter than the bisection's tolerance and never cross the boundary.
 */
import { z } from 'zod'
import { clampToBox } from '../threat/norm.js'
import { norms } from '../threat/threat.js'
import { askLabel, defineAttack } from './attack.js'
import { lowFrequencies } from './dct.js'
import { boundaryNormal, normalise, startingPoint, starts, toBoundary } from './decision.js'
import { imageLayout } from './image.js'
import { boxOf, nearestTo } from './nearest.js'

export const geodaOptions = z.strictObject({
  queries: z.int().min(100).max(10_000_000).default(4000).describe('queries after the start, about'),
  width: z.number().positive().default(0.026).describe('length of the directions in which the boundary is felt'),
  growth: z
    .number()
    .positive()
    .max(0.999)
    .default(0.6)
    .describe('each normal gets growth^(-2/3) as many queries as the last (mu)'),
  momentum: z.number().min(0).max(1).default(0.7).describe('weight of the earlier normals'),
  frequencies: z
    .number()
    .positive()
    .max(1)
    .default(75 / 224)
    .describe('share of the frequencies in each direction'),
  starts,
})

export const geoda = defineAttack({
  name: 'geoda',
  paper: 'Rahmati et al., GeoDA: a geometric framework for black-box adversarial attacks, CVPR 2020',
  access: 'labels',
  norms: ['L2', 'Linf'],
  kind: 'minimum',
  options: geodaOptions,
  losses: () => [],
  *search(sample, threat, options, random) {
    const { norm } = threat
    const { input } = sample
    const stream = random(0)
    const nearest = nearestTo(sample, threat)
    const point = yield* startingPoint(sample, threat, nearest, options.starts, stream)
    if (point === undefined) return undefined
    const box = boxOf(sample, threat)
    const image = imageLayout(sample.shape)
    const flat = image.height === 1 || image.width === 1
    const waves = lowFrequencies(image, options.frequencies)
    /** A random direction of length 1. */
    const draw = (out: Float32Array) => {
      if (flat) stream.normals(out)
      else waves.noise(stream, out)
      normalise(out)
    }
    const estimate = new Float32Array(point.length)
    const normal = new Float32Array(point.length)
    const trial = new Float32Array(point.length)
    /** Brings the point so near to the boundary that the directions cross it. */
    const settle = () => {
      const share = options.width / 50 / norms.L2.distance(point, input)
      return toBoundary(sample, threat, nearest, point, Math.min(1e-3, share))
    }

    yield* settle()
    for (const queries of split(options.queries, options.growth)) {
      const settings = { queries, width: options.width, draw, centered: false }
      yield* boundaryNormal(sample, box, point, settings, nearest, estimate)
      for (let i = 0; i < normal.length; i++) {
        normal[i] = (1 - options.momentum) * estimate[i] + options.momentum * normal[i]
      }
      let size = norm.distance(point, input)
      for (let k = 0; k < 30; k++, size *= 1.5) {
        norm.step(input, normal, size, trial)
        clampToBox(trial, box)
        const { label } = yield* askLabel(trial)
        if (!nearest.offer(trial, label)) continue
        point.set(trial)
        yield* settle()
        break
      }
    }
    return nearest.point
  },
})

/** Queries of each normal, a geometric series of so many terms that the first has no more than 80; 25 of each are left for the way. */
export function split(queries: number, growth: number): number[] {
  for (let count = 1; ; count++) {
    const weights = Array.from({ length: count }, (_, i) => growth ** ((-2 * i) / 3))
    const left = Math.max(count, queries - 25 * count)
    const unit = left / weights.reduce((sum, weight) => sum + weight, 0)
    if (unit <= 80) return weights.map(weight => Math.max(1, Math.round(weight * unit)))
  }
}
