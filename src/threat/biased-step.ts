/**
 * FAB's step: from a point to the linearised boundary and a little beyond, drawn towards the input's own projection onto that boundary:
 * x <- clip((1 - alpha) (x + eta d(x)) + alpha (x0 + eta d(x0))), alpha = min(|d(x)| / (|d(x)| + |d(x0)|), alphaMax), with d the
 * step of `stepOntoHyperplane`.
 */
import { biasedStep, towards, type Workspace } from '../tensor/kernels.js'
import { type HyperplaneNorm, hyperplaneSpace, stepOntoHyperplane } from './hyperplane.js'
import { clampToBox, type Region } from './norm.js'
import { lengthOf, sharingSpace, solve } from './sharing.js'

export interface Bias {
  /** Largest weight of the input's projection. */
  readonly alphaMax: number
  /** How far to step, as a multiple of the way to the boundary (eta). */
  readonly overshoot: number
}

/** Moves the point, where a linear function has this value and gradient. The point stays in the box. */
export type BiasedStep = (point: Float32Array, normal: Float32Array, value: number) => void

/** Steps around the center of `box`, which must not change. Fastest where points, gradients and the box lie in the workspace. */
export function biasedSteps(norm: HyperplaneNorm, box: Region, bias: Bias, memory?: Workspace): BiasedStep {
  return steps[norm](box, bias, memory)
}

const steps: { readonly [N in HyperplaneNorm]: (box: Region, bias: Bias, memory?: Workspace) => BiasedStep } = {
  Linf: (box, bias, memory) => jointSteps('Linf', box, bias, memory),
  L2: (box, bias, memory) => jointSteps('L2', box, bias, memory),
  L1: separateSteps,
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
    const there = stepOntoHyperplane(space, center, normal, value + towards(point, center, normal), fromCenter)
    blend(point, fromPoint, center, fromCenter, weightOf(here, there, alphaMax), overshoot)
    clampToBox(point, box)
  }
}

function jointSteps(
  norm: 'Linf' | 'L2',
  box: Region,
  { alphaMax, overshoot }: Bias,
  memory: Workspace | undefined,
): BiasedStep {
  const here = sharingSpace(norm, box, memory)
  const there = sharingSpace(norm, box, memory)
  return (point, normal, value) => {
    const valueThere = value + towards(point, box.center, normal)
    const t = solve(here, point, normal, value)
    const tThere = solve(there, box.center, normal, valueThere)
    const alpha = weightOf(lengthOf(here, t), lengthOf(there, tThere), alphaMax)
    const moves = [value > 0 ? -t : t, valueThere > 0 ? -tThere : tThere] as const
    biasedStep(point, box, normal, ...moves, alpha, overshoot, here.byWeight)
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
