/**
 * Feature constraints: what a change of the input may do beside staying in ball and box. Ranges, immutable and monotone features and
 * radii of single features are bounds, and tighten the region itself; whole numbers, one-hot groups and linear relations are checked
 * here and restored by `repair.ts`. Attacks know nothing of them.
 */
import type { Box } from './norm.js'

/** Constraints as plain data: features by their position. It travels with the specification of an evaluation. */
export interface ConstraintSpec {
  /** Number of features of a sample. */
  readonly features: number
  readonly rules: readonly FeatureRule[]
  /** Features of which exactly one is 1 and the others are 0. */
  readonly oneHot: readonly (readonly number[])[]
  readonly relations: readonly Relation[]
}

export interface FeatureRule {
  readonly feature: number
  /** Shown in messages. */
  readonly name?: string
  /** Lowest and highest value; null: no bound. */
  readonly range?: readonly [number | null, number | null]
  readonly immutable?: boolean
  readonly integer?: boolean
  readonly direction?: 'increase' | 'decrease'
  /** In Linf the radius of this feature, in its own unit, in place of epsilon; in other norms a bound on its change beside epsilon. */
  readonly epsilon?: number
}

/** weights · features <= atMost, or = equals. */
export interface Relation {
  readonly weights: readonly (readonly [feature: number, weight: number])[]
  readonly atMost?: number
  readonly equals?: number
}

export interface Constraints {
  readonly features: number
  readonly low: Float32Array
  readonly high: Float32Array
  /** Largest decrease and increase of each feature. */
  readonly down: Float64Array
  readonly up: Float64Array
  /** Radii of features that have one of their own, NaN for the others; undefined when none has. */
  readonly radii: Float64Array | undefined
  readonly integers: Int32Array
  readonly groups: readonly Int32Array[]
  readonly planes: readonly Plane[]
  readonly names: ReadonlyMap<number, string>
}

/** A linear relation: a half-space or, where `equal`, a hyperplane. */
export interface Plane {
  readonly features: Int32Array
  readonly weights: Float64Array
  readonly bound: number
  readonly equal: boolean
}

/**
 * A relation holds when it is missed by at most this share of |bound| + Σ |weight · feature|: features are float32, and each rounds by
 * up to 6e-8 of itself.
 */
export const relationTolerance = 1e-5

/** The constraints with bounds for each feature. */
export function compileConstraints(spec: ConstraintSpec): Constraints {
  const { features } = spec
  const low = new Float32Array(features).fill(Number.NEGATIVE_INFINITY)
  const high = new Float32Array(features).fill(Number.POSITIVE_INFINITY)
  const down = new Float64Array(features).fill(Number.POSITIVE_INFINITY)
  const up = new Float64Array(features).fill(Number.POSITIVE_INFINITY)
  const radii = new Float64Array(features).fill(Number.NaN)
  const names = new Map<number, string>()
  for (const { feature, name, range, immutable, direction, epsilon = Number.POSITIVE_INFINITY } of spec.rules) {
    if (name !== undefined) names.set(feature, name)
    if (epsilon < Number.POSITIVE_INFINITY) radii[feature] = epsilon
    low[feature] = range?.[0] ?? Number.NEGATIVE_INFINITY
    high[feature] = range?.[1] ?? Number.POSITIVE_INFINITY
    down[feature] = immutable || direction === 'increase' ? 0 : epsilon
    up[feature] = immutable || direction === 'decrease' ? 0 : epsilon
  }
  for (const i of spec.oneHot.flat()) {
    low[i] = Math.max(low[i], 0)
    high[i] = Math.min(high[i], 1)
  }
  return {
    features,
    low,
    high,
    down,
    up,
    radii: radii.every(Number.isNaN) ? undefined : radii,
    integers: Int32Array.from(spec.rules.filter(({ integer }) => integer).map(({ feature }) => feature)),
    groups: spec.oneHot.map(group => Int32Array.from(group)),
    planes: spec.relations.map(({ weights, atMost, equals }) => ({
      features: Int32Array.from(weights, ([feature]) => feature),
      weights: Float64Array.from(weights, ([, weight]) => weight),
      bound: equals ?? atMost!,
      equal: equals !== undefined,
    })),
    names,
  }
}

/** The box of valid values, tightened to what the features may become from `center` on. */
export function constrainedBox(constraints: Constraints, center: Float32Array, box: Box): Box {
  const { down, up } = constraints
  const low = new Float32Array(center.length)
  const high = new Float32Array(center.length)
  const at = (bound: number | Float32Array, i: number) => (typeof bound === 'number' ? bound : bound[i])
  for (let i = 0; i < center.length; i++) {
    low[i] = Math.max(at(box.low, i), constraints.low[i], inside(center[i], -down[i]))
    high[i] = Math.min(at(box.high, i), constraints.high[i], inside(center[i], up[i]))
  }
  return { low, high }
}

/** The float32 nearest to x + offset, or the next one back, that is no further from x than |offset|. */
function inside(x: number, offset: number): number {
  const limit = Math.abs(offset)
  if (limit === 0) return x
  let value = Math.fround(x + offset)
  for (let pull = 2 ** -24; Math.abs(value - x) > limit; pull *= 2) {
    if (value === Number.NEGATIVE_INFINITY || value === Number.POSITIVE_INFINITY) break
    value = Math.fround(value - Math.sign(offset) * pull * Math.max(Math.abs(value), limit))
  }
  return value
}

/** Whether whole numbers, groups and relations hold, exactly but for `relationTolerance`. Bounds are the region's. */
export function holds({ integers, groups, planes }: Constraints, point: Float32Array): boolean {
  for (const i of integers) if (!Number.isInteger(point[i])) return false
  return groups.every(group => memberOf(group, point) !== undefined) && planes.every(plane => satisfied(plane, point))
}

/** The one feature of a group that is 1; undefined when the group is not one-hot. */
export function memberOf(group: Int32Array, point: Float32Array): number | undefined {
  let member: number | undefined
  for (const i of group) {
    if (point[i] === 0) continue
    if (point[i] !== 1 || member !== undefined) return undefined
    member = i
  }
  return member
}

export function satisfied({ features, weights, bound, equal }: Plane, point: Float32Array | Float64Array): boolean {
  let sum = -bound
  let scale = Math.abs(bound)
  for (let k = 0; k < features.length; k++) {
    const term = weights[k] * point[features[k]]
    sum += term
    scale += Math.abs(term)
  }
  return (equal ? Math.abs(sum) : sum) <= relationTolerance * scale
}

/** What a sample of the data itself violates, in words; undefined when nothing. From such a sample no feasible change is defined. */
export function violationOf(constraints: Constraints, sample: Float32Array): string | undefined {
  const { low, high, integers, groups, planes, names } = constraints
  const name = (i: number) => names.get(i) ?? `feature ${i}`
  for (let i = 0; i < sample.length; i++) {
    if (!(sample[i] >= low[i] && sample[i] <= high[i]))
      return `${name(i)} is ${sample[i]}, outside of its range ${low[i]} to ${high[i]}`
  }
  for (const i of integers) if (!Number.isInteger(sample[i])) return `${name(i)} is ${sample[i]}, no whole number`
  const group = groups.find(each => memberOf(each, sample) === undefined)
  if (group !== undefined) return `the group ${Array.from(group, name).slice(0, 4).join(', ')} is not one-hot`
  const plane = planes.findIndex(each => !satisfied(each, sample))
  return plane < 0 ? undefined : `relation ${plane + 1} does not hold`
}
