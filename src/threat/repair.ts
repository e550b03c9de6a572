/**
 * The way back to feasible points: an attack searches a ball in a box, and the model is asked about the nearest point (nearly) that
 * also keeps the feature constraints. Every attack so searches f(repair(x)) and needs no code for constraints; gradients are those at
 * the repaired point, passed straight through (BPDA).
 *
 * Whole numbers are rounded and one-hot groups take their largest member, as far as the region allows, the clearest changes first;
 * then linear relations are restored by Dykstra's alternating projections among the other features (Boyle and Dykstra 1986); what
 * still lies outside is drawn towards the sample, from which the feasible set is star-shaped once the discrete features are settled.
 */
import { type Constraints, memberOf, type Plane, satisfied } from './constraints.js'
import type { Region } from './norm.js'
import { contains, type ThreatModel } from './threat.js'

/** A change of discrete features: of one whole number, or of the two members between which a group changes. */
interface Change {
  readonly features: readonly number[]
  readonly values: readonly number[]
  /** How clearly the point asks for it. */
  readonly lean: number
}

const sweeps = 100
const bisections = 30

/**
 * Writes a feasible point near `point` to `out` (another array): inside the region, whole numbers whole, groups one-hot, relations
 * within their tolerance. The center must be feasible, then so is the result; a point that is feasible already stays as it is.
 */
export function repair(threat: ThreatModel, region: Region, point: Float32Array, out: Float32Array): void {
  const { constraints } = threat
  const { center, low, high, epsilon } = region
  for (let i = 0; i < out.length; i++) {
    const value = Number.isNaN(point[i]) ? center[i] : point[i]
    out[i] = value < low[i] ? low[i] : value > high[i] ? high[i] : value
  }
  if (constraints === undefined) return
  const within = { ...threat, epsilon }
  const anchor = settled(constraints, within, region, out)
  if (approach(constraints, within, region, anchor, out)) return
  for (const i of discrete(constraints)) out[i] = center[i]
  if (!approach(constraints, within, region, center, out)) out.set(center)
}

/** The center with the changes of discrete features that the ball has room for. */
function settled(
  constraints: Constraints,
  threat: ThreatModel,
  { center, low, high, epsilon }: Region,
  wish: Float32Array,
): Float32Array {
  const changes: Change[] = []
  for (const i of constraints.integers) {
    const value = Math.min(Math.floor(high[i]), Math.max(Math.ceil(low[i]), Math.round(wish[i])))
    if (value !== center[i]) changes.push({ features: [i], values: [value], lean: Math.abs(wish[i] - center[i]) })
  }
  for (const group of constraints.groups) {
    const current = memberOf(group, center)
    if (current === undefined || low[current] > 0) continue
    const largest = largestOf(group, wish, i => i === current || high[i] >= 1)
    if (largest !== current)
      changes.push({ features: [current, largest], values: [0, 1], lean: wish[largest] - wish[current] })
  }
  changes.sort((a, b) => b.lean - a.lean)
  const anchor = center.slice()
  const fixed = discrete(constraints)
  const pinned = constraints.planes.filter(({ features }) => features.every(i => fixed.has(i)))
  for (const { features, values } of changes) {
    features.forEach((i, k) => {
      anchor[i] = values[k]
    })
    if (threat.norm.distance(anchor, center) <= epsilon && pinned.every(plane => satisfied(plane, anchor))) continue
    for (const i of features) anchor[i] = center[i]
  }
  return anchor
}

/**
 * The member with the largest value. Attacks that jump to the ends of the box make many equal: which of them is taken then depends on
 * all, so that none is preferred.
 */
function largestOf(group: Int32Array, wish: Float32Array, isAllowed: (i: number) => boolean): number {
  const allowed = group.filter(isAllowed)
  const most = allowed.reduce((value, i) => Math.max(value, wish[i]), Number.NEGATIVE_INFINITY)
  const tied = allowed.filter(i => wish[i] === most)
  return tied[tied.reduce((sum, i) => sum + i, 0) % tied.length]
}

/** Gives `out` the anchor's discrete features and brings the rest into the region and onto the relations; says whether it got there. */
function approach(
  constraints: Constraints,
  threat: ThreatModel,
  region: Region,
  anchor: Float32Array,
  out: Float32Array,
): boolean {
  const frozen = discrete(constraints)
  for (const i of frozen) out[i] = anchor[i]
  if (constraints.planes.some(plane => !satisfied(plane, out))) dykstra(constraints.planes, frozen, region, out)
  if (contains(threat, region, out)) return true
  if (!contains(threat, region, anchor)) return false
  const far = out.slice()
  let inside = 0
  for (let k = 0, outside = 1; k < bisections; k++) {
    const share = (inside + outside) / 2
    between(anchor, far, share, out)
    if (contains(threat, region, out)) inside = share
    else outside = share
  }
  between(anchor, far, inside, out)
  return true
}

function between(from: Float32Array, to: Float32Array, share: number, out: Float32Array): void {
  for (let i = 0; i < out.length; i++) out[i] = share === 0 ? from[i] : from[i] + share * (to[i] - from[i])
}

const discreteFeatures = new WeakMap<Constraints, ReadonlySet<number>>()

function discrete(constraints: Constraints): ReadonlySet<number> {
  const known = discreteFeatures.get(constraints)
  if (known !== undefined) return known
  const made = new Set([...constraints.integers, ...constraints.groups.flatMap(group => [...group])])
  discreteFeatures.set(constraints, made)
  return made
}

/** The nearest point (in L2) of box and relations together, up to the number of sweeps. Frozen features stay. */
function dykstra(
  planes: readonly Plane[],
  frozen: ReadonlySet<number>,
  { low, high }: Region,
  out: Float32Array,
): void {
  const x = Float64Array.from(out)
  const corrections = planes.map(() => 0)
  const boxCorrection = new Float64Array(x.length)
  const steps = planes.map(({ features, weights }) => {
    const slopes = weights.map((weight, k) =>
      frozen.has(features[k]) || low[features[k]] === high[features[k]] ? 0 : weight,
    )
    return { slopes, square: slopes.reduce((sum, slope) => sum + slope * slope, 0) }
  })
  for (let sweep = 0; sweep < sweeps; sweep++) {
    planes.forEach(({ features, weights, bound, equal }, p) => {
      const { slopes, square } = steps[p]
      if (square === 0) return
      let excess = -bound
      for (let k = 0; k < features.length; k++) excess += weights[k] * x[features[k]]
      // The correction of a half-space lies along its normal: one number says it.
      const whole = excess / square + corrections[p]
      const move = equal ? whole : Math.max(0, whole)
      for (let k = 0; k < features.length; k++) x[features[k]] += (corrections[p] - move) * slopes[k]
      corrections[p] = move
    })
    for (let i = 0; i < x.length; i++) {
      const wish = x[i] + boxCorrection[i]
      x[i] = wish < low[i] ? low[i] : wish > high[i] ? high[i] : wish
      boxCorrection[i] = wish - x[i]
    }
    if (planes.every(plane => satisfied(plane, x))) break
  }
  out.set(x)
  for (let i = 0; i < out.length; i++) out[i] = out[i] < low[i] ? low[i] : out[i] > high[i] ? high[i] : out[i]
}
