/**
 * FAB's step: from a point to the linearised boundary and a little beyond, drawn towards the input's own projection onto that boundary:
 * x <- clip((1 - alpha) (x + eta d(x)) + alpha (x0 + eta d(x0))), alpha = min(|d(x)| / (|d(x)| + |d(x0)|), alphaMax), with d the
 * step of `stepOntoHyperplane`. In Linf and L2 both steps and the sum of them take two passes over the features.
 */
import { type HyperplaneNorm, hyperplaneSpace, stepOntoHyperplane } from './hyperplane.js'
import { clampToBox, type Region } from './norm.js'
import { boundOf, lengthOf, listNear, moveOf, type SharingSpace, sharingSpace, solve, uniformMove } from './sharing.js'

export interface Bias {
  /** Largest weight of the input's projection. */
  readonly alphaMax: number
  /** How far to step, as a multiple of the way to the boundary (eta). */
  readonly overshoot: number
}

/** Moves the point, where a linear function has this value and gradient. The point stays in the box. */
export type BiasedStep = (point: Float32Array, normal: Float32Array, value: number) => void

/** Steps around the center of `box`, which must not change. */
export function biasedSteps(norm: HyperplaneNorm, box: Region, bias: Bias): BiasedStep {
  return norm === 'L1' ? separateSteps(box, bias) : jointSteps(norm, box, bias)
}

/** Of two steps of these lengths, the weight of the second. */
function weightOf(here: number, there: number, alphaMax: number): number {
  const [first, second] = [Math.max(here, 1e-8), Math.max(there, 1e-8)]
  return Math.min(first / (first + second), alphaMax)
}

function separateSteps(box: Region, { alphaMax, overshoot }: Bias): BiasedStep {
  const { center } = box
  const space = hyperplaneSpace('L1', box)
  const fromPoint = new Float64Array(center.length)
  const fromCenter = new Float64Array(center.length)
  return (point, normal, value) => {
    const here = stepOntoHyperplane(space, point, normal, value, fromPoint)
    const there = stepOntoHyperplane(space, center, normal, valueAt(center, point, normal, value), fromCenter)
    blend(point, fromPoint, center, fromCenter, weightOf(here, there, alphaMax), overshoot)
    clampToBox(point, box)
  }
}

function jointSteps(norm: 'Linf' | 'L2', box: Region, { alphaMax, overshoot }: Bias): BiasedStep {
  const { center, low, high } = box
  const here = sharingSpace(norm, box)
  const there = sharingSpace(norm, box)
  const add = norm === 'L2' ? addWeights : addSigns
  /** The point's values, before it moves, at the features that reach the box. */
  const before = new Float32Array(2 * center.length)

  return (point, normal, value) => {
    const valueThere = value + survey(here, there, point, center, normal)
    const t = solve(here, point, normal, value)
    const tThere = solve(there, center, normal, valueThere)
    const lengths = [lengthOf(here, point, normal, value, t), lengthOf(there, center, normal, valueThere, tThere)]
    const alpha = weightOf(lengths[0], lengths[1], alphaMax)
    const move = overshoot * ((1 - alpha) * uniformMove(value, t) + alpha * uniformMove(valueThere, tThere))

    let saved = 0
    for (const { near, count } of [here, there]) for (let k = 0; k < count; k++) before[saved++] = point[near[k]]
    add(point, center, alpha, normal, move, low, high)
    saved = 0
    for (const { near, count } of [here, there]) {
      for (let k = 0; k < count; k++) {
        const i = near[k]
        const x = before[saved++]
        const fromPoint = moveOf(here, i, x, normal[i], value, t)
        const fromCenter = moveOf(there, i, center[i], normal[i], valueThere, tThere)
        const next = (1 - alpha) * (x + overshoot * fromPoint) + alpha * (center[i] + overshoot * fromCenter)
        point[i] = next < low[i] ? low[i] : next > high[i] ? high[i] : next
      }
    }
  }
}

// Loops over the features stand in functions of their own, which V8 compiles best.

/** Lists the features near the box of both points; gives normal.(center - point). */
function survey(
  here: SharingSpace,
  there: SharingSpace,
  point: Float32Array,
  center: Float32Array,
  normal: Float32Array,
): number {
  const { byWeight, low, high, sums } = here
  if (byWeight) {
    listNear(here, point, normal)
    listNear(there, center, normal)
    return valueAt(center, point, normal, 0)
  }
  surveyAlike(point, center, normal, low, high, boundOf(here), boundOf(there), here.near, there.near, sums)
  here.rest = sums[0]
  there.rest = sums[1]
  here.count = sums[2]
  there.count = sums[3]
  return sums[4]
}

/** The linear function with this value and gradient at `from`, at another point. */
function valueAt(point: Float32Array, from: Float32Array, gradient: Float32Array, value: number): number {
  for (let i = 0; i < point.length; i++) value += gradient[i] * (point[i] - from[i])
  return value
}

/** Linf's part of `survey` in one pass. sums: slopes of the features that are not near the box, their numbers, normal.(center - point). */
function surveyAlike(
  point: Float32Array,
  center: Float32Array,
  normal: Float32Array,
  low: Float32Array,
  high: Float32Array,
  bound: number,
  centerBound: number,
  near: Int32Array,
  centerNear: Int32Array,
  sums: Float64Array,
): void {
  let count = 0
  let centerCount = 0
  let rest = 0
  let centerRest = 0
  let dot = 0
  for (let i = 0; i < point.length; i++) {
    const x = point[i]
    const c = center[i]
    const w = normal[i]
    const weight = Math.abs(w)
    dot += w * (c - x)
    if (x - low[i] >= bound && high[i] - x >= bound) rest += weight
    else near[count++] = i
    if (c - low[i] >= centerBound && high[i] - c >= centerBound) centerRest += weight
    else centerNear[centerCount++] = i
  }
  sums[0] = rest
  sums[1] = centerRest
  sums[2] = count
  sums[3] = centerCount
  sums[4] = dot
}

/** point = clip((1 - alpha) point + alpha center + move sign(normal)) */
function addSigns(
  point: Float32Array,
  center: Float32Array,
  alpha: number,
  normal: Float32Array,
  move: number,
  low: Float32Array,
  high: Float32Array,
): void {
  const bits = new Int32Array(normal.buffer, normal.byteOffset, normal.length)
  for (let i = 0; i < point.length; i++) {
    const magnitude = bits[i] << 1
    const sign = (bits[i] >> 31) | ((magnitude | -magnitude) >>> 31)
    const next = (1 - alpha) * point[i] + alpha * center[i] + move * sign
    point[i] = next < low[i] ? low[i] : next > high[i] ? high[i] : next
  }
}

/** point = clip((1 - alpha) point + alpha center + move normal) */
function addWeights(
  point: Float32Array,
  center: Float32Array,
  alpha: number,
  normal: Float32Array,
  move: number,
  low: Float32Array,
  high: Float32Array,
): void {
  for (let i = 0; i < point.length; i++) {
    const next = (1 - alpha) * point[i] + alpha * center[i] + move * normal[i]
    point[i] = next < low[i] ? low[i] : next > high[i] ? high[i] : next
  }
}

/** point = (1 - alpha) (point + overshoot step) + alpha (center + overshoot centerStep) */
function blend(
  point: Float32Array,
  step: Float64Array,
  center: Float32Array,
  centerStep: Float64Array,
  alpha: number,
  overshoot: number,
): void {
  for (let i = 0; i < point.length; i++) {
    point[i] = (1 - alpha) * (point[i] + overshoot * step[i]) + alpha * (center[i] + overshoot * centerStep[i])
  }
}
