/**
 * Every model file of the shared assets: read, inspected, and its gradient compared with central differences along random directions,
 * in float64 by the reference evaluator, whose steps are too small to meet kinks. Large inputs, for which that takes minutes, in float32
 * along the gradient.
 */
import { readdirSync } from 'node:fs'
import { type InspectedModel, inspectModel } from '../../src/evaluate/facts.js'
import { type CompiledModel, compile, prepareModel, specialise } from '../../src/model/compile.js'
import type { DataSpace } from '../../src/model/data-space.js'
import { evaluate } from '../../src/onnx/reference/evaluate.js'
import { randomStream } from '../../src/random.js'
import { loadEngine } from '../../src/runtime/engine.js'
import { readModelFile } from '../../src/runtime/files.js'
import { float64, type Shape, toNumbers } from '../../src/tensor/tensor.js'
import { asset } from './assets.js'

/** Shapes of samples that files leave open. */
const samples: Readonly<Record<string, Shape>> = { 'models/ch_ppocr_mobile_v2.0_cls_infer.onnx': [3, 48, 192] }

/** Largest value of inputs that do not go to 1. */
const ranges: Readonly<Record<string, number>> = {
  'models/imagenet_squeezenet_fp16.onnx': 255,
  'models/imagenet_squeezenet_fp32_from_fp16.onnx': 255,
}

export interface CheckedAsset {
  readonly facts: InspectedModel
  /** Largest relative error of a slope; undefined where `reason` says why there is none. */
  readonly error?: number
  readonly reason?: string
}

/** Larger inputs are checked in float32. */
const mostFeatures = 4096
const directions = 3

/** Paths of all model files below the assets. */
export function assetModels(): string[] {
  const folder = asset('.')
  if (folder === undefined) return []
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter(name => name.endsWith('.onnx'))
    .sort()
}

export async function checkAsset(name: string): Promise<CheckedAsset> {
  const path = asset(name)!
  const open = samples[name]
  const facts = await inspectModel(path, open === undefined ? {} : { space: spaceOf(open) })
  const { surrogates = [], blackBox, missing } = facts
  if (blackBox !== undefined) return { facts, reason: blackBox }
  if (missing.size > 0) return { facts, reason: `no gradient: ${[...missing.keys()].join(', ')}` }
  if (surrogates.length > 0)
    return { facts, reason: `replaced gradients differ from differences by intent: ${surrogates.length} operators` }
  const engine = await loadEngine()
  const prepared = prepareModel(await readModelFile(path), spaceOf(facts.inputShape))
  await using model = await compile(prepared, engine, { batch: 1, threads: 1, losses: ['cross-entropy'] })
  let [x, gradient, label] = [new Float32Array(), new Float64Array(), 0]
  // Networks of ReLU are flat in places: from there no slope could be wrong.
  for (const [low, high] of [
    [0, 1],
    [-0.5, 0.5],
    [-2, 2],
    [0, 0.1],
  ] as const) {
    const range = ranges[name] ?? 1
    x = randomSample(model.features, name).map(value => range * (low + (high - low) * value))
    model.inputs.set(x)
    // The unlikeliest class: a loss near zero has no slope to compare.
    const scores = (await model.scores()).slice()
    label = scores.indexOf(Math.min(...scores))
    gradient = Float64Array.from((await model.gradients([{ loss: 'cross-entropy', label }])).gradients)
    if (length(gradient) > 0) break
  }
  if (length(gradient) === 0) return { facts, reason: 'flat at every sample tried' }
  if (model.features > mostFeatures) return { facts, error: await alongGradient(model, x, gradient, label) }
  const graph = await specialise(prepared, engine, 1)
  const { shape } = graph.types.get(graph.inputs[0]!.name)!
  const lossAt = (point: Float64Array) => {
    const values = evaluate(graph, new Map([[graph.inputs[0]!.name, float64(point, shape)]]))
    return crossEntropy(toNumbers(values.get(graph.outputs[0]!.name)!), label)
  }
  return { facts, error: alongRandom(lossAt, x, gradient, name) }
}

function spaceOf(sampleShape: Shape): DataSpace {
  return { sampleShape, dataLayout: undefined, modelLayout: undefined, mean: undefined, std: undefined }
}

function randomSample(size: number, name: string): Float32Array {
  const random = randomStream(1, 0, name)
  return Float32Array.from({ length: size }, () => random.uniform())
}

function length(values: Float64Array): number {
  return Math.sqrt(values.reduce((sum, value) => sum + value * value, 0))
}

/**
 * Slopes along random unit vectors in float64, relative to the size that such slopes have, |gradient| / sqrt(n). Of a few steps the one that
 * agrees best: some directions meet a kink at once.
 */
function alongRandom(
  lossAt: (point: Float64Array) => number,
  x: Float32Array,
  gradient: Float64Array,
  name: string,
): number {
  const random = randomStream(2, 0, name)
  const usual = length(gradient) / Math.sqrt(x.length)
  let worst = 0
  for (let k = 0; k < directions; k++) {
    const raw = Float64Array.from(x, () => random.normal())
    const unit = raw.map(value => value / length(raw))
    const wanted = gradient.reduce((sum, slope, i) => sum + slope * unit[i]!, 0)
    let best = Number.POSITIVE_INFINITY
    for (const h of [1e-5, 1e-7]) {
      const [after, before] = [1, -1].map(sign =>
        lossAt(Float64Array.from(x, (value, i) => value + sign * h * unit[i]!)),
      )
      const slope = (after! - before!) / (2 * h)
      best = Math.min(best, Math.abs(slope - wanted) / Math.max(usual, Math.abs(wanted), 1e-9))
      if (best < 1e-4) break
    }
    worst = Math.max(worst, best)
  }
  return worst
}

/** The slope along the gradient against its length, in float32: of steps of several sizes the one that agrees best. */
async function alongGradient(
  model: CompiledModel,
  x: Float32Array,
  gradient: Float64Array,
  label: number,
): Promise<number> {
  const size = length(gradient)
  let best = Number.POSITIVE_INFINITY
  for (const change of [0.1, 0.03, 0.01, 0.003, 0.001]) {
    const h = change / size
    const lossAt = async (sign: number) => {
      model.inputs.set(x.map((value, i) => value + (sign * h * gradient[i]!) / size))
      return crossEntropy([...(await model.scores())], label)
    }
    const slope = ((await lossAt(1)) - (await lossAt(-1))) / (2 * h)
    best = Math.min(best, Math.abs(slope - size) / size)
  }
  return best
}

function crossEntropy(scores: readonly number[], label: number): number {
  const largest = Math.max(...scores)
  return largest + Math.log(scores.reduce((sum, score) => sum + Math.exp(score - largest), 0)) - scores[label]!
}
