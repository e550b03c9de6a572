/**
 * RayS: searches the direction of signs along which the boundary is nearest, by flipping ever smaller blocks of signs. Chen and Gu,
 * "RayS: a ray searching method for hard-label adversarial attack" (KDD 2020).
 *
 * Differences from the reference implementation: when the direction of ones meets no misclassified point, its opposite and random
 * directions in blocks are tried before giving up; lengths along a direction are doubled until it does or the box ends; the search
 * ends when a pass over the single signs changes nothing, for the next pass would ask the same.
 */
import { z } from 'zod'
import type { Random } from '../random.js'
import { clampToBox } from '../threat/norm.js'
import { askLabel, defineAttack, type Steps } from './attack.js'
import { starts } from './decision.js'
import { boxOf, nearestTo } from './nearest.js'

export const raysOptions = z.strictObject({
  queries: z.int().min(1).max(10_000_000).default(10_000).describe('queries in all'),
  tolerance: z.number().positive().default(0.001).describe('where the bisection along a ray ends, as a length in L2'),
  starts,
})

/** Where rays end in an infinite box. */
const farthest = 2 ** 20

export const rays = defineAttack({
  name: 'rays',
  paper: 'Chen and Gu, RayS: a ray searching method for hard-label adversarial attack, KDD 2020',
  access: 'labels',
  norms: ['Linf'],
  kind: 'minimum',
  options: raysOptions,
  losses: () => [],
  *search(sample, threat, options, random) {
    const { input } = sample
    const stream = random(0)
    const nearest = nearestTo(sample, threat)
    const box = boxOf(sample, threat)
    const signs = new Float32Array(input.length)
    const point = new Float32Array(input.length)
    const tolerance = options.tolerance / Math.sqrt(input.length)
    let used = 0

    /** Whether the point at this distance along the ray is misclassified; false when no query is left. */
    function* errs(radius: number): Steps<'labels', boolean> {
      if (used++ >= options.queries) return false
      for (let i = 0; i < point.length; i++) point[i] = input[i] + radius * signs[i]
      clampToBox(point, box)
      const { label } = yield* askLabel(point)
      return nearest.offer(point, label)
    }
    function* bisect(high: number): Steps<'labels', number> {
      let low = 0
      while (high - low > tolerance && used < options.queries) {
        const middle = (low + high) / 2
        if (yield* errs(middle)) high = middle
        else low = middle
      }
      return high
    }

    // Beyond the box nothing changes any more.
    const room = input.reduce((most, value, i) => Math.max(most, box.high[i] - value, value - box.low[i]), 0)
    const reach = Math.min(room, farthest)
    let radius = Number.POSITIVE_INFINITY
    for (let k = 0; k < options.starts && radius === Number.POSITIVE_INFINITY && used < options.queries; k++) {
      drawSigns(k, signs, stream)
      for (let length = 1; radius === Number.POSITIVE_INFINITY; length *= 2) {
        if (yield* errs(length)) radius = length
        else if (length >= reach) break
      }
    }
    if (radius === Number.POSITIVE_INFINITY) return undefined
    radius = yield* bisect(radius)

    let flipped = true
    for (let size = input.length; used < options.queries && (size > 1 || flipped); size = Math.ceil(size / 2)) {
      flipped = false
      for (let start = 0; start < input.length && used < options.queries; start += size) {
        const end = Math.min(input.length, start + size)
        flip(signs, start, end)
        if (yield* errs(radius)) {
          radius = yield* bisect(radius)
          flipped = true
        } else flip(signs, start, end)
      }
      if (size === 1 && !flipped) break
    }
    return nearest.point
  },
})

function flip(signs: Float32Array, start: number, end: number): void {
  for (let i = start; i < end; i++) signs[i] = -signs[i]
}

/** All up, all down, then random signs in blocks of random size. */
function drawSigns(k: number, signs: Float32Array, random: Random): void {
  if (k < 2) {
    signs.fill(k === 0 ? 1 : -1)
    return
  }
  const size = Math.max(1, Math.floor(signs.length / 2 ** random.integer(Math.ceil(Math.log2(signs.length)) + 1)))
  for (let start = 0; start < signs.length; start += size) {
    signs.fill(random.uint32() & 1 ? 1 : -1, start, start + size)
  }
}
