/**
 * SimBA: along one random direction after another, forward or else backward, whatever raises the loss. Guo, Gardner, You, Wilson,
 * Weinberger, "Simple black-box adversarial attacks" (ICML 2019), with the pixel or the low-frequency cosine basis.
 *
 * Differences from the reference implementation (simple-blackbox-attack): it stops nowhere but at epsilon and the query limit, where the
 * reference bounds the distance by the number of steps: a point outside the region is projected onto it. When all directions were
 * tried they come again in a new order.
 */
import { z } from 'zod'
import type { Random } from '../random.js'
import type { NormName } from '../threat/norm.js'
import { regionOf } from '../threat/threat.js'
import { askScores, defineAttack, type Sample } from './attack.js'
import { lowFrequencies } from './dct.js'
import { imageLayout } from './image.js'
import { scoreLoss, scoreLosses } from './score-loss.js'

export const simbaOptions = z.strictObject({
  queries: z.int().min(1).max(10_000_000).default(10_000).describe('queries in all'),
  stepSize: z
    .number()
    .positive()
    .optional()
    .describe(
      'length of a step, in the units of epsilon; default epsilon for Linf, at most 0.2 for L2 (of epsilon a tenth) and L1 (all of it)',
    ),
  basis: z.enum(['pixel', 'cosine']).default('pixel').describe('directions: single features, or low frequencies'),
  frequencies: z.number().positive().max(1).default(0.125).describe('share of the frequencies in each direction'),
  loss: scoreLoss.default('cross-entropy'),
})

const defaultStep: { readonly [N in NormName]?: (epsilon: number) => number } = {
  Linf: epsilon => epsilon,
  L2: epsilon => Math.min(0.2, epsilon / 10),
  L1: epsilon => Math.min(0.2, epsilon),
}

export const simba = defineAttack({
  name: 'simba',
  paper: 'Guo et al., Simple black-box adversarial attacks, ICML 2019',
  access: 'scores',
  norms: ['Linf', 'L2', 'L1'],
  kind: 'budget',
  options: simbaOptions,
  losses: () => [],
  *search(sample, threat, options, random) {
    const { norm, epsilon } = threat
    const region = regionOf(threat, sample.input)
    const directions = directionsOf(sample, options, random(0))
    const size = options.stepSize ?? defaultStep[norm.name]!(epsilon)
    const point = sample.input.slice()
    const next = point.slice()
    const direction = new Float32Array(point.length)
    const zero = new Float32Array(point.length)
    const raised = (scores: Float32Array) => scoreLosses[options.loss](scores, sample.label)
    let loss = raised((yield* askScores(point)).logits)
    let used = 1
    while (used < options.queries) {
      directions(direction)
      const length = size / norm.distance(direction, zero)
      for (const sign of [-1, 1]) {
        if (used++ >= options.queries) break
        for (let i = 0; i < next.length; i++) next[i] = point[i] + sign * length * direction[i]
        norm.project(next, region)
        const reply = raised((yield* askScores(next)).logits)
        if (reply <= loss) continue
        loss = reply
        point.set(next)
        break
      }
    }
    return point
  },
})

/** Gives the basis vectors one after the other, each once in a round of random order. */
function directionsOf(
  { shape, input }: Sample,
  { basis, frequencies }: z.infer<typeof simbaOptions>,
  random: Random,
): (out: Float32Array) => void {
  const waves = basis === 'cosine' ? lowFrequencies(imageLayout(shape), frequencies) : undefined
  const count = waves?.count ?? input.length
  const order = Uint32Array.from({ length: count }, (_, i) => i)
  let given = 0
  return out => {
    const at = given + random.integer(count - given)
    const index = order[at]
    order[at] = order[given]
    order[given] = index
    given = (given + 1) % count
    if (waves !== undefined) return waves.wave(index, out)
    out.fill(0)
    out[index] = 1
  }
}
