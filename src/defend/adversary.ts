/**
 * The inner maximisation of adversarial training, and the measure of robust accuracy beside it: projected gradient ascent
 * on a whole batch at once. All geometry is the norm's.
 */
import type { Random } from '../random.js'
import type { Region } from '../threat/norm.js'
import { regionOf, type ThreatModel } from '../threat/threat.js'
import type { StepSession } from './step-sessions.js'

export interface AdversaryOptions {
  readonly steps: number
  /** Length of a step in the norm. Default: 2.5 epsilon / steps. It shrinks along with epsilon while that warms up. */
  readonly stepSize?: number
}

export interface Climb {
  readonly threat: ThreatModel
  readonly steps: number
  readonly stepSize: number
  /** [rows, features]; rows may be fewer than the session's batch. */
  readonly clean: Float32Array
  readonly features: number
  /** Where row i starts from at random. */
  random(row: number): Random
  /** Called with the logits of every point that was left by a step, before the step. */
  visited?(logits: Float32Array): void
}

/**
 * Fills the session's adversarial view: from a random point of the region, `steps` steps along the gradient of the
 * session's loss. Labels, and the clean view where the loss looks at it, are in place.
 */
export async function climb(session: StepSession, options: Climb): Promise<Float32Array> {
  const { threat, features, clean } = options
  const points = session.views.adversarial!
  const rows = clean.length / features
  const row = (all: Float32Array, i: number) => all.subarray(i * features, (i + 1) * features)
  const regions: Region[] = []
  for (let i = 0; i < rows; i++) {
    regions.push(regionOf(threat, row(clean, i)))
    threat.norm.sample(options.random(i), regions[i]!, row(points, i))
  }
  for (let step = 0; step < options.steps; step++) {
    const { logits, gradients } = await session.run()
    options.visited?.(logits)
    for (let i = 0; i < rows; i++) {
      const point = row(points, i)
      const gradient = row(gradients[0]!, i)
      const move = { point, previous: point, gradient, size: options.stepSize, momentum: 1, features: undefined }
      threat.norm.ascend(move, regions[i]!, point)
    }
  }
  return points
}
