import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { compileGraph, linearGraph, mlpGraph } from '../../test/support/models.js'
import type { CompiledModel } from '../model/compile.js'
import { losses, lossNames } from '../model/losses.js'
import { GraphBuilder } from '../onnx/build.js'
import { randomStream } from '../random.js'
import { float32 } from '../tensor/tensor.js'
import type { NormName } from '../threat/norm.js'
import { contains, norms, regionOf, type ThreatModel } from '../threat/threat.js'
import type { Attack, Sample } from './attack.js'
import { attacks } from './index.js'
import { prepare } from './prepare.js'
import { type Outcome, type Search, schedule } from './scheduler.js'

const features = 12
const all = [...attacks.values()]
const lossesFor = (classes: number) => [...new Set(all.flatMap(attack => attack.losses(classes)))]
const radii: Record<NormName, number> = { Linf: 0.1, L2: 0.4, L1: 1, L0: 3 }

function threatOf(norm: NormName, epsilon = radii[norm]): ThreatModel {
  return { norm: norms[norm], epsilon, epsilonText: String(epsilon), box: { low: 0, high: 1 } }
}

function sampleAt(index: number, input: Float32Array, label: number, classes: number): Sample {
  return { index, input, label, shape: [input.length], classes }
}

/** Runs searches to their ends; every point that the judge sees must lie in the region, unless the attack searches the smallest distance. */
async function run(
  model: CompiledModel,
  threat: ThreatModel,
  searches: Search[],
  seed = 0,
): Promise<Map<string, Outcome>> {
  const outcomes = new Map<string, Outcome>()
  const queue = await prepared(model, threat, searches, seed)
  await schedule({
    model,
    threat,
    seed,
    take: () => queue.shift(),
    more: async () => false,
    judge: async (search, point) => {
      const inside = contains(threat, regionOf(threat, search.sample.input), point)
      if (search.attack.kind === 'budget') expect(inside).toBe(true)
      return inside && (await predict(model, point)) !== search.sample.label
    },
    decided(search, outcome) {
      outcomes.set(`${search.attack.name} ${search.sample.index}`, { ...outcome, point: outcome.point?.slice() })
      return undefined
    },
  })
  return outcomes
}

/** The searches with what their attack finds on the samples of all of them, in the order of the samples. */
async function prepared(
  model: CompiledModel,
  threat: ThreatModel,
  searches: Search[],
  seed: number,
): Promise<Search[]> {
  const [first] = searches
  const { preparation } = first.attack
  if (preparation === undefined) return [...searches]
  const samples = searches.map(({ sample }) => sample).sort((a, b) => a.index - b.index)
  const steps = preparation.find(samples, threat, first.options, randomStream(seed, 0, first.attack.name))
  const { values } = await prepare(steps, model)
  return searches.map(search => ({ ...search, prepared: values }))
}

let oracle: CompiledModel
async function predict(model: CompiledModel, point: Float32Array): Promise<number> {
  const judge = model === linear ? oracle : mlpOracle
  judge.inputs.set(point)
  const logits = (await judge.scores()).subarray(0, judge.classes)
  return logits.indexOf(Math.max(...logits))
}

// Two classes apart by w.x + c: the nearest boundary is |w.x + c| / (dual norm of w) away, where the box does not interfere.
const w = Float32Array.from({ length: features }, (_, i) => (i % 3 === 0 ? -1 : 1) * (0.3 + 0.15 * i))
const rows = [Array.from(w, value => value / 2), Array.from(w, value => -value / 2), Array.from(w, () => 0)]
const far = [0, 0, -100]
const center = new Float32Array(features).fill(0.5)
const offset = center.reduce((sum, value, i) => sum + value * w[i], 0)
const dual: Record<'Linf' | 'L2' | 'L1', number> = {
  Linf: w.reduce((sum, value) => sum + Math.abs(value), 0),
  L2: Math.hypot(...w),
  L1: Math.max(...w.map(Math.abs)),
}

let linear: CompiledModel
let mlp: CompiledModel
let mlpOracle: CompiledModel
beforeAll(async () => {
  // Centered so that the middle of the box has margin 0.3 in favour of class 0.
  const bias = [far[0] - offset / 2 + 0.15, far[1] + offset / 2 - 0.15, far[2]]
  linear = await compileGraph(linearGraph(rows, bias), features, 4, lossesFor(3))
  oracle = await compileGraph(linearGraph(rows, bias), features, 1, [])
  mlp = await compileGraph(mlpGraph([features, 24, 5], 3), features, 8, lossesFor(5))
  mlpOracle = await compileGraph(mlpGraph([features, 24, 5], 3), features, 1, [])
})
afterAll(async () => {
  for (const model of [linear, oracle, mlp, mlpOracle]) await model?.[Symbol.asyncDispose]()
})

/** Options where defaults cost too much here; and how much more room than the distance to the boundary a random search needs. */
const special: Record<string, { options?: object; room?: Partial<Record<NormName, number>> }> = {
  // PGD's default steps reach 4/3 of the radius: from the far side of the ball it needs twice the radius.
  pgd: { options: { steps: 80 } },
  // The random step may lead the wrong way.
  'r-fgsm': { options: { randomShare: 0.005 } },
  'carlini-wagner': { options: { steps: 100, learningRate: 0.05, initialConstant: 0.1 }, room: { Linf: 1.12 } },
  'brendel-bethge': { options: { steps: 80, radius: 0.05, decays: 8 } },
  ead: { options: { steps: 100, beta: 0.03 } },
  square: { options: { queries: 1000 }, room: { L2: 1.2, L1: 1.1 } },
  'uniform-noise': { room: { Linf: 2.5, L2: 2, L1: 2.5 } },
  'gaussian-noise': { room: { Linf: 4, L2: 2, L1: 2.5 } },
  // One feature goes all the way to the end of the box.
  'salt-and-pepper': { options: { steps: 200 }, room: { L2: 7.2, L1: 3.3 } },
  nes: { options: { queries: 2040 } },
  spsa: { options: { steps: 40, samples: 20 }, room: { L2: 1.05 } },
  simba: { options: { queries: 1000 }, room: { L1: 1.02 } },
  'sign-hunter': { options: { queries: 500 }, room: { L2: 1.05 } },
  bandits: { options: { queries: 1500 } },
  zoo: { options: { searches: 4, steps: 300 } },
  'sparse-rs': { options: { queries: 500 } },
  'few-pixel': { options: { population: 20, generations: 10 } },
  boundary: { options: { steps: 2000 }, room: { L2: 1.1 } },
  'hop-skip-jump': { options: { steps: 8 }, room: { Linf: 1.05 } },
  geoda: { options: { queries: 1000 } },
  rays: { options: { queries: 500 } },
  'sign-opt': { options: { queries: 2000 } },
  // Every way leads along the gradient, and what Linf cuts off has to be made up for elsewhere.
  uap: { options: { epochs: 200 } },
}

const usable = all.flatMap(attack => attack.norms.map(norm => [attack.name, norm, attack] as const))

describe.each(usable)('%s in %s', (_name, norm, attack: Attack) => {
  const { options: chosen = {}, room = {} } = special[attack.name] ?? {}
  const options = attack.options.parse(chosen)

  it('stays inside ball and box, and gives the same bytes for the same seed', async () => {
    const samples = await Promise.all(
      Array.from({ length: 12 }, async (_, index) => {
        const input = Float32Array.from({ length: features }, (_, i) => ((index * 7 + i * 5) % 11) / 10)
        return sampleAt(index, input, await predict(mlp, input), 5)
      }),
    )
    const searches = samples.map(sample => ({ sample, attack, options }))
    const first = await run(mlp, threatOf(norm), searches)
    const again = await run(mlp, threatOf(norm), searches.toReversed())
    expect(first.size).toBe(12)
    for (const [key, outcome] of first) expect(again.get(key)).toEqual(outcome)
  })

  if (norm === 'L0') return
  const distance = 0.3 / dual[norm]

  it('breaks a linear model just beyond its distance to the boundary, never before', async () => {
    const sample = sampleAt(0, center, 0, 3)
    // L1 attacks spread their steps over several features, so they need more room than the best single feature.
    const slack = room[norm] ?? (norm === 'L1' ? 1.3 : 1.02)
    const beyond = await run(linear, threatOf(norm, distance * slack), [{ sample, attack, options }])
    const before = await run(linear, threatOf(norm, distance * 0.98), [{ sample, attack, options }])
    expect([...beyond.values()].map(outcome => outcome.status)).toEqual(['hit'])
    expect([...before.values()].map(outcome => outcome.status)).toEqual(['exhausted'])
  })
})

describe('scheduler', () => {
  const attack = attacks.get('pgd')!
  const options = attack.options.parse({ steps: 5 })

  it('stops at the first verified hit and counts its queries', async () => {
    const sample = sampleAt(0, center, 0, 3)
    const options = attack.options.parse({ steps: 5, stepSize: 0.15 })
    const outcomes = await run(linear, threatOf('Linf', 0.3), [{ sample, attack, options }])
    const [outcome] = [...outcomes.values()]
    expect(outcome.status).toBe('hit')
    expect(outcome.queries.gradient).toBeLessThan(5)
  })

  it('counts every query of a search that fails', async () => {
    const sample = sampleAt(0, center, 0, 3)
    const outcomes = await run(linear, threatOf('Linf', 0.001), [{ sample, attack, options }])
    expect([...outcomes.values()][0].queries).toEqual({ gradient: 5, forward: 1 })
  })

  it('gives the same outcomes for every batch size', async () => {
    const searches = await Promise.all(
      Array.from({ length: 20 }, async (_, index) => {
        const input = Float32Array.from({ length: features }, (_, i) => ((index * 3 + i * 7) % 13) / 12)
        return {
          sample: sampleAt(index, input, await predict(mlp, input), 5),
          attack: attacks.get('apgd-ce')!,
          options: attacks.get('apgd-ce')!.options.parse({}),
        }
      }),
    )
    const wanted = await run(mlp, threatOf('L2'), searches)
    for (const batch of [3, 16]) {
      await using other = await compileGraph(mlpGraph([features, 24, 5], 3), features, batch, ['cross-entropy'])
      expect(await run(other, threatOf('L2'), searches)).toEqual(wanted)
    }
  })

  it('reports scores that are not finite as an error, not as robust', async () => {
    const graph = linearGraph(
      [
        [Number.POSITIVE_INFINITY, 0],
        [0, 1],
      ],
      [0, 0],
    )
    await using broken = await compileGraph(graph, 2, 2, ['cross-entropy'])
    const sample = sampleAt(0, Float32Array.of(0.5, 0.5), 0, 2)
    const outcomes = await run(broken, threatOf('Linf'), [{ sample, attack, options }])
    expect([...outcomes.values()][0]).toMatchObject({ status: 'error', error: expect.stringContaining('not finite') })
  })

  it('reports gradients that are not finite as an error though the scores are', async () => {
    // Infinity, from 1e30 twice, meets a closed unit: 0 times infinity is no number.
    const b = new GraphBuilder('overflow')
    const unit = b.relu(b.sub(b.input('x', 'float32', [1, 2]), b.constant(float32([2, 2]))))
    const large = b.mul(b.mul(unit, b.constant(float32([1e30, 1e30]))), b.constant(float32([1e30, 1e30])))
    b.output(b.add(large, b.constant(float32([1, 0]))), 'logits')
    await using steep = await compileGraph(b.build(), 2, 2, ['cross-entropy'])
    const sample = sampleAt(0, Float32Array.of(0.5, 0.5), 0, 2)
    const outcomes = await run(steep, threatOf('Linf'), [{ sample, attack, options }])
    expect([...outcomes.values()][0]).toMatchObject({
      status: 'error',
      error: 'the loss or its gradient is not finite',
    })
  })

  it('stops when told to', async () => {
    const controller = new AbortController()
    controller.abort(new Error('enough'))
    const sample = sampleAt(0, center, 0, 3)
    const queue = [{ sample, attack, options }]
    await expect(
      schedule({
        model: linear,
        threat: threatOf('Linf'),
        seed: 0,
        take: () => queue.pop(),
        more: async () => false,
        judge: async () => false,
        decided: () => undefined,
        signal: controller.signal,
      }),
    ).rejects.toThrow('enough')
  })
})

describe('apgd with expectation over transformations', () => {
  it('asks every point so many times, and on a deterministic model comes to the same end', async () => {
    const attack = attacks.get('apgd-ce')!
    const input = Float32Array.from({ length: features }, (_, i) => ((i * 5) % 11) / 10)
    const sample = sampleAt(0, input, await predict(mlp, input), 5)
    const ends = []
    for (const eot of [1, 4]) {
      const options = attack.options.parse({ steps: 30, eot })
      ends.push([...(await run(mlp, threatOf('L2', 0.01), [{ sample, attack, options }])).values()][0])
    }
    const [once, four] = ends
    expect(once.status).toBe('exhausted')
    expect(four.queries.gradient).toBe(4 * once.queries.gradient)
    once.point!.forEach((value, i) => {
      expect(four.point![i]).toBeCloseTo(value, 5)
    })
  })
})

describe('losses', () => {
  it('of every attack are defined for two classes', () => {
    for (const attack of all) for (const name of attack.losses(2)) expect(losses[name].classes, attack.name).toBe(2)
  })

  const row = fc.array(fc.float({ min: -8, max: 8, noNaN: true }), { minLength: 5, maxLength: 5 })

  it('match their formulas, row by row in one batch', async () => {
    const identity = Array.from({ length: 5 }, (_, i) => Array.from({ length: 5 }, (_, j) => (i === j ? 1 : 0)))
    await using model = await compileGraph(linearGraph(identity, [0, 0, 0, 0, 0]), 5, 6, lossNames)
    await fc.assert(
      fc.asyncProperty(
        row,
        fc.integer({ min: 0, max: 4 }),
        fc.integer({ min: 1, max: 4 }),
        row,
        async (z, label, step, weights) => {
          const target = (label + step) % 5
          const logits = Float32Array.from(z)
          for (let i = 0; i < 6; i++) model.inputs.set(logits, i * 5)
          const c = Float32Array.from(weights)
          const { losses } = await model.gradients([
            { loss: 'cross-entropy', label },
            { loss: 'margin', label },
            { loss: 'dlr', label },
            { loss: 'targeted-dlr', label, target },
            { loss: 'logit-difference', label, target },
            { loss: 'linear', weights: c },
          ])
          const sorted = [...logits].sort((a, b) => b - a)
          const other = Math.max(...logits.filter((_, i) => i !== label))
          const logSum = Math.log(logits.reduce((sum, value) => sum + Math.exp(value), 0))
          const expected = [
            logSum - logits[label],
            other - logits[label],
            (other - logits[label]) / (sorted[0] - sorted[2] + 1e-12),
            (logits[target] - logits[label]) / (sorted[0] - (sorted[2] + sorted[3]) / 2 + 1e-12),
            logits[target] - logits[label],
            logits.reduce((sum, value, i) => sum + value * c[i], 0),
          ]
          expected.forEach((value, i) => {
            expect(Math.abs(losses[i] - value)).toBeLessThanOrEqual(1e-4 * Math.max(1, Math.abs(value)))
          })
        },
      ),
      { numRuns: 60 },
    )
  })
})
