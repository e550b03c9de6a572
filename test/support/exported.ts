/**
 * One exported model through everything that a user's model goes through, measured: whether the rewritten graph is the file
 * and whether its gradient is right, by central differences and by the framework that exported it, and PGD against noise.
 */
import { existsSync, readFileSync } from 'node:fs'
import { type InspectedModel, inspectModel } from '../../src/evaluate/facts.js'
import { openVerifier } from '../../src/evaluate/verify.js'
import { labelOf } from '../../src/model/batch-model.js'
import { type CompiledModel, compile, prepareModel, specialiseAsCan } from '../../src/model/compile.js'
import { plainSpace } from '../../src/model/data-space.js'
import type { ScoreSource } from '../../src/model/score-source.js'
import type { TypedGraph } from '../../src/onnx/graph.js'
import { evaluate } from '../../src/onnx/reference/evaluate.js'
import { randomStream } from '../../src/random.js'
import { loadEngine } from '../../src/runtime/engine.js'
import { readModelFile } from '../../src/runtime/files.js'
import { float64, toNumbers } from '../../src/tensor/tensor.js'

export interface Checked {
  readonly facts: InspectedModel
  /** What follows is left out where no gradient exists by nature. */
  readonly gradients?: {
    /** Largest relative error of a slope along the gradient over the samples; undefined where surrogates replace gradients. */
    readonly differences: number | undefined
    /** Relative to the framework that exported the model: of the logits and of the gradients, in the 2-norm. */
    readonly framework: { readonly logits: number; readonly gradients: number } | undefined
    readonly fooled: Fooled
  }
}

export interface Fooled {
  /** The smallest tried at which PGD fools the file more often than noise; undefined when at none. */
  readonly epsilon: number | undefined
  /** Shares of samples whose label changes. */
  readonly noise: number
  readonly pgd: number
}

const batch = 8

/** `oracle`: path of the framework's logits and gradients as float32, as the scripts of test/exports write them. */
export async function checkExport(path: string, oracle?: string): Promise<Checked> {
  const facts = await inspectModel(path)
  if (facts.blackBox !== undefined || facts.missing.size > 0) return { facts }
  const engine = await loadEngine()
  const file = await readModelFile(path)
  const space = plainSpace(facts.inputShape)
  await using model = await compile(prepareModel(file, space), engine, { batch, threads: 1, losses: ['cross-entropy'] })
  await using verifier = await openVerifier(engine, file, space, { threads: 1 })
  const x = new Float32Array(batch * model.features)
  for (let row = 0; row < batch; row++) x.set(sampleOf(model.features, row), row * model.features)
  const replaced = (facts.surrogates ?? []).length > 0
  const framework = oracle !== undefined && existsSync(oracle) ? await againstFramework(model, x, oracle) : undefined
  let differences = replaced ? undefined : await againstDifferences(model, x)
  if (differences !== undefined && differences > 1e-3 && model.features <= mostFeatures) {
    const { graph } = await specialiseAsCan(prepareModel(file, space), engine, 2)
    differences = await inDoublePrecision(model, graph, x)
  }
  return { facts, gradients: { differences, framework, fooled: await againstNoise(model, verifier, x) } }
}

/** Numbers in [0, 1) without a pattern: `sample` of the scripts. */
function sampleOf(size: number, index: number): Float32Array {
  return Float32Array.from({ length: size }, (_, i) => {
    const place = i + 1 + 100_000 * index
    return (place * place * 0.6180339887498949) % 1
  })
}

const rowLosses = (labels: readonly number[]) => labels.map(label => ({ loss: 'cross-entropy', label }) as const)

async function againstFramework(model: CompiledModel, x: Float32Array, oracle: string) {
  const bytes = readFileSync(oracle)
  const values = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length))
  const [scores, features] = [2 * model.classes, 2 * model.features]
  if (values.length !== scores + features) throw new RangeError(`${oracle} holds ${values.length} numbers`)
  model.inputs.set(x)
  const { logits, gradients } = await model.gradients(rowLosses([0, 1]))
  return {
    logits: relative(logits.subarray(0, scores), values.subarray(0, scores)),
    gradients: relative(gradients.subarray(0, features), values.subarray(scores)),
  }
}

function relative(got: Float32Array, wanted: Float32Array): number {
  return norm(wanted.map((value, i) => got[i]! - value)) / Math.max(1e-12, norm(wanted))
}

function norm(values: Float32Array): number {
  return Math.sqrt(values.reduce((sum, value) => sum + value * value, 0))
}

/** Changes of the loss that the steps aim at: large ones meet kinks and curvature, small ones the rounding of float32. */
const changes = [0.1, 0.03, 0.01, 0.003, 0.001]

/**
 * Slopes of the loss along the gradient, (loss(x + h d) - loss(x - h d)) / 2h, against the gradient's length: for each
 * sample the step that agrees best, for all samples the worst.
 */
async function againstDifferences(model: CompiledModel, x: Float32Array): Promise<number> {
  const labels = rowLosses(Array.from({ length: batch }, (_, row) => row % model.classes))
  model.inputs.set(x)
  const { gradients } = await model.gradients(labels)
  const row = (values: Float32Array, at: number) => values.subarray(at * model.features, (at + 1) * model.features)
  const lengths = Array.from({ length: batch }, (_, at) => norm(row(gradients, at)))
  const errors = new Float64Array(batch).fill(Number.POSITIVE_INFINITY)
  for (const change of changes) {
    // A step that changes the loss by about so much.
    const steps = lengths.map(length => change / Math.max(length, 1e-6))
    const lossAt = async (sign: number) => {
      const scaled = gradients.map((value, i) => {
        const at = Math.floor(i / model.features)
        return x[i]! + (sign * steps[at]! * value) / Math.max(lengths[at]!, 1e-12)
      })
      model.inputs.set(scaled)
      return crossEntropies(await model.scores(), model.classes)
    }
    const [after, before] = [await lossAt(1), await lossAt(-1)]
    for (let at = 0; at < batch; at++) {
      const slope = (after[at]! - before[at]!) / (2 * steps[at]!)
      errors[at] = Math.min(errors[at]!, Math.abs(slope - lengths[at]!) / Math.max(lengths[at]!, 1e-6))
    }
  }
  return Math.max(...errors)
}

/** The reference takes seconds for larger samples. */
const mostFeatures = 4096

/** The same by the reference evaluation in float64, whose steps are too small to meet kinks: of the first rows. */
async function inDoublePrecision(model: CompiledModel, graph: TypedGraph, x: Float32Array): Promise<number> {
  const { shape } = graph.types.get(graph.inputs[0]!.name)!
  const rows = shape[0]!
  model.inputs.set(x)
  const all = await model.gradients(rowLosses(Array.from({ length: batch }, (_, row) => row % model.classes)))
  const gradients = all.gradients.subarray(0, rows * model.features)
  const length = norm(gradients)
  const h = 1e-6
  const lossAt = (sign: number) => {
    const moved = Float64Array.from(gradients, (value, i) => x[i]! + (sign * h * value) / length)
    const values = evaluate(graph, new Map([[graph.inputs[0]!.name, float64(moved, shape)]]))
    const logits = Float64Array.from(toNumbers(values.get(graph.outputs[0]!.name)!))
    return crossEntropies(logits, model.classes).reduce((sum, loss) => sum + loss, 0)
  }
  return Math.abs((lossAt(1) - lossAt(-1)) / (2 * h) - length) / length
}

/** In double precision, of class row mod classes. */
function crossEntropies(logits: Float32Array | Float64Array, classes: number): number[] {
  return Array.from({ length: logits.length / classes }, (_, row) => {
    const scores = logits.subarray(row * classes, (row + 1) * classes)
    const largest = Math.max(...scores)
    let sum = 0
    for (const score of scores) sum += Math.exp(score - largest)
    return largest + Math.log(sum) - scores[row % classes]!
  })
}

const epsilons = [1, 2, 4, 8, 16, 32, 64].map(level => level / 255)

/** PGD with a step of a quarter of epsilon against the best of five draws of noise, both judged by the file; labels are the file's own. */
async function againstNoise(model: CompiledModel, verifier: ScoreSource, x: Float32Array): Promise<Fooled> {
  const { features } = model
  const labelsOf = async (points: Float32Array) => {
    const labels: number[] = []
    for (let row = 0; row < batch; row++) {
      labels.push(labelOf(await verifier.scores(points.subarray(row * features, (row + 1) * features))))
    }
    return labels
  }
  const truth = await labelsOf(x)
  const fooled = async (points: Float32Array) =>
    (await labelsOf(points)).filter((label, row) => label !== truth[row]).length / batch
  const random = randomStream(3, 0, 'noise')
  let noise = 0
  let pgd = 0
  for (const epsilon of epsilons) {
    noise = 0
    for (let draw = 0; draw < 5; draw++) {
      const moved = x.map(value => value + epsilon * (random.uniform() < 0.5 ? -1 : 1))
      noise = Math.max(noise, await fooled(moved))
    }
    pgd = await fooled(await ascend(model, x, truth, epsilon))
    if (pgd > noise) return { epsilon, noise, pgd }
  }
  return { epsilon: undefined, noise, pgd }
}

async function ascend(model: CompiledModel, x: Float32Array, labels: readonly number[], epsilon: number) {
  let point = x
  for (let step = 0; step < 12; step++) {
    model.inputs.set(point)
    const { gradients } = await model.gradients(rowLosses(labels))
    point = point.map((value, i) => {
      const moved = value + (epsilon / 4) * Math.sign(gradients[i]!)
      return Math.min(x[i]! + epsilon, Math.max(x[i]! - epsilon, moved))
    })
  }
  return point
}
