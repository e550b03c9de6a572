import { beforeAll, describe, expect, it } from 'vitest'
import { encodeModel } from '../onnx/codec/index.js'
import { type Random, randomStream } from '../random.js'
import { type Engine, loadEngine } from '../runtime/engine.js'
import { float32 } from '../tensor/tensor.js'
import { norms } from '../threat/threat.js'
import { type StepProgress, type TrainingState, type TrainOptions, train } from './train.js'
import { startFromArchitecture } from './trainable.js'
import type { TrainingSet } from './training-set.js'
import { decodeState, encodeState } from './training-state.js'

let engine: Engine
beforeAll(async () => {
  engine = await loadEngine()
})

const linf = (epsilon: number) => ({
  norm: norms.Linf,
  epsilon,
  epsilonText: String(epsilon),
  box: { low: 0, high: 1 },
})

/** Points of a rule in the unit square. */
function points(count: number, classOf: (x: number, y: number) => number | undefined, random: Random): TrainingSet {
  const inputs: number[] = []
  const labels: number[] = []
  while (labels.length < count) {
    const [x, y] = [random.uniform(), random.uniform()]
    const label = classOf(x, y)
    if (label === undefined) continue
    inputs.push(x, y)
    labels.push(label)
  }
  return { inputs: Float32Array.from(inputs), labels: Int32Array.from(labels), sampleShape: [2], classes: 2 }
}

const separable = (x: number, y: number) => (Math.abs(x + y - 1) < 0.05 ? undefined : Number(x + y > 1))

function toy(data: TrainingSet, changes: Partial<TrainOptions> = {}): TrainOptions {
  const { sampleShape, classes } = data
  const architecture = { architecture: 'mlp', dense: [16] } as const
  return {
    engine,
    start: startFromArchitecture(architecture, sampleShape, classes, randomStream(7, 0, 'test/initial')),
    data,
    objective: 'standard',
    optimizer: { optimizer: 'adam' },
    schedule: { schedule: 'constant' },
    learningRate: 0.02,
    epochs: 4,
    batch: 32,
    seed: 1,
    threads: 1,
    ...changes,
  }
}

/** Weights w [2, 2] and bias [2], in float64: dL/dlogits = (softmax - onehot) / n. */
function adamOnLogisticRegression(data: TrainingSet, initial: readonly number[], steps: number, rate: number) {
  const w = [...initial]
  const [m, v] = [w.map(() => 0), w.map(() => 0)]
  for (let step = 1; step <= steps; step++) {
    const g = w.map(() => 0)
    data.labels.forEach((label, i) => {
      const [x, y] = [data.inputs[2 * i]!, data.inputs[2 * i + 1]!]
      const z = [0, 1].map(k => w[2 * k]! * x + w[2 * k + 1]! * y + w[4 + k]!)
      for (const k of [0, 1]) {
        const slope = (1 / (1 + Math.exp(z[1 - k]! - z[k]!)) - Number(k === label)) / data.labels.length
        g[2 * k]! += slope * x
        g[2 * k + 1]! += slope * y
        g[4 + k]! += slope
      }
    })
    for (let i = 0; i < w.length; i++) {
      m[i] = 0.9 * m[i]! + 0.1 * g[i]!
      v[i] = 0.999 * v[i]! + 0.001 * g[i]! ** 2
      w[i]! -= (rate * m[i]!) / (1 - 0.9 ** step) / (Math.sqrt(v[i]! / (1 - 0.999 ** step)) + 1e-8)
    }
  }
  return w
}

const bytesOf = async (options: TrainOptions) => Buffer.from(encodeModel((await train(options)).graph))

describe('standard training', () => {
  it('lowers the loss from epoch to epoch and learns a separable problem without an error', async () => {
    const data = points(512, separable, randomStream(1, 0, 'test'))
    for (const optimizer of [{ optimizer: 'adam' }, { optimizer: 'sgd', momentum: 0.9 }] as const) {
      const learningRate = optimizer.optimizer === 'adam' ? 0.02 : 0.2
      const options = toy(data, { optimizer, learningRate, epochs: 40, validation: { count: 128, steps: 1 } })
      const { log } = await train(options)
      expect(log).toHaveLength(40)
      expect(log[3]!.loss).toBeLessThan(log[0]!.loss)
      expect(log[39]!.loss).toBeLessThan(0.1)
      expect(log[39]).toMatchObject({ epoch: 40, clean: 1, robust: undefined, epsilon: 0 })
    }
  })

  it('takes the steps of Adam on logistic regression', async () => {
    const data = points(32, separable, randomStream(8, 0, 'test'))
    const architecture = { architecture: 'mlp', dense: [] } as const
    const start = startFromArchitecture(architecture, [2], 2, randomStream(7, 0, 'test/initial'))
    const { graph } = await train(toy(data, { start, batch: 100, epochs: 3, learningRate: 0.1 }))
    const initial = start.weights.flatMap(name => [
      ...(start.graph.initializers.get(name)!.load().data as Float32Array),
    ])
    const trained = start.weights.flatMap(name => [...(graph.initializers.get(name)!.load().data as Float32Array)])
    expect(trained).toEqual(adamOnLogisticRegression(data, initial, 3, 0.1).map(value => expect.closeTo(value, 4)))
  })

  it('shuffles anew in each epoch and sees every sample once', async () => {
    const data = points(64, separable, randomStream(9, 0, 'test'))
    const losses: number[] = []
    const onStep = ({ loss }: StepProgress) => losses.push(loss)
    await train(toy(data, { epochs: 2, batch: 16, learningRate: 1e-30, onStep }))
    const [first, second] = [losses.slice(0, 4), losses.slice(4)]
    const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0)
    expect(second).not.toEqual(first)
    expect(sum(second)).toBeCloseTo(sum(first), 5)
  })

  it('trains a CNN on images, shifted and averaged', async () => {
    const random = randomStream(2, 0, 'test')
    const labels = Int32Array.from({ length: 128 }, (_, i) => i % 2)
    // A bar that stands or lies.
    const inputs = Float32Array.from({ length: 128 * 64 }, (_, i) => {
      const [image, y, x] = [Math.floor(i / 64), Math.floor(i / 8) % 8, i % 8]
      return 0.2 * random.uniform() + ((labels[image] === 0 ? x : y) === 3 ? 0.8 : 0)
    })
    const data: TrainingSet = { inputs, labels, sampleShape: [1, 8, 8], classes: 2 }
    const architecture = { architecture: 'cnn', channels: [4, 8], dense: [8] } as const
    const start = startFromArchitecture(architecture, [1, 8, 8], 2, randomStream(7, 0, 'test/initial'))
    const validation = { count: 32, steps: 1 }
    const { log, graph } = await train(toy(data, { start, epochs: 12, shift: 1, averaging: 0.9, validation }))
    expect(log.at(-1)!.clean).toBe(1)
    await using session = await engine.createSession({ bytes: encodeModel(graph) }, { threads: 1 })
    for (const rows of [1, 3]) {
      const feeds = new Map([['input', float32(inputs.slice(0, rows * 64), [rows, 1, 8, 8])]])
      const logits = (await session.run(feeds)).get('logits')!
      expect(logits.shape).toEqual([rows, 2])
    }
  })
})

describe('a seed', () => {
  const data = points(160, separable, randomStream(3, 0, 'test'))
  const adversarial = (changes: Partial<TrainOptions> = {}) =>
    toy(data, {
      objective: 'madry',
      threat: linf(0.05),
      adversary: { steps: 3 },
      epsilonWarmUp: 1,
      averaging: 0.95,
      validation: { count: 40, steps: 3 },
      keep: 'best',
      ...changes,
    })

  it('gives the same bytes, another seed others', async () => {
    const first = await bytesOf(adversarial())
    expect(await bytesOf(adversarial())).toEqual(first)
    expect(await bytesOf(adversarial({ seed: 2 }))).not.toEqual(first)
  })

  it('gives the same bytes when training stops after any epoch and goes on from its state', async () => {
    const whole = await bytesOf(adversarial())
    for (const stop of [1, 3]) {
      const controller = new AbortController()
      let saved: Uint8Array = new Uint8Array()
      const onState = (state: TrainingState) => {
        if (state.epoch !== stop) return
        saved = encodeState(state)
        controller.abort(new Error('stopped'))
      }
      await expect(train(adversarial({ onState, signal: controller.signal }))).rejects.toThrow('stopped')
      expect(await bytesOf(adversarial({ resume: decodeState(saved) }))).toEqual(whole)
    }
  })
})

describe('a saved state', () => {
  const data = points(64, separable, randomStream(6, 0, 'test'))
  const stateOf = async (changes: Partial<TrainOptions> = {}) => {
    let saved: Uint8Array = new Uint8Array()
    const onState = (state: TrainingState) => {
      saved = encodeState(state)
    }
    await train(toy(data, { epochs: 1, onState, ...changes }))
    return saved
  }

  it('comes back as it was', async () => {
    for (const averaging of [undefined, 0.9]) {
      const bytes = await stateOf(averaging === undefined ? {} : { averaging })
      expect(encodeState(decodeState(bytes))).toEqual(bytes)
    }
  })

  it('is refused when it belongs to other options or is damaged', async () => {
    const bytes = await stateOf()
    const resume = decodeState(bytes)
    const other = 'belongs to another model or another optimizer'
    await expect(train(toy(data, { resume, averaging: 0.9 }))).rejects.toThrow(other)
    await expect(train(toy(data, { resume, optimizer: { optimizer: 'sgd' } }))).rejects.toThrow(other)
    expect(() => decodeState(bytes.subarray(0, bytes.length - 4))).toThrow('bytes were expected')
    expect(() => decodeState(bytes.subarray(0, 30))).toThrow('it is cut off')
    const damaged = bytes.slice()
    damaged.set(new TextEncoder().encode('{"lengths":"many"'), bytes.indexOf(10) + 1)
    expect(() => decodeState(damaged)).toThrow('its header is damaged')
    expect(() => decodeState(new Uint8Array(100))).toThrow('it is something else')
  })
})

describe('adversarial training', () => {
  // x tells the class exactly by little, y almost always by much.
  const data = points(
    600,
    (x, y) => {
      const label = Number(x > 0.5)
      if (Math.abs(x - 0.5) < 0.02) return undefined
      const agrees = label === Number(y > 0.5)
      const far = Math.abs(y - 0.5) > 0.25
      return far && (agrees || (x * 1e4) % 1 < 0.05) ? label : undefined
    },
    randomStream(4, 0, 'test'),
  )

  it('raises robust accuracy over standard training', async () => {
    const shared = { threat: linf(0.15), epochs: 30, validation: { count: 200, steps: 20 } }
    const standard = (await train(toy(data, shared))).log.at(-1)!
    const robust = (await train(toy(data, { ...shared, objective: 'madry', epsilonWarmUp: 3 }))).log.at(-1)!
    expect(standard.clean).toBeGreaterThan(0.97)
    expect(robust.robust! - standard.robust!).toBeGreaterThan(0.1)
    expect(robust.epsilon).toBeCloseTo(0.15)
  })

  it('keeps the best epoch', async () => {
    const options = { threat: linf(0.15), epochs: 8, validation: { count: 200, steps: 10 }, learningRate: 0.3 }
    const { log, epoch, graph } = await train(toy(data, { ...options, keep: 'best' }))
    const best = Math.max(...log.map(({ robust }) => robust!))
    expect(epoch).toBe(log.find(({ robust }) => robust === best)!.epoch)
    const again = await train(toy(data, { ...options, epochs: epoch }))
    expect(encodeModel(graph)).toEqual(encodeModel(again.graph))
  })
})

describe('what cannot work is said', () => {
  const data = points(64, separable, randomStream(5, 0, 'test'))
  const rows: readonly (readonly [string, Partial<TrainOptions>, string])[] = [
    ['an adversary without a threat', { objective: 'madry' }, 'objective madry needs a threat model'],
    ['no epochs', { epochs: 0 }, 'epochs is 0'],
    ['no rate', { learningRate: 0 }, 'learningRate is 0'],
    ['nothing left', { validation: { count: 64, steps: 1 } }, '64 of 64 samples held out'],
    ['best of nothing', { keep: 'best' }, 'samples are held out'],
    ['shifts of no images', { shift: 1 }, 'only images can be shifted'],
    ['divergence', { optimizer: { optimizer: 'sgd' }, learningRate: 1e30 }, 'the loss is not a finite number'],
    ['labels out of range', { data: { ...data, labels: data.labels.with(9, 2) } }, 'sample 9 has the label 2'],
    ['too many labels', { data: { ...data, labels: new Int32Array(65) } }, '65 labels and samples of shape [2]'],
    ['classes of another model', { data: { ...data, classes: 3 } }, 'the data have 3 classes'],
  ]
  it.each(rows)('%s', async (_, changes, message) => {
    await expect(train(toy(data, changes))).rejects.toThrow(message)
  })
})
