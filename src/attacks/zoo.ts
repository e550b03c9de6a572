/**
 * ZOO: the objective of Carlini and Wagner descended by Adam on single features, whose slopes are differences of scores. Chen, Zhang,
 * Sharma, Yi, Hsieh, "ZOO: zeroth order optimization based black-box attacks" (AISec 2017).
 * Minimises ||x' - x||² + c max(z_y - max_{i != y} z_i, 0); the difference of log-probabilities in the paper is that of the logits.
 *
 * Differences from the reference implementation: the slope of the distance is exact, only that of the scores is estimated; the box is held by
 * clamping (its option without tanh); no dimension reduction and no importance sampling; a hard limit on queries.
 */
import { z } from 'zod'
import { marginOf } from '../model/batch-model.js'
import type { Random } from '../random.js'
import type { Region } from '../threat/norm.js'
import { askScores, askScoresOfMany, defineAttack, type Sample, type ScoreReply, type Steps } from './attack.js'
import { boxOf, type Nearest, nearestTo } from './nearest.js'
import { shuffleFirst } from './shuffle.js'

export const zooOptions = z.strictObject({
  searches: z.int().min(1).max(20).default(9).describe('trial values of c'),
  steps: z.int().min(1).max(1_000_000).default(3000).describe('steps of each search'),
  features: z.int().min(1).max(100_000).default(128).describe('features changed in a step, two queries each'),
  stepSize: z.number().positive().default(0.01).describe('learning rate of Adam'),
  width: z.number().positive().default(0.0001).describe('half the distance of the two points of a difference (h)'),
  initialConstant: z.number().positive().default(0.01).describe('first c'),
  abortEarly: z.boolean().default(true).describe('end a search that made no progress for a tenth of its steps'),
  queries: z.int().min(1).max(100_000_000).default(1_000_000).describe('queries in all, at most'),
})

type Options = z.infer<typeof zooOptions>

export const zoo = defineAttack({
  name: 'zoo',
  paper: 'Chen et al., ZOO: zeroth order optimization based black-box attacks, AISec 2017',
  access: 'scores',
  norms: ['L2'],
  kind: 'minimum',
  options: zooOptions,
  losses: () => [],
  *search(sample, threat, options, random) {
    const nearest = nearestTo(sample, threat)
    const box = boxOf(sample, threat)
    const budget = { left: options.queries }
    let [low, high] = [0, Number.POSITIVE_INFINITY]
    let constant = options.initialConstant
    for (let search = 0; search < options.searches && budget.left > 0; search++) {
      const found = yield* descend(sample, box, options, constant, random(search), nearest, budget)
      if (found) high = constant
      else low = constant
      constant = high < Number.POSITIVE_INFINITY ? (low + high) / 2 : constant * 10
    }
    return nearest.point
  },
})

/** One search with a fixed c; says whether it met a misclassified point. */
function* descend(
  sample: Sample,
  { low, high }: Region,
  options: Options,
  constant: number,
  random: Random,
  nearest: Nearest,
  budget: { left: number },
): Steps<'scores', boolean> {
  const { input, label } = sample
  const count = Math.min(options.features, input.length)
  const point = input.slice()
  const order = Uint32Array.from(input, (_, i) => i)
  const probes = Array.from({ length: Math.min(2 * count, 64) }, () => new Float32Array(input.length))
  const adam = coordinateAdam(input.length, options.stepSize)
  const hinge = ({ logits }: ScoreReply) => Math.max(0, marginOf(logits, label))
  const patience = Math.max(1, Math.floor(options.steps / 10))
  let found = false
  let lowest = Number.POSITIVE_INFINITY
  let sinceProgress = 0

  for (let step = 0; step < options.steps && budget.left >= 2 * count + 1; step++) {
    budget.left -= 2 * count + 1
    const reply = yield* askScores(point)
    if (nearest.offer(point, reply.label)) {
      if (!found) adam.reset()
      found = true
    }
    const objective = squaredDistance(point, input) + constant * hinge(reply)
    sinceProgress = objective < 0.9999 * lowest ? 0 : sinceProgress + 1
    lowest = Math.min(lowest, objective)
    if (options.abortEarly && sinceProgress >= patience) break

    shuffleFirst(order, count, random)
    const slopes = new Float64Array(count)
    for (let done = 0; done < count; done += probes.length / 2) {
      const size = Math.min(probes.length / 2, count - done)
      for (let k = 0; k < size; k++) {
        const i = order[done + k]
        probes[2 * k].set(point)
        probes[2 * k + 1].set(point)
        probes[2 * k][i] = Math.min(high[i], point[i] + options.width)
        probes[2 * k + 1][i] = Math.max(low[i], point[i] - options.width)
      }
      const replies = yield* askScoresOfMany(2 * size === probes.length ? probes : probes.slice(0, 2 * size))
      for (let k = 0; k < size; k++) {
        const i = order[done + k]
        const width = probes[2 * k][i] - probes[2 * k + 1][i]
        const rise = hinge(replies[2 * k]) - hinge(replies[2 * k + 1])
        slopes[done + k] = 2 * (point[i] - input[i]) + (width > 0 ? (constant * rise) / width : 0)
      }
    }
    for (let k = 0; k < count; k++) {
      const i = order[k]
      point[i] = Math.min(high[i], Math.max(low[i], point[i] - adam.step(i, slopes[k])))
    }
  }
  return found
}

/** Adam (Kingma and Ba, ICLR 2015) whose features count their own steps, as ZOO-ADAM has it. */
function coordinateAdam(length: number, rate: number) {
  const [beta1, beta2, tiny] = [0.9, 0.999, 1e-8]
  const mean = new Float64Array(length)
  const square = new Float64Array(length)
  const steps = new Uint32Array(length)
  return {
    step(i: number, slope: number): number {
      steps[i]++
      mean[i] = beta1 * mean[i] + (1 - beta1) * slope
      square[i] = beta2 * square[i] + (1 - beta2) * slope * slope
      const root = Math.sqrt(square[i] / (1 - beta2 ** steps[i]))
      return (rate * mean[i]) / (1 - beta1 ** steps[i]) / (root + tiny)
    },
    reset() {
      for (const values of [mean, square, steps]) values.fill(0)
    },
  }
}

function squaredDistance(a: Float32Array, b: Float32Array): number {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += (a[i] - b[i]) ** 2
  return sum
}
