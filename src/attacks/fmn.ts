/**
 * FMN: fast minimum-norm: gradient steps projected onto a ball whose radius follows the distance to the boundary. Pintor, Roli,
 * Brendel, Biggio, "Fast minimum-norm adversarial attacks through adaptive norm constraints" (NeurIPS 2021).
 *
 * Differences from the reference implementation (adversarial-library): the projection is exact on ball and box together instead of
 * one after the other; the first radii lie a share of gamma beyond the linearised boundary, for a point on it may never be
 * misclassified; features that the box stops take no part in a step; in Linf it goes along the signs of the gradient; no starting
 * points; a final refinement.
 */
import { z } from 'zod'
import type { NormName, Region } from '../threat/norm.js'
import { norms, regionOf } from '../threat/threat.js'
import { askGradient, defineAttack } from './attack.js'
import { dual, lengths } from './boundary.js'
import { boxOf, farCorner, nearestTo, refine, refinements } from './nearest.js'
import { cosine } from './optimize.js'

export const fmn = defineAttack({
  name: 'fmn',
  paper: 'Pintor, Roli, Brendel, Biggio, Fast minimum-norm adversarial attacks, NeurIPS 2021',
  access: 'gradients',
  norms: ['Linf', 'L2', 'L1', 'L0'],
  kind: 'minimum',
  options: z.strictObject({
    steps: z.int().min(1).max(100_000).default(100).describe('gradient steps'),
    stepSize: z
      .number()
      .positive()
      .default(1)
      .describe('length of the first step: in L2, for Linf as a share of the radius; falls to a hundredth'),
    gamma: z.number().gt(0).lt(1).default(0.05).describe('share by which the radius changes at first; falls to 0.001'),
    refine: refinements,
  }),
  losses: () => ['margin'],
  *search(sample, threat, options) {
    const { input, label: truth } = sample
    const { norm } = threat
    const nearest = nearestTo(sample, threat)
    const box = boxOf(sample, threat)
    const worst = norm.distance(input, farCorner(box))
    const nextRadius = radii[norm.name]
    const point = input.slice()
    let radius: number | undefined
    for (let step = 0; step < options.steps; step++) {
      const { gradient, label, loss } = yield* askGradient(point, { loss: 'margin', label: truth })
      const share = step / options.steps
      const misclassified = nearest.offer(point, label)
      const gamma = cosine(share, options.gamma, Math.min(0.001, options.gamma))
      const moved = norm.distance(point, input)
      const state = { radius, misclassified, gamma, nearest: nearest.distance, loss, gradient, moved }
      radius = Math.min(worst, nextRadius(state))
      leaveOut(gradient, point, box)
      const size = cosine(share, options.stepSize, options.stepSize / 100)
      if (inRadii.has(norm.name)) norm.step(point, gradient, size * radius, point)
      else norms.L2.step(point, gradient, size, point)
      if (onSphere.has(norm.name)) stretch(point, input, radius)
      norm.project(point, regionOf({ ...threat, epsilon: radius }, input))
    }
    yield* refine(sample, threat, nearest, options.refine)
    return nearest.point
  },
})

/** Sets the gradient to zero where the box stops the point: what such features cannot use of a step's length, others can. */
function leaveOut(gradient: Float32Array, point: Float32Array, { low, high }: Region): void {
  for (let i = 0; i < point.length; i++) {
    if (gradient[i] > 0 ? point[i] >= high[i] : point[i] <= low[i]) gradient[i] = 0
  }
}

/**
 * Where features have unequal slopes, steps along the gradient bring the steepest of them to the edge of the Linf ball at once and then
 * spend their length on these, while the others hardly move. Steps along its signs move all alike, and a ball of this norm says how far.
 */
const inRadii: ReadonlySet<NormName> = new Set(['Linf'])

/** In L2 the reference puts every point on the sphere, also those inside: the radius, not the step, says how far to look. */
const onSphere: ReadonlySet<NormName> = new Set(['L2'])

/** Scales the perturbation to the L2 length `radius`. */
function stretch(point: Float32Array, input: Float32Array, radius: number): void {
  const factor = radius / Math.max(norms.L2.distance(point, input), 1e-12)
  if (!Number.isFinite(factor)) return
  for (let i = 0; i < point.length; i++) point[i] = input[i] + factor * (point[i] - input[i])
}

interface State {
  /** Undefined before the first step. */
  readonly radius: number | undefined
  readonly misclassified: boolean
  readonly gamma: number
  /** Distance of the nearest misclassified point so far; Infinity before there is one. */
  readonly nearest: number
  readonly loss: number
  readonly gradient: Float32Array
  /** Distance of the present point. */
  readonly moved: number
}

type Radius = (state: State) => number

/** Shrinks while misclassified, grows while not; before the first misclassified point it leads at least just beyond the linearised boundary. */
const continuous =
  (norm: keyof typeof dual): Radius =>
  ({ radius, misclassified, gamma, nearest, loss, gradient, moved }) =>
    misclassified
      ? Math.min((radius ?? Number.POSITIVE_INFINITY) * (1 - gamma), nearest)
      : Number.isFinite(nearest)
        ? (radius ?? nearest) * (1 + gamma)
        : Math.max(radius ?? 0, moved + Math.abs(loss) / Math.max(lengths[dual[norm]](gradient), 1e-12)) * (1 + gamma)

/** Whole numbers of features, from one. */
const counting: Radius = ({ radius = 1, misclassified, gamma, nearest }) =>
  misclassified
    ? Math.max(0, Math.min(radius - 1, Math.floor(radius * (1 - gamma)), nearest))
    : Math.max(radius + 1, Math.floor(radius * (1 + gamma)))

const radii: { readonly [N in NormName]: Radius } = {
  Linf: continuous('Linf'),
  L2: continuous('L2'),
  L1: continuous('L1'),
  L0: counting,
}
