/**
 * HopSkipJump: at the boundary estimate its normal from labels, step along it, return to the boundary. Chen, Jordan, Wainwright,
 * "HopSkipJumpAttack: a query-efficient decision-based attack" (IEEE S&P 2020).
 *
 * Differences from the reference implementation (HSJA): starting points of several kinds; the bisection is never coarser than 0.001 of the
 * distance, which matters with few features; step sizes are halved at most 50 times; the nearest misclassified point
 * seen is what counts, not the last one.
 */
import { z } from 'zod'
import type { Random } from '../random.js'
import { clampToBox, type NormName } from '../threat/norm.js'
import { askLabel, defineAttack } from './attack.js'
import { boundaryNormal, normalise, startingPoint, starts, toBoundary } from './decision.js'
import { extremesOf } from './extremes.js'
import { boxOf, nearestTo } from './nearest.js'

export const hopSkipJumpOptions = z.strictObject({
  steps: z.int().min(1).max(100_000).default(64).describe('steps along the boundary'),
  initialQueries: z
    .int()
    .min(1)
    .max(1_000_000)
    .default(100)
    .describe('queries of the first normal; the k-th has sqrt(k) times as many'),
  mostQueries: z.int().min(1).max(1_000_000).default(10_000).describe('queries of a normal, at most'),
  gamma: z.number().positive().max(1000).default(1).describe('scale of the bisection threshold and of the differences'),
  starts,
})

interface Geometry {
  /** Tolerance of the bisection as a share of the distance, with d features. */
  tolerance(features: number): number
  draw(random: Random, out: Float32Array): void
}

function drawCube(random: Random, out: Float32Array): void {
  for (let i = 0; i < out.length; i++) out[i] = 2 * random.uniform() - 1
}

const geometries: { readonly [N in NormName]?: Geometry } = {
  Linf: { tolerance: d => 1 / d ** 2, draw: drawCube },
  L2: { tolerance: d => 1 / (d * Math.sqrt(d)), draw: (random, out) => random.normals(out) },
}

export const hopSkipJump = defineAttack({
  name: 'hop-skip-jump',
  paper: 'Chen, Jordan, Wainwright, HopSkipJumpAttack, IEEE S&P 2020',
  access: 'labels',
  norms: ['L2', 'Linf'],
  kind: 'minimum',
  options: hopSkipJumpOptions,
  losses: () => [],
  *search(sample, threat, options, random) {
    const { norm } = threat
    const stream = random(0)
    const geometry = geometries[norm.name]!
    const nearest = nearestTo(sample, threat)
    const point = yield* startingPoint(sample, threat, nearest, options.starts, stream)
    if (point === undefined) return undefined
    const box = boxOf(sample, threat)
    const { low, high } = extremesOf(box)
    const tolerance = Math.min(1e-3, options.gamma * geometry.tolerance(point.length))
    const normal = new Float32Array(point.length)
    const next = new Float32Array(point.length)
    /** A random direction of length 1. */
    const draw = (out: Float32Array) => {
      geometry.draw(stream, out)
      normalise(out)
    }

    const range = high.reduce((most, value, i) => Math.max(most, value - low[i]), 0)
    let distance = norm.distance(point, sample.input)
    yield* toBoundary(sample, threat, nearest, point, tolerance)
    for (let step = 1; step <= options.steps; step++) {
      const width = step === 1 ? 0.1 * range : (options.gamma * distance) / point.length
      const queries = Math.min(Math.floor(options.initialQueries * Math.sqrt(step)), options.mostQueries)
      if (!(width > 0)) break
      yield* boundaryNormal(sample, box, point, { queries, width, draw, centered: true }, nearest, normal)
      let size = norm.distance(point, sample.input) / Math.sqrt(step)
      for (let halving = 0; halving < 50; halving++, size /= 2) {
        norm.step(point, normal, size, next)
        clampToBox(next, box)
        const { label } = yield* askLabel(next)
        if (!nearest.offer(next, label)) continue
        point.set(next)
        break
      }
      distance = norm.distance(point, sample.input)
      yield* toBoundary(sample, threat, nearest, point, tolerance)
    }
    return nearest.point
  },
})
