/** The geometry of a norm, as a value: attacks call these functions and never ask which norm it is. */
import type { Random } from '../random.js'
import { carryOn, lasting, type Workspace } from '../tensor/kernels.js'

export type NormName = 'Linf' | 'L2' | 'L1' | 'L0'

/**
 * Where an adversarial example may lie: the ball of radius epsilon around `center`, intersected with the box
 * [low, high] per feature. For Linf the bounds already hold the ball, rounded inward, so that float32 points between
 * them are never further than epsilon from the center in exact arithmetic.
 */
export interface Region {
  readonly center: Float32Array
  readonly epsilon: number
  readonly low: Float32Array
  readonly high: Float32Array
}

export interface Norm {
  readonly name: NormName
  /** Units of the features, where they differ: epsilon stands for epsilon times the scale. */
  readonly scales?: Float64Array
  /** Distance of two points, accumulated in float64. For L0 the number of features that differ. */
  distance(a: Float32Array, b: Float32Array): number
  region(center: Float32Array, epsilon: number, box: Box): Region
  /** Replaces the point by the nearest one (in L2) of ball and box together. Never moves a point of the region. */
  project(point: Float32Array, region: Region): void
  /**
   * out = point + size * (the direction of unit norm that increases a linear function of this gradient fastest), not
   * projected. A zero gradient gives no step. `out` may be `point`. Where the norm asks for sparse steps (L1), `features`
   * says on how many features to spread the step.
   */
  step(point: Float32Array, gradient: Float32Array, size: number, out: Float32Array, features?: number): void
  /**
   * One step of projected ascent with momentum: with P the projection and d the direction of `step`,
   * out = P(x + m (P(x + size d) - x) + (1 - m) (x - previous)); m = 1 is the plain projected step. `out` may be `point`
   * when m = 1. On the hot path of every gradient attack.
   */
  ascend(move: Move, region: Region, out: Float32Array): void
  /** Fills `out` with a random point of the region, as the field's attacks start. */
  sample(random: Random, region: Region, out: Float32Array): void
}

export interface Move {
  readonly point: Float32Array
  readonly previous: Float32Array
  readonly gradient: Float32Array
  readonly size: number
  readonly momentum: number
  readonly features: number | undefined
}

/** `ascend` made of `step` and `project`. */
export function composedAscent(norm: Pick<Norm, 'step' | 'project'>): Norm['ascend'] {
  return ({ point, previous, gradient, size, momentum, features }, region, out) => {
    norm.step(point, gradient, size, out, features)
    norm.project(out, region)
    if (momentum === 1) return
    carryOn(point, previous, momentum, out)
    norm.project(out, region)
  }
}

/** Lowest and highest value of every feature, or one array per bound. Infinite bounds are allowed. */
export interface Box {
  readonly low: number | Float32Array
  readonly high: number | Float32Array
}

/** The box alone as a region's bounds. */
export function boxBounds(center: Float32Array, box: Box): { low: Float32Array; high: Float32Array } {
  return { low: bound(center.length, box.low), high: bound(center.length, box.high) }
}

/** One array for all searches with the same bound: hundreds of copies would not stay in the processor's cache. Never written to. */
const constants = new Map<string, Float32Array>()

function bound(length: number, value: number | Float32Array): Float32Array {
  if (typeof value !== 'number') return value
  const key = `${length} ${value}`
  const known = constants.get(key)
  if (known !== undefined) return known
  // Few of them are ever in use at a time.
  if (constants.size >= 16) constants.clear()
  const made = lasting(length).fill(value)
  constants.set(key, made)
  return made
}

/** The region in the memory of the kernels, where attacks that take many steps in it keep it. */
export function held({ center, epsilon, low, high }: Region, { hold }: Workspace): Region {
  return { center: hold(center), epsilon, low: hold(low), high: hold(high) }
}

export function clampToBox(point: Float32Array, { low, high }: Region): void {
  for (let i = 0; i < point.length; i++) {
    const value = point[i]
    point[i] = value < low[i] ? low[i] : value > high[i] ? high[i] : value
  }
}

/**
 * After rounding to float32 a projected point can lie outside the ball by a few units in the last place: shrinks it
 * towards the center until it does not. The box is convex and holds the center, so it stays inside.
 */
export function pullInside(norm: Norm, point: Float32Array, region: Region): void {
  const { center, epsilon } = region
  for (let shrink = 2 ** -23; ; shrink *= 2) {
    const distance = norm.distance(point, center)
    if (!(distance > epsilon)) return
    const factor = (epsilon / distance) * (1 - shrink)
    for (let i = 0; i < point.length; i++) point[i] = center[i] + (point[i] - center[i]) * factor
    clampToBox(point, region)
  }
}
