/** What an adversary may do: a norm, its radius, the box that valid inputs fill, and constraints of features. */
import { RobustlyError } from '../errors.js'
import { type Constraints, constrainedBox, holds } from './constraints.js'
import type { Box, Norm, NormName, Region } from './norm.js'
import { l0 } from './norms/l0.js'
import { l1 } from './norms/l1.js'
import { l2 } from './norms/l2.js'
import { linf } from './norms/linf.js'
import { scaledLinf } from './norms/scaled-linf.js'

export const norms: { readonly [N in NormName]: Norm } = { Linf: linf, L2: l2, L1: l1, L0: l0 }

export interface ThreatModel {
  readonly norm: Norm
  readonly epsilon: number
  /** Epsilon as it was written: `8/255`. */
  readonly epsilonText: string
  readonly box: Box
  readonly constraints?: Constraints | undefined
}

/** The norm as features with a radius of their own see it: in Linf epsilon stands for that radius. Epsilon is more than zero then. */
export function normWith(name: NormName, epsilon: number, constraints: Constraints | undefined): Norm {
  const radii = constraints?.radii
  if (name !== 'Linf' || radii === undefined) return norms[name]
  return scaledLinf(radii.map(radius => (Number.isNaN(radius) ? 1 : radius / epsilon)))
}

export function regionOf({ norm, epsilon, box, constraints }: ThreatModel, center: Float32Array): Region {
  return norm.region(center, epsilon, constraints === undefined ? box : constrainedBox(constraints, center, box))
}

/**
 * Whether the point lies in ball and box and keeps the constraints, in exact arithmetic on its float32 values (linear relations within
 * their tolerance). NaN never does.
 */
export function contains(threat: ThreatModel, region: Region, point: Float32Array): boolean {
  for (let i = 0; i < point.length; i++) {
    if (!(point[i] >= region.low[i] && point[i] <= region.high[i])) return false
  }
  if (threat.constraints !== undefined && !holds(threat.constraints, point)) return false
  return threat.norm.distance(point, region.center) <= threat.epsilon
}

/**
 * Reads an epsilon as people write it: a decimal number or a fraction of two, zero or more.
 * Throws `config` for anything else.
 */
export function parseEpsilon(text: string): number {
  const parts = text.trim().split('/')
  const numbers = parts.map(part =>
    /^\s*\d+(\.\d*)?(e[+-]?\d+)?\s*$|^\s*\.\d+(e[+-]?\d+)?\s*$/i.test(part) ? Number(part) : Number.NaN,
  )
  const value = numbers.length === 1 ? numbers[0] : numbers.length === 2 ? numbers[0] / numbers[1] : Number.NaN
  if (!Number.isFinite(value)) {
    throw new RobustlyError('config', `epsilon is "${text}", expected a number of zero or more such as 0.3 or 8/255`)
  }
  return value
}
