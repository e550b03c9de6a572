/** Minimum-distance attacks against linear models, whose nearest adversarial example in the box is known exactly. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { compileGraph, linearGraph } from '../../test/support/models.js'
import { median, proposals } from '../../test/support/proposals.js'
import { shortest } from '../../test/support/shortest.js'
import { labelOf, marginOf } from '../model/batch-model.js'
import type { CompiledModel } from '../model/compile.js'
import { randomStream } from '../random.js'
import type { NormName } from '../threat/norm.js'
import { norms } from '../threat/threat.js'
import type { Sample } from './attack.js'
import { attacks } from './index.js'

const features = 60
const count = 15

/** How far the median distance may lie above the optimum, and options other than the defaults. */
interface Row {
  readonly attack: string
  readonly tolerance: Partial<Record<NormName, number>>
  readonly options?: object
  /** Of the model. Default 5. */
  readonly classes?: 2 | 5
}

// Without the refinement at the end where an attack does without: it would hide what the search itself fails to find.
const bare = { refine: 0 }

const rows: readonly Row[] = [
  { attack: 'fab', tolerance: { Linf: 0.01, L2: 0.01, L1: 0.01 } },
  { attack: 'fab-t', tolerance: { Linf: 0.01, L2: 0.01, L1: 0.01 } },
  { attack: 'deepfool', tolerance: { Linf: 0.01, L2: 0.01 } },
  // Its overshoot is 2 %.
  { attack: 'deepfool', tolerance: { Linf: 0.021, L2: 0.021 }, options: bare },
  { attack: 'ddn', tolerance: { L2: 0.01 }, options: bare },
  { attack: 'ddn', tolerance: { L2: 0.01 }, classes: 2, options: bare },
  { attack: 'fmn', tolerance: { Linf: 0.01, L2: 0.01, L1: 0.05, L0: 0 }, options: bare },
  { attack: 'carlini-wagner', tolerance: { L2: 0.01 }, options: { ...bare, steps: 300 } },
  {
    attack: 'carlini-wagner',
    tolerance: { Linf: 0.01 },
    options: { ...bare, steps: 100, learningRate: 0.03, initialConstant: 0.1 },
  },
  {
    attack: 'carlini-wagner',
    tolerance: { L0: 0 },
    options: { ...bare, steps: 100, learningRate: 0.1, initialConstant: 1 },
  },
  { attack: 'ead', tolerance: { L1: 0.05 }, options: { ...bare, steps: 300, beta: 0.03 } },
  {
    attack: 'brendel-bethge',
    tolerance: { Linf: 0.01, L2: 0.01, L1: 0.05 },
    classes: 2,
    options: { ...bare, steps: 150, radius: 0.02, decays: 10 },
  },
  { attack: 'sigma-zero', tolerance: { L0: 0 }, options: { ...bare, steps: 300 } },
  // It changes pairs: the restoration makes odd numbers of them.
  { attack: 'jsma', tolerance: { L0: 0 }, options: { share: 1 } },
  // Aiming beyond the boundary helps where it curves, and costs where it is straight.
  { attack: 'sparsefool', tolerance: { L1: 0.05 }, options: { ...bare, lambda: 1 } },
  { attack: 'sparsefool', tolerance: { L0: 0 }, options: { ...bare, lambda: 1 } },
]

/** A linear model and its samples. */
interface Problem {
  readonly classes: number
  readonly model: CompiledModel
  logits(input: Float32Array): Float32Array
  readonly samples: readonly Sample[]
}

async function problemWith(classes: number): Promise<Problem> {
  const random = randomStream(7, classes, 'minimum')
  const weights = Array.from({ length: classes }, () => Array.from({ length: features }, () => random.normal()))
  const bias = Array.from({ length: classes }, () => 0.2 * random.normal())
  const losses = [...new Set([...attacks.values()].flatMap(attack => attack.losses(classes)))]
  const logits = (input: Float32Array) =>
    Float32Array.from(weights, (row, k) => row.reduce((sum, w, i) => sum + w * input[i], bias[k]))
  // A third of the features at the edge of the box, where half of the ways are shut.
  const samples = Array.from({ length: count }, (_, index) => {
    const input = Float32Array.from({ length: features }, (_, i) =>
      i % 3 === 0 ? random.integer(2) : random.uniform(),
    )
    return { index, input, label: labelOf(logits(input)), shape: [features], classes }
  })
  return { classes, model: await compileGraph(linearGraph(weights, bias), features, 8, losses), logits, samples }
}

const problems = new Map<number, Problem>()
beforeAll(async () => {
  for (const classes of [2, 5]) problems.set(classes, await problemWith(classes))
})
afterAll(async () => {
  for (const { model } of problems.values()) await model[Symbol.asyncDispose]()
})

/** Distance to the nearest point at which another class is at least as likely. */
function optimum(norm: NormName, { logits, classes }: Problem, { input, label }: Sample): number {
  // The linear functions from their values: row i of the weights is what feature i adds.
  const at = (point: Float32Array, k: number) => logits(point)[k] - logits(point)[label]
  const origin = new Float32Array(features)
  return Math.min(
    ...Array.from({ length: classes }, (_, k) => {
      if (k === label) return Number.POSITIVE_INFINITY
      const normal = Array.from(origin, (_, i) => at(origin.with(i, 1), k) - at(origin, k))
      return shortest(norm, { point: input, normal, value: at(input, k) })
    }),
  )
}

describe('minimum-distance attacks on linear models', () => {
  const cases = rows.flatMap(({ attack, tolerance, ...rest }) =>
    (Object.entries(tolerance) as [NormName, number][]).map(([norm, slack]) => [attack, norm, slack, rest] as const),
  )

  it.each(cases)(
    '%s in %s: median distance at most %f above the optimum',
    async (name, norm, slack, { options = {}, classes = 5 }) => {
      const attack = attacks.get(name)!
      const problem = problems.get(classes)!
      const found = await proposals(problem.model, problem.samples, attack, norm, attack.options.parse(options))
      const ratios = found.map((point, index) => {
        const sample = problem.samples[index]
        expect(point, `sample ${index}`).toBeDefined()
        // Misclassified, or on the boundary to within float32.
        expect(marginOf(problem.logits(point!), sample.label)).toBeLessThan(1e-5)
        for (const value of point!) expect(value >= 0 && value <= 1).toBe(true)
        return norms[norm].distance(point!, sample.input) / optimum(norm, problem, sample)
      })
      console.info(`${name} ${norm}: median ${median(ratios).toFixed(4)}, worst ${Math.max(...ratios).toFixed(4)}`)
      expect(Math.min(...ratios)).toBeGreaterThan(1 - 1e-5)
      expect(median(ratios)).toBeLessThanOrEqual(1 + slack)
    },
  )

  it('covers every white-box attack that searches the smallest distance, in every norm', () => {
    const covered = new Set(cases.map(([attack, norm]) => `${attack} ${norm}`))
    const wanted = [...attacks.values()].filter(({ kind, access }) => kind === 'minimum' && access === 'gradients')
    for (const attack of wanted) for (const norm of attack.norms) expect(covered).toContain(`${attack.name} ${norm}`)
  })
})
