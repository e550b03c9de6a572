/**
 * Sign-OPT: descends the distance to the boundary along a direction, by the signs of its changes, each from a single query. Cheng, Singh,
 * Chen, Chen, Liu, Hsieh, "Sign-OPT: a query-efficient hard-label adversarial attack" (ICLR 2020).
 *
 * Differences from the reference implementation (attackbox): points are clamped to the box; when none of the random directions leads to
 * a misclassified point, other starting points are tried; a direction that is not misclassified at the present length is given up
 * at once, for it cannot become shorter; the query limit is hard.
 */
import { z } from 'zod'
import { clampToBox } from '../threat/norm.js'
import { askLabel, defineAttack, type Steps } from './attack.js'
import { askLabels, chunk, normalise, startingPoint, starts } from './decision.js'
import { boxOf, nearestTo } from './nearest.js'

export const signOptOptions = z.strictObject({
  steps: z.int().min(1).max(1_000_000).default(1000).describe('steps of the descent'),
  queries: z.int().min(1).max(10_000_000).default(20_000).describe('queries after the start, at most'),
  directions: z.int().min(1).max(100_000).default(100).describe('random directions tried at the start'),
  samples: z.int().min(1).max(100_000).default(200).describe('queries of each gradient of signs'),
  stepSize: z.number().positive().default(0.2).describe('first step size (alpha)'),
  width: z.number().positive().default(0.001).describe('length of the differences (beta)'),
  starts,
})

export const signOpt = defineAttack({
  name: 'sign-opt',
  paper: 'Cheng et al., Sign-OPT: a query-efficient hard-label adversarial attack, ICLR 2020',
  access: 'labels',
  norms: ['L2'],
  kind: 'minimum',
  options: signOptOptions,
  losses: () => [],
  *search(sample, threat, options, random) {
    const { input } = sample
    const stream = random(0)
    const nearest = nearestTo(sample, threat)
    const box = boxOf(sample, threat)
    const features = input.length
    const probe = new Float32Array(features)
    let used = 0

    const place = (direction: Float64Array, length: number, out: Float32Array) => {
      for (let i = 0; i < features; i++) out[i] = input[i] + length * direction[i]
      clampToBox(out, box)
    }
    /** Whether the point at this length is misclassified; false when no query is left. */
    function* errs(direction: Float64Array, length: number): Steps<'labels', boolean> {
      if (used++ >= options.queries) return false
      place(direction, length, probe)
      const { label } = yield* askLabel(probe)
      return nearest.offer(probe, label)
    }
    function* bisect(direction: Float64Array, low: number, high: number, tolerance: number): Steps<'labels', number> {
      while (high - low > tolerance && used < options.queries) {
        const middle = (low + high) / 2
        if (middle <= low || middle >= high) break
        if (yield* errs(direction, middle)) high = middle
        else low = middle
      }
      return high
    }
    /** The length to the boundary when it is less than `length`, else Infinity. */
    function* shorter(direction: Float64Array, length: number, tolerance: number): Steps<'labels', number> {
      if (!(yield* errs(direction, length))) return Number.POSITIVE_INFINITY
      let high = length
      let low = length * 0.99
      while (low > tolerance && (yield* errs(direction, low))) {
        high = low
        low *= 0.99
      }
      return yield* bisect(direction, low, high, tolerance)
    }

    let best = new Float64Array(features)
    let length = Number.POSITIVE_INFINITY
    for (let k = 0; k < options.directions; k++) {
      const direction = new Float64Array(features)
      stream.normals(direction)
      const first = normalise(direction)
      if (first <= length && !(yield* errs(direction, first))) continue
      if (first > length && !(yield* errs(direction, length))) continue
      const found = yield* bisect(direction, 0, Math.min(first, length), 1e-3)
      if (found < length) [best, length] = [direction, found]
    }
    if (length === Number.POSITIVE_INFINITY) {
      const start = yield* startingPoint(sample, threat, nearest, options.starts, stream)
      if (start === undefined) return undefined
      best = Float64Array.from(start, (value, i) => value - input[i])
      length = yield* bisect(best, 0, normalise(best), 1e-3)
    }

    /** The mean of the directions that lengthen the way to the boundary. */
    function* signs(width: number): Steps<'labels', Float64Array> {
      const gradient = new Float64Array(features)
      const count = Math.min(options.samples, Math.max(0, options.queries - used))
      const moved = new Float64Array(features)
      for (let done = 0; done < count; done += chunk) {
        const directions = Array.from({ length: Math.min(chunk, count - done) }, () => {
          const direction = new Float64Array(features)
          stream.normals(direction)
          normalise(direction)
          return direction
        })
        const points = directions.map(direction => {
          for (let i = 0; i < features; i++) moved[i] = best[i] + width * direction[i]
          normalise(moved)
          const point = new Float32Array(features)
          place(moved, length, point)
          return point
        })
        used += points.length
        const replies = yield* askLabels(points)
        replies.forEach(({ label }, k) => {
          const sign = nearest.offer(points[k], label) ? -1 : 1
          for (let i = 0; i < features; i++) gradient[i] += (sign * directions[k][i]) / count
        })
      }
      return gradient
    }
    const stepped = (gradient: Float64Array, size: number) => {
      const direction = best.map((value, i) => value - size * gradient[i])
      normalise(direction)
      return direction
    }

    let size = options.stepSize
    let width = options.width
    for (let step = 0; step < options.steps && used < options.queries; step++) {
      const gradient = yield* signs(width)
      const tolerance = width / 500
      let found = best
      let least = length
      for (let k = 0; k < 15; k++) {
        const direction = stepped(gradient, size)
        const reached = yield* shorter(direction, least, tolerance)
        size *= 2
        if (!(reached < least)) break
        ;[found, least] = [direction, reached]
      }
      for (let k = 0; k < 15 && least >= length; k++) {
        size *= 0.25
        const direction = stepped(gradient, size)
        const reached = yield* shorter(direction, least, tolerance)
        if (reached < least) [found, least] = [direction, reached]
      }
      if (size < 1e-4) {
        size = 1
        width *= 0.1
        if (width < 1e-8) break
      }
      best = found
      length = least
    }
    return nearest.point
  },
})
