/**
 * DDN: decoupled direction and norm: steps along the gradient on a sphere that shrinks while misclassified and grows while not. Rony,
 * Hafemann, Oliveira, Ben Ayed, Sabourin, Granger, "Decoupling direction and norm for efficient gradient-based L2 adversarial attacks
 * and defenses" (CVPR 2019).
 *
 * Differences from the reference implementation (adversarial-library): no quantisation to 256 levels; a final bisection.
 */
import { z } from 'zod'
import { clampToBox } from '../threat/norm.js'
import { askGradient, defineAttack } from './attack.js'
import { lengths } from './boundary.js'
import { boxOf, farCorner, nearestTo, refine, refinements } from './nearest.js'
import { cosine } from './optimize.js'

export const ddn = defineAttack({
  name: 'ddn',
  paper: 'Rony et al., Decoupling direction and norm for efficient gradient-based L2 attacks, CVPR 2019',
  access: 'gradients',
  norms: ['L2'],
  kind: 'minimum',
  options: z.strictObject({
    steps: z.int().min(1).max(100_000).default(100).describe('gradient steps'),
    initialNorm: z.number().positive().default(1).describe('radius of the sphere at the start'),
    gamma: z.number().gt(0).lt(1).default(0.05).describe('share by which the radius changes at each step'),
    refine: refinements,
  }),
  losses: () => ['cross-entropy'],
  *search(sample, threat, options, random) {
    const { input } = sample
    const nearest = nearestTo(sample, threat)
    const box = boxOf(sample, threat)
    const loss = { loss: 'cross-entropy', label: sample.label } as const
    const stream = random(0)
    const point = input.slice()
    const change = new Float64Array(input.length)
    const worst = threat.norm.distance(input, farCorner(box))
    let radius = options.initialNorm

    for (let step = 0; step < options.steps; step++) {
      const { gradient, label } = yield* askGradient(point, loss)
      radius *= nearest.offer(point, label) ? 1 - options.gamma : 1 + options.gamma
      radius = Math.min(radius, worst)
      if (lengths.L2(gradient) < 1e-12) for (let i = 0; i < gradient.length; i++) gradient[i] = stream.normal()
      const scale = cosine(step / options.steps, 1, 0.01) / lengths.L2(gradient)
      for (let i = 0; i < input.length; i++) change[i] = point[i] - input[i] + scale * gradient[i]
      const onSphere = radius / Math.max(lengths.L2(change), 1e-12)
      for (let i = 0; i < input.length; i++) point[i] = input[i] + onSphere * change[i]
      clampToBox(point, box)
    }
    yield* refine(sample, threat, nearest, options.refine)
    return nearest.point
  },
})
