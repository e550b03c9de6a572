/**
 * The shortest way from a point onto a hyperplane inside the box, for each norm: the step of FAB (Croce and Hein, ICML 2020) and of
 * attacks that linearise a model. Linear time on average, without a sort.
 *
 * To lower v = w.x + c towards zero, feature i moves against sign(v) w_i by m_i, at most room_i (its way to the box), and gains
 * |w_i| m_i; the moves must gain |v|. What differs is how the norm shares out the moves:
 *   Linf  m_i = min(t, room_i)            L2  m_i = min(t |w_i|, room_i)            L1  features of largest |w_i| first, each all its room
 * For Linf and L2 the gain grows with t, concave and linear between the t where features reach the box.
 */
import { selectionSpace, stepHeaviestFirst } from './heaviest-first.js'
import type { NormName } from './norm.js'
import { type SharingSpace, sharingSpace, stepShared } from './sharing.js'

export interface Bounds {
  readonly low: Float32Array
  readonly high: Float32Array
}

/** Norms in which the way has a closed form. */
export type HyperplaneNorm = Exclude<NormName, 'L0'>

type Step = (point: Float32Array, normal: Float32Array, value: number, out: Float64Array) => number

/** Steps of a norm inside bounds, with their scratch space. */
export interface HyperplaneSpace {
  readonly step: Step
}

const steps: { readonly [N in HyperplaneNorm]: (bounds: Bounds) => Step } = {
  Linf: bounds => shared(sharingSpace('Linf', bounds)),
  L2: bounds => shared(sharingSpace('L2', bounds)),
  L1: bounds => {
    const space = selectionSpace(bounds)
    return (...given) => stepHeaviestFirst(space, ...given)
  },
}

function shared(space: SharingSpace): Step {
  return (...given) => stepShared(space, ...given)
}

export function hyperplaneSpace(norm: HyperplaneNorm, bounds: Bounds): HyperplaneSpace {
  return { step: steps[norm](bounds) }
}

/**
 * Writes to `out` the shortest step d with value + normal.d = 0 and point + d in the bounds; where the box does not reach the
 * hyperplane, the step to the corner nearest to it. Features of zero weight stay. The point must lie in the bounds.
 * @param value value of the linear function at the point
 * @returns the step's length in the norm
 */
export function stepOntoHyperplane(space: HyperplaneSpace, ...given: Parameters<Step>): number {
  return space.step(...given)
}
