/**
 * SparseFool: DeepFool finds the boundary, then the features that lead there most steeply move one after the other to the end of the
 * box. Modas, Moosavi-Dezfooli, Frossard, "SparseFool: a few pixels make a big difference" (CVPR 2019).
 *
 * Differences from the reference implementation: the linear problem is solved by selection in linear time; the most that the box
 * allows is taken when it does not reach the hyperplane; the overshoot is clamped as before, and a final refinement takes it back.
 */
import { z } from 'zod'
import { hyperplaneSpace, stepOntoHyperplane } from '../threat/hyperplane.js'
import { clampToBox } from '../threat/norm.js'
import { askGradient, askLabel, askScores, defineAttack } from './attack.js'
import { crossBoundary } from './deepfool.js'
import { boxOf, nearestTo, refine, refinements } from './nearest.js'
import { likeliestOthers } from './targets.js'

export const sparsefool = defineAttack({
  name: 'sparsefool',
  paper: 'Modas, Moosavi-Dezfooli, Frossard, SparseFool: a few pixels make a big difference, CVPR 2019',
  access: 'gradients',
  norms: ['L1', 'L0'],
  kind: 'minimum',
  options: z.strictObject({
    steps: z.int().min(1).max(10_000).default(20).describe('boundaries approached at most'),
    lambda: z
      .number()
      .min(1)
      .max(100)
      .default(3)
      .describe('how far beyond the boundary to aim, as a multiple of the way'),
    overshoot: z.number().min(0).max(10).default(0.02).describe('how much further than onto the hyperplane'),
    deepfoolSteps: z.int().min(1).max(100_000).default(50).describe('steps of DeepFool for each boundary'),
    candidates: z.int().min(2).max(100_000).default(10).describe('classes that DeepFool considers, the label included'),
    refine: refinements,
  }),
  losses: () => ['logit-difference'],
  *search(sample, threat, options) {
    const { input, label: truth } = sample
    const nearest = nearestTo(sample, threat)
    const box = boxOf(sample, threat)
    const { logits } = yield* askScores(input)
    const targets = likeliestOthers(logits, truth, options.candidates - 1)
    const walk = { steps: options.deepfoolSteps, overshoot: options.overshoot }
    const space = hyperplaneSpace('L1', box)
    const move = new Float64Array(input.length)
    const current = input.slice()
    const point = input.slice()

    for (let step = 0; step < options.steps; step++) {
      const { point: beyond, label: target } = yield* crossBoundary(sample, box, 'L2', targets, walk, current)
      if (target === truth) break
      const { gradient } = yield* askGradient(beyond, { loss: 'logit-difference', label: truth, target })
      let value = 0
      for (let i = 0; i < input.length; i++) value += gradient[i] * options.lambda * (current[i] - beyond[i])
      stepOntoHyperplane(space, current, gradient, value, move)
      for (let i = 0; i < input.length; i++) {
        current[i] += move[i]
        point[i] = input[i] + (1 + options.overshoot) * (current[i] - input[i])
      }
      clampToBox(current, box)
      clampToBox(point, box)
      const { label } = yield* askLabel(point)
      if (nearest.offer(point, label)) break
    }
    yield* refine(sample, threat, nearest, options.refine)
    return nearest.point
  },
})
