/**
 * DeepFool: steps onto the nearest linearised boundary until the class changes. Moosavi-Dezfooli, Fawzi, Frossard, "DeepFool: a simple
 * and accurate method to fool deep neural networks" (CVPR 2016).
 *
 * Differences from the reference implementations: the steps are the shortest inside the box instead of clipped afterwards; a final
 * bisection takes the overshoot back.
 */
import { z } from 'zod'
import { type HyperplaneNorm, hyperplaneSpace, stepOntoHyperplane } from '../threat/hyperplane.js'
import { clampToBox, type Region } from '../threat/norm.js'
import { askLabel, askScores, defineAttack, type Sample, type Steps } from './attack.js'
import { dual, lengths, nearestBoundary } from './boundary.js'
import { boxOf, nearestTo, refine, refinements } from './nearest.js'
import { likeliestOthers } from './targets.js'

export const deepfool = defineAttack({
  name: 'deepfool',
  paper: 'Moosavi-Dezfooli, Fawzi, Frossard, DeepFool, CVPR 2016',
  access: 'gradients',
  norms: ['L2', 'Linf'],
  kind: 'minimum',
  options: z.strictObject({
    steps: z.int().min(1).max(100_000).default(50).describe('steps at most'),
    candidates: z
      .int()
      .min(2)
      .max(100_000)
      .default(10)
      .describe('classes considered, the likeliest, the label included'),
    overshoot: z.number().min(0).max(10).default(0.02).describe('how much further than onto the boundary'),
    refine: refinements,
  }),
  losses: () => ['logit-difference'],
  *search(sample, threat, options) {
    const nearest = nearestTo(sample, threat)
    const { logits } = yield* askScores(sample.input)
    const targets = likeliestOthers(logits, sample.label, options.candidates - 1)
    const norm = threat.norm.name as HyperplaneNorm
    const { point, label } = yield* crossBoundary(sample, boxOf(sample, threat), norm, targets, options, sample.input)
    nearest.offer(point, label)
    yield* refine(sample, threat, nearest, options.refine)
    return nearest.point
  },
})

/** The walk from `start` until the class changes or the steps are used up. */
export function* crossBoundary(
  sample: Sample,
  box: Region,
  norm: HyperplaneNorm,
  targets: readonly number[],
  { steps, overshoot }: { readonly steps: number; readonly overshoot: number },
  start: Float32Array,
): Steps<'gradients', { point: Float32Array; label: number }> {
  const space = hyperplaneSpace(norm, box)
  const move = new Float64Array(start.length)
  const total = new Float64Array(start.length)
  const point = start.slice()
  for (let step = 0; step < steps; step++) {
    const { value, normal, label } = yield* nearestBoundary(sample, targets, norm, point)
    if (label !== sample.label) return { point, label }
    // At least a distance of 1e-4, for at a tie of the two logits the way has no length.
    stepOntoHyperplane(space, point, normal, Math.min(value, -1e-4 * lengths[dual[norm]](normal)), move)
    for (let i = 0; i < point.length; i++) {
      total[i] += move[i]
      point[i] = start[i] + (1 + overshoot) * total[i]
    }
    clampToBox(point, box)
  }
  const { label } = yield* askLabel(point)
  return { point, label }
}
