/** Radii of single features in Linf, on a linear model whose nearest adversarial example is known: margin / sum |w_i| scale_i. */
import { expect, test } from 'vitest'
import { compileGraph, linearGraph } from '../../test/support/models.js'
import { compileConstraints } from '../threat/constraints.js'
import { contains, normWith, regionOf, type ThreatModel } from '../threat/threat.js'
import { attacks } from './index.js'
import { schedule } from './scheduler.js'

const epsilon = 0.1
const weights = [1, -0.02, 2, 0.5, -1]
/** Of the first two features; the others have epsilon. */
const own = [0.01, 8]
const input = Float32Array.of(0.5, 20, 0.5, 0.5, 0.5)

/** The radii's reach in the margin: sum |w_i| r_i. */
const reach = weights.reduce((sum, weight, i) => sum + Math.abs(weight) * (own[i] ?? epsilon), 0)

const threat: ThreatModel = (() => {
  const rules = own.map((epsilon, feature) => ({ feature, epsilon }))
  const constraints = compileConstraints({ features: input.length, rules, oneHot: [], relations: [] })
  const box = { low: -100, high: 100 }
  return { norm: normWith('Linf', epsilon, constraints), epsilon, epsilonText: '0.1', box, constraints }
})()

/** The attack on a model whose margin at the input is this share of the reach: the point that was accepted, if any. */
async function attacked(name: string, share: number): Promise<Float32Array | undefined> {
  const attack = attacks.get(name)!
  const at = weights.reduce((sum, weight, i) => sum + weight * input[i]!, 0)
  const graph = linearGraph(
    [weights.map(weight => weight / 2), weights.map(weight => -weight / 2)],
    [share * reach - at, 0],
  )
  await using model = await compileGraph(graph, input.length, 4, ['cross-entropy', ...attack.losses(2)])
  const sample = { index: 0, input, label: 0, shape: [input.length], classes: 2 }
  const waiting = [{ attack, options: attack.options.parse({}), sample }]
  let hit: Float32Array | undefined
  await schedule({
    model,
    threat,
    seed: 0,
    take: () => waiting.shift(),
    more: async () => false,
    async judge(_, point) {
      expect(
        contains(
          { ...threat, epsilon: Number.POSITIVE_INFINITY },
          regionOf({ ...threat, epsilon: Number.POSITIVE_INFINITY }, input),
          point,
        ),
      ).toBe(true)
      const margin = share * reach - at + weights.reduce((sum, weight, i) => sum + weight * point[i]!, 0)
      return margin < 0 && contains(threat, regionOf(threat, input), point)
    },
    decided(_, outcome) {
      if (outcome.status === 'hit') hit = outcome.point?.slice()
      return undefined
    },
  })
  return hit
}

/** Random directions rarely go that far, nor do penalties in a box as wide as this. */
const weak = new Set(['gaussian-noise', 'r-fgsm', 'carlini-wagner'])
const strong = [...attacks.values()].filter(
  ({ name, norms, preparation }) => norms.includes('Linf') && preparation === undefined && !weak.has(name),
)

test.each(strong.map(({ name }) => name))('%s uses the radii', async name => {
  const found = await attacked(name, 0.8)
  expect(found).toBeDefined()
  // Without the radius of the second feature nothing would be found.
  expect(Math.abs(found![1]! - input[1]!)).toBeGreaterThan(10 * epsilon)
})

test.each(['apgd-ce', 'fab', 'square'])('%s goes no further than the radii', async name => {
  expect(await attacked(name, 1.02)).toBeUndefined()
})
