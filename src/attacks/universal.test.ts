/** One perturbation for many samples: what is found, and that it is one. */
import { expect, test } from 'vitest'
import { compileGraph, flatSpace, linearGraph } from '../../test/support/models.js'
import { labelOf } from '../model/batch-model.js'
import { compile, prepareModel } from '../model/compile.js'
import { GraphBuilder } from '../onnx/build.js'
import { randomStream } from '../random.js'
import { loadEngine } from '../runtime/engine.js'
import { float32 } from '../tensor/tensor.js'
import { norms, type ThreatModel } from '../threat/threat.js'
import type { Attack, Sample } from './attack.js'
import { attacks } from './index.js'
import { prepare } from './prepare.js'

const features = 9
const identity = Array.from({ length: 3 }, (_, k) => Array.from({ length: features }, (_, i) => (i % 3 === k ? 1 : 0)))
const threatOf = (norm: 'Linf' | 'L2', epsilon: number): ThreatModel => ({
  norm: norms[norm],
  epsilon,
  epsilonText: String(epsilon),
  box: { low: 0, high: 1 },
})

/** Samples of class 0 near the middle of the box, each with its own noise. */
const samples: Sample[] = Array.from({ length: 20 }, (_, index) => {
  const random = randomStream(1, index, 'universal')
  const input = Float32Array.from(
    { length: features },
    (_, i) => 0.45 + 0.05 * random.uniform() + (i % 3 === 0 ? 0.1 : 0),
  )
  return { index, input, label: 0, shape: [features], classes: 3 }
})

async function found(name: string, threat: ThreatModel, options: object, batch: number) {
  const attack: Attack = attacks.get(name)!
  await using model = await compileGraph(linearGraph(identity, [0, 0, 0]), features, batch, [
    'cross-entropy',
    'logit-difference',
  ])
  const random = randomStream(0, 0, 'preparation')
  const steps = attack.preparation!.find(samples, threat, attack.options.parse(options), random)
  const { values: change, queries } = await prepare(steps, model)
  let fooled = 0
  for (const { input, label } of samples) {
    model.inputs.set(input.map((value, i) => Math.min(1, Math.max(0, value + change[i]))))
    if (labelOf(await model.scores(), 0, 3) !== label) fooled++
  }
  return { change, fooled, queries }
}

test.each([
  ['uap', 'Linf'],
  ['uap', 'L2'],
  ['uap-sgd', 'Linf'],
  ['uap-sgd', 'L2'],
] as const)(
  '%s in %s: one change inside the ball fools all samples, the same for every batch size',
  async (name, norm) => {
    const threat = threatOf(norm, norm === 'Linf' ? 0.12 : 0.3)
    const { change, fooled } = await found(name, threat, { targetRate: 1, epochs: 50 }, 8)
    expect(fooled).toBe(samples.length)
    expect(norms[norm].distance(change, new Float32Array(features))).toBeLessThanOrEqual(threat.epsilon)
    expect((await found(name, threat, { targetRate: 1, epochs: 50 }, 3)).change).toEqual(change)
  },
)

test('passes end when enough samples are fooled, and keep the best change', async () => {
  const threat = threatOf('Linf', 0.12)
  const one = await found('uap', threat, { targetRate: 0.05, epochs: 1 }, 8)
  const many = await found('uap', threat, { targetRate: 0.05, epochs: 50 }, 8)
  expect(one.fooled).toBeGreaterThan(0)
  expect(many.change).toEqual(one.change)
})

test('every row of a preparation is counted', async () => {
  const options = { targetRate: 1, epochs: 1 }
  // A pass of minibatches takes one gradient of each sample; then each is looked at once.
  const { queries } = await found('uap-sgd', threatOf('Linf', 0.001), options, 8)
  expect(queries).toEqual({ forward: samples.length, gradient: samples.length })
  // DeepFool is asked of one sample after the other, up to 10 steps of two classes each, where it is not fooled already.
  const { queries: own } = await found('uap', threatOf('Linf', 0.001), options, 8)
  expect(own.forward).toBeGreaterThanOrEqual(2 * samples.length)
  expect(own.gradient).toBeGreaterThanOrEqual(2 * samples.length)
})

test('a search without what was to be prepared is an error of the program', () => {
  const attack = attacks.get('uap')!
  const search = attack.search(samples[0]!, threatOf('Linf', 0.1), {}, () => randomStream(0, 0, ''))
  expect(() => search.next([])).toThrow('not found before')
})

test('answers that are not finite end the preparation', async () => {
  const weights = [Array<number>(features).fill(Number.NaN), Array<number>(features).fill(1)]
  await using model = await compileGraph(linearGraph(weights, [0, 0]), features, 2, ['cross-entropy'])
  const attack = attacks.get('uap-sgd')!
  const steps = attack.preparation!.find(
    samples,
    threatOf('Linf', 0.1),
    attack.options.parse({}),
    randomStream(0, 0, ''),
  )
  await expect(prepare(steps, model)).rejects.toMatchObject({ code: 'model-failed' })
})

test.each(['uap', 'uap-sgd'])('%s meets every sample with what the other inputs get of it', async name => {
  // Each sample looks at one feature of two, the odd ones at the second: only a change of both fools all of them.
  const b = new GraphBuilder('two inputs')
  const seen = b.mul(b.input('x', 'float32', [1, 2]), b.input('look', 'float32', [1, 2]))
  b.output(b.gemm(seen, b.constant(float32([1, 0, 1, 0], [2, 2])), b.constant(float32([0, 0.5]))), 'logits')
  const looks = [Float32Array.of(1, 0), Float32Array.of(0, 1)]
  const bound = { parts: [{ input: 'look', shape: [2] }], example: looks[0]!, last: looks[1]! }
  const prepared = prepareModel({ graph: b.build(), functions: [] }, { ...flatSpace(2), bound })
  const attack: Attack = attacks.get(name)!
  const losses = attack.losses(2)
  await using model = await compile(prepared, await loadEngine(), { batch: 3, threads: 1, losses })
  const looking = Array.from({ length: 8 }, (_, index) => ({
    ...{ index, input: Float32Array.of(0.6, 0.6), bound: looks[index % 2] },
    ...{ label: 0, shape: [2], classes: 2 },
  }))
  const options = attack.options.parse({ targetRate: 1 })
  const steps = attack.preparation!.find(looking, threatOf('Linf', 0.12), options, randomStream(0, 0, ''))
  for (const value of (await prepare(steps, model)).values) expect(value).toBeLessThan(-0.1)
})
