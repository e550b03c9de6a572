/** The shortest way onto a hyperplane inside the unit box by slow and plain means: the oracle of projections and of minimum-distance attacks. */
import type { NormName } from '../../src/threat/norm.js'

export interface Hyperplane {
  readonly point: Float32Array
  readonly normal: ArrayLike<number>
  /** Value of the linear function at the point; the way leads to where it is zero. */
  readonly value: number
}

/** How far each feature may move down the value, and what a unit of it gains. */
function movable({ point, normal, value }: Hyperplane) {
  return Array.from(normal, (w, i) => {
    const slope = value > 0 ? w : -w
    return { weight: Math.abs(w), room: slope === 0 ? 0 : slope > 0 ? point[i] : 1 - point[i] }
  })
}

/** The most that the value can change inside the box. */
export function reachOf(hyperplane: Hyperplane): number {
  return movable(hyperplane).reduce((sum, { weight, room }) => sum + weight * room, 0)
}

export const lengthIn: Record<NormName, (step: ArrayLike<number>) => number> = {
  Linf: step => Math.max(...Array.from(step, Math.abs)),
  L2: step => Math.hypot(...Array.from(step)),
  L1: step => Array.from(step, Math.abs).reduce((a, b) => a + b, 0),
  L0: step => Array.from(step).filter(move => move !== 0).length,
}

/** The least length: bisection on the parameter of the optimum for Linf and L2, sorted greedy choice for L1 and L0. Infinity out of reach. */
export function shortest(norm: NormName, hyperplane: Hyperplane): number {
  return reachOf(hyperplane) < Math.abs(hyperplane.value) ? Number.POSITIVE_INFINITY : solvers[norm](hyperplane)
}

const solvers: Record<NormName, (hyperplane: Hyperplane) => number> = {
  Linf: given => bisected(given, (t, { room }) => Math.min(t, room), lengthIn.Linf),
  L2: given => bisected(given, (t, { weight, room }) => Math.min(t * weight, room), lengthIn.L2),
  L1(given) {
    let left = Math.abs(given.value)
    let total = 0
    for (const { weight, room } of movable(given).sort((a, b) => b.weight - a.weight)) {
      if (weight === 0) break
      const move = Math.min(room, left / weight)
      total += move
      left -= move * weight
    }
    return total
  },
  L0(given) {
    let left = Math.abs(given.value)
    let count = 0
    for (const gain of movable(given)
      .map(({ weight, room }) => weight * room)
      .sort((a, b) => b - a)) {
      if (left <= 0) break
      left -= gain
      count++
    }
    return count
  },
}

interface Feature {
  readonly weight: number
  readonly room: number
}

function bisected(
  given: Hyperplane,
  move: (t: number, feature: Feature) => number,
  lengthOf: (step: number[]) => number,
): number {
  const features = movable(given)
  const gain = (t: number) => features.reduce((sum, feature) => sum + feature.weight * move(t, feature), 0)
  let low = 0
  let high = 1e9
  for (let i = 0; i < 200; i++) {
    const middle = (low + high) / 2
    if (gain(middle) < Math.abs(given.value)) low = middle
    else high = middle
  }
  return lengthOf(features.map(feature => (feature.weight === 0 ? 0 : move(high, feature))))
}
