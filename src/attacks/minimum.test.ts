/** Minimum-distance attacks against linear models, whose nearest adversarial example in the box is known exactly. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { compileGraph, linearGraph } from '../../test/support/models.js'
import { shortest } from '../../test/support/shortest.js'
import { labelOf } from '../model/batch-model.js'
import type { CompiledModel } from '../model/compile.js'
import { randomStream } from '../random.js'
import type { NormName } from '../threat/norm.js'
import { norms } from '../threat/threat.js'
import type { Attack, Sample } from './attack.js'
import { attacks } from './index.js'
import { schedule } from './scheduler.js'

const features = 20
const classes = 5
const count = 15

/** How far the median distance may lie above the optimum, and options other than the defaults. */
interface Row {
  readonly attack: string
  readonly tolerance: Partial<Record<NormName, number>>
  readonly options?: object
}

const rows: readonly Row[] = [
  { attack: 'fab', tolerance: { Linf: 0.01, L2: 0.01, L1: 0.01 } },
  { attack: 'fab-t', tolerance: { Linf: 0.01, L2: 0.01, L1: 0.01 } },
]

const random = randomStream(7, 0, 'minimum')
const weights = Array.from({ length: classes }, () => Array.from({ length: features }, () => random.normal()))
const bias = Array.from({ length: classes }, () => 0.2 * random.normal())
// A third of the features at the edge of the box, where half of the ways are shut.
const inputs = Array.from({ length: count }, () =>
  Float32Array.from({ length: features }, (_, i) => (i % 3 === 0 ? random.integer(2) : random.uniform())),
)

let model: CompiledModel
beforeAll(async () => {
  const losses = [...new Set([...attacks.values()].flatMap(attack => attack.losses(classes)))]
  model = await compileGraph(linearGraph(weights, bias), features, 8, losses)
})
afterAll(async () => {
  await model?.[Symbol.asyncDispose]()
})

function logitsOf(input: Float32Array): Float32Array {
  return Float32Array.from(weights, (row, k) => row.reduce((sum, w, i) => sum + w * input[i], bias[k]))
}

function sampleOf(input: Float32Array, index: number): Sample {
  return { index, input, label: labelOf(logitsOf(input)), shape: [features], classes }
}

/** Distance to the nearest point at which another class is at least as likely. */
function optimum(norm: NormName, { input, label }: Sample): number {
  const logits = logitsOf(input)
  return Math.min(
    ...weights.map((row, k) => {
      if (k === label) return Number.POSITIVE_INFINITY
      const normal = row.map((w, i) => w - weights[label][i])
      return shortest(norm, { point: input, normal, value: logits[k] - logits[label] })
    }),
  )
}

/** What the attack proposes for each sample when nothing stops it. */
async function proposals(attack: Attack, norm: NormName, options: unknown): Promise<(Float32Array | undefined)[]> {
  const queue = inputs.map((input, index) => ({ sample: sampleOf(input, index), attack, options }))
  const found: (Float32Array | undefined)[] = []
  await schedule({
    model,
    threat: { norm: norms[norm], epsilon: 1, epsilonText: '1', box: { low: 0, high: 1 } },
    seed: 0,
    stop: 'never',
    take: () => queue.shift(),
    more: async () => false,
    judge: async () => false,
    decided(search, outcome) {
      found[search.sample.index] = outcome.point?.slice()
      return undefined
    },
  })
  return found
}

const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[values.length >> 1]

describe('minimum-distance attacks on linear models', () => {
  const cases = rows.flatMap(({ attack, tolerance, options }) =>
    (Object.entries(tolerance) as [NormName, number][]).map(
      ([norm, slack]) => [attack, norm, slack, options ?? {}] as const,
    ),
  )

  it.each(cases)('%s in %s: median distance at most %f above the optimum', async (name, norm, slack, options) => {
    const attack = attacks.get(name)!
    const found = await proposals(attack, norm, attack.options.parse(options))
    const ratios = found.map((point, index) => {
      const sample = sampleOf(inputs[index], index)
      expect(point, `sample ${index}`).toBeDefined()
      expect(labelOf(logitsOf(point!))).not.toBe(sample.label)
      for (const value of point!) expect(value >= 0 && value <= 1).toBe(true)
      return norms[norm].distance(point!, sample.input) / optimum(norm, sample)
    })
    console.info(`${name} ${norm}: median ${median(ratios).toFixed(4)}, worst ${Math.max(...ratios).toFixed(4)}`)
    expect(Math.min(...ratios)).toBeGreaterThan(1 - 1e-5)
    expect(median(ratios)).toBeLessThanOrEqual(1 + slack)
  })

  it('covers every white-box attack that searches the smallest distance, in every norm', () => {
    const covered = new Set(cases.map(([attack, norm]) => `${attack} ${norm}`))
    const wanted = [...attacks.values()].filter(({ kind, access }) => kind === 'minimum' && access === 'gradients')
    for (const attack of wanted) for (const norm of attack.norms) expect(covered).toContain(`${attack.name} ${norm}`)
  })
})
