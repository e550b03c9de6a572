/**
 * The gradient of a loss from scores alone: differences along random directions, each tried both ways,
 * g = 1 / (2 w n) * sum_i (L(x + w u_i) - L(x - w u_i)) u_i. Every point asked about is a valid input: it is clamped to the box.
 */
import type { Region } from '../threat/norm.js'
import { clampToBox } from '../threat/norm.js'
import { askScoresOfMany, type Steps } from './attack.js'

export interface Estimator {
  /** Fills `gradient`. Costs 2 * pairs queries. */
  estimate(point: Float32Array, gradient: Float32Array | Float64Array): Steps<'scores', void>
}

/** Directions in a query: bounds memory, not what is asked. */
const chunk = 32

export function estimator(
  box: Region,
  settings: { pairs: number; width: number; draw: () => number; loss: (scores: Float32Array) => number },
): Estimator {
  const { pairs, width, draw, loss } = settings
  const features = box.center.length
  const size = Math.min(chunk, pairs)
  const directions = Array.from({ length: size }, () => new Float32Array(features))
  const probes = Array.from({ length: 2 * size }, () => new Float32Array(features))
  return {
    *estimate(point, gradient) {
      gradient.fill(0)
      for (let done = 0; done < pairs; done += size) {
        const count = Math.min(size, pairs - done)
        for (let k = 0; k < count; k++) {
          const direction = directions[k]
          const [ahead, behind] = [probes[2 * k], probes[2 * k + 1]]
          for (let i = 0; i < features; i++) {
            direction[i] = draw()
            ahead[i] = point[i] + width * direction[i]
            behind[i] = point[i] - width * direction[i]
          }
          clampToBox(ahead, box)
          clampToBox(behind, box)
        }
        const replies = yield* askScoresOfMany(count === size ? probes : probes.slice(0, 2 * count))
        for (let k = 0; k < count; k++) {
          const slope = (loss(replies[2 * k].logits) - loss(replies[2 * k + 1].logits)) / (2 * width * pairs)
          for (let i = 0; i < features; i++) gradient[i] += slope * directions[k][i]
        }
      }
    },
  }
}
