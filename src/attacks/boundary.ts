/** The decision boundaries around a point, linearised: what FAB, DeepFool and SparseFool step onto. */
import type { HyperplaneNorm } from '../threat/hyperplane.js'
import { askGradient, type Sample, type Steps } from './attack.js'

export interface Boundary {
  readonly target: number
  /** z_t - z_y at the point: negative while the label is likelier than the target. */
  readonly value: number
  /** Its gradient. */
  readonly normal: Float32Array
  /** The class that the model gives the point. */
  readonly label: number
}

/**
 * Of the linearised boundaries between the label and each target the nearest: least |z_t - z_y| over the dual norm of its gradient.
 * One gradient query for each target.
 */
export function* nearestBoundary(
  sample: Sample,
  targets: readonly number[],
  norm: HyperplaneNorm,
  point: Float32Array,
): Steps<'gradients', Boundary> {
  let best: Boundary | undefined
  let least = Number.POSITIVE_INFINITY
  for (const target of targets) {
    const { loss, gradient, label } = yield* askGradient(point, {
      loss: 'logit-difference',
      label: sample.label,
      target,
    })
    if (targets.length === 1) return { target, value: loss, normal: gradient, label }
    const distance = Math.abs(loss) / (1e-12 + lengths[dual[norm]](gradient))
    if (best !== undefined && distance >= least) continue
    least = distance
    best = { target, value: loss, normal: gradient.slice(), label }
  }
  return best!
}

export const dual = { Linf: 'L1', L2: 'L2', L1: 'Linf' } as const

export const lengths: Record<HyperplaneNorm, (vector: Float32Array | Float64Array) => number> = {
  Linf(vector) {
    let largest = 0
    for (let i = 0; i < vector.length; i++) largest = Math.max(largest, Math.abs(vector[i]))
    return largest
  },
  L2(vector) {
    let sum = 0
    for (let i = 0; i < vector.length; i++) sum += vector[i] * vector[i]
    return Math.sqrt(sum)
  },
  L1(vector) {
    let sum = 0
    for (let i = 0; i < vector.length; i++) sum += Math.abs(vector[i])
    return sum
  },
}
