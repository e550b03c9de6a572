/**
 * The verifier: the original model file in a plain session, as production would run it. Attacks
 * propose; only what this says of a point counts.
 */
import { RobustlyError } from '../errors.js'
import { applyInputPlan, type DataSpace, planInput } from '../model/data-space.js'
import { boundFeed, modelInputs } from '../model/inputs.js'
import type { ScoreSource } from '../model/score-source.js'
import type { ModelFunction } from '../onnx/codec/index.js'
import type { Graph } from '../onnx/graph.js'
import { mixesSamples } from '../onnx/passes/quantization.js'
import { type ScoredGraph, scoresOf } from '../onnx/passes/scores.js'
import { pairsOf, type SingleScore, singleScore } from '../onnx/passes/single-score.js'
import type { Engine } from '../runtime/engine.js'
import { elementsFor, type NumberType, toFloat32, writeFloats } from '../tensor/convert.js'
import { type DataOf, type DataType, sizeOf, type Tensor } from '../tensor/tensor.js'
import { contains, regionOf, type ThreatModel } from '../threat/threat.js'
import { confirmedVote } from './draws.js'

export interface Judgement {
  /** The model says another class than the label, at a point inside the box. */
  readonly misclassified: boolean
  /** Misclassified, and no further than epsilon. */
  readonly adversarial: boolean
  readonly prediction: number
  /** Draws that said another class than the label. */
  readonly wrong: number
  /** Score of the label minus the largest other score, the mean over the draws. */
  readonly margin: number
  /** In the threat model's norm. */
  readonly distance: number
}

/**
 * Decides about one point, by as many draws as a model that draws at random needs. Scores that are not finite never make an
 * example adversarial.
 */
export async function judge(
  verifier: Pick<ScoreSource, 'scores'>,
  threat: ThreatModel,
  sample: { readonly input: Float32Array; readonly label: number },
  point: Float32Array,
  draws = 1,
): Promise<Judgement> {
  const { prediction, wrong, margin } = await confirmedVote(verifier, point, sample.label, draws)
  const region = regionOf({ ...threat, epsilon: Number.POSITIVE_INFINITY }, sample.input)
  const misclassified =
    prediction >= 0 &&
    prediction !== sample.label &&
    contains({ ...threat, epsilon: Number.POSITIVE_INFINITY }, region, point)
  return {
    misclassified,
    adversarial: misclassified && contains(threat, regionOf(threat, sample.input), point),
    prediction,
    wrong,
    margin,
    distance: threat.norm.distance(point, sample.input),
  }
}

/**
 * Opens the file itself; only a ZipMap at its end, whose dictionaries no tensor holds, is left out. Samples are rounded to
 * the type of its input, and scores come as float32: one for the label and zero for the rest where it gives labels alone.
 * Samples run `rows` at a time, or as many as a model of fixed batch takes; what is missing to a full
 * batch repeats the last one. A single score per sample is read as those of two classes. Throws `model-unsupported` when its
 * scores are not one row per sample.
 */
export async function openVerifier(
  engine: Engine,
  model: { readonly path: string; readonly graph: Graph; readonly functions?: readonly ModelFunction[] },
  space: DataSpace,
  { threads, rows = 1 }: { readonly threads: number; readonly rows?: number },
): Promise<ScoreSource> {
  const { attacked: input, bound } = modelInputs(model.graph, space)
  const dtype = input.dtype as NumberType
  const { example } = space.bound ?? {}
  const width = example?.length ?? 0
  const scored = scoresOf(model.graph)
  const { output } = scored
  const plan = planInput(space, input)
  const listed = model.graph.outputs.some(({ name }) => name === output.name)
  const source = listed ? { path: model.path } : { graph: scored.graph, functions: model.functions ?? [] }
  const session = await engine.createSession(source, { threads })
  const read = scoreReader(scored)
  let single: SingleScore | undefined
  const stated = input.shape?.[0]
  let fixed = typeof stated === 'number' && stated > 0 ? stated : undefined
  const features = sizeOf(plan.inputShape)

  /** Runs of so many rows, by their number: one for single samples, one for batches. */
  const runs = new Map<number, (samples: Float32Array, others: Float32Array | undefined) => Promise<Float32Array>>()
  const runOf = (batch: number) => {
    const feed = elementsFor(dtype, batch * features)
    const tensor = { dtype, shape: [batch, ...plan.inputShape], data: feed } as Tensor
    const others = bound.map(each => boundFeed(each, batch))
    const run = session.bind(new Map([[input.name, tensor], ...others.map(({ feed }) => feed)]), [output.name])
    return async (samples: Float32Array, values: Float32Array | undefined) => {
      const count = samples.length / features
      for (let row = 0; row < batch; row++) {
        const from = Math.min(row, count - 1)
        const sample = samples.subarray(from * features, (from + 1) * features)
        writeFloats(dtype, applyInputPlan(plan, sample), feed, row * features)
        const own = values === undefined ? example : values.subarray(from * width, (from + 1) * width)
        for (const { write } of others) write(own!, row)
      }
      const [result] = await run()
      const given = read(result)
      const all = single === undefined ? given : pairsOf(given, single)
      return all.subarray(0, (all.length / batch) * count)
    }
  }
  const scores = async (samples: Float32Array, others?: Float32Array): Promise<Float32Array> => {
    const count = samples.length / features
    const batch = fixed ?? (count === 1 ? 1 : rows)
    const run = runs.get(batch) ?? runOf(batch)
    runs.set(batch, run)
    if (count <= batch) return await run(samples, others)
    const parts: Float32Array[] = []
    for (let at = 0; at < count; at += batch) {
      const end = Math.min(at + batch, count)
      const scores = await run(
        samples.subarray(at * features, end * features),
        others?.subarray(at * width, end * width),
      )
      parts.push(scores.slice())
    }
    return concatenated(parts)
  }
  try {
    const { length: given } = await scores(new Float32Array(sizeOf(space.sampleShape)))
    if (!Number.isInteger(given) || given < 1) {
      throw new RobustlyError(
        'model-unsupported',
        `the model gives ${given} scores per sample in "${output.name}", expected a row of scores for each sample`,
      )
    }
    if (given === 1) single = singleScore(scored.graph, output.name)
    if (fixed === undefined && rows > 1 && (mixesSamples(model.graph) || !(await takesBatches(scores, rows, space))))
      fixed = 1
    return {
      classes: Math.max(2, given),
      scores,
      ...(single && { single }),
      get runtimeSeconds() {
        return session.runtimeSeconds
      },
      [Symbol.asyncDispose]: () => session.release(),
    }
  } catch (error) {
    await session.release()
    throw error
  }
}

/** How scores are read from the output's elements. Throws `model-unsupported` for labels that the model does not list. */
function scoreReader({ output, labels }: ScoredGraph): (elements: DataOf[DataType]) => Float32Array {
  if (labels === undefined) return elements => toFloat32(output.dtype as NumberType, elements as Float32Array)
  const places = new Map(labels.map((label, at) => [label, at]))
  return elements => {
    const scores = new Float32Array(elements.length * labels.length)
    for (let row = 0; row < elements.length; row++) {
      const label = elements[row]
      const at = places.get(typeof label === 'string' ? label : Number(label))
      if (at === undefined)
        throw new RobustlyError('model-unsupported', `the model gives the label ${label}, which is none of its classes`)
      scores[row * labels.length + at] = 1
    }
    return scores
  }
}

/** Whether a batch gives what its samples give one by one: an open batch dimension in a file is a promise that not every file keeps. */
async function takesBatches(scores: ScoreSource['scores'], rows: number, space: DataSpace): Promise<boolean> {
  const features = sizeOf(space.sampleShape)
  const samples = Float32Array.from({ length: rows * features }, (_, i) => ((i * 7919) % 1000) / 1000)
  const last = (await scores(samples.subarray((rows - 1) * features))).slice()
  try {
    const batch = await scores(samples)
    const scale = Math.max(1e-6, ...last.map(Math.abs))
    return (
      batch.length === rows * last.length &&
      last.every((value, i) => Math.abs(value - batch[(rows - 1) * last.length + i]) <= 1e-2 * scale)
    )
  } catch (error) {
    if (error instanceof RobustlyError && error.code === 'model-failed') return false
    throw error
  }
}

function concatenated(parts: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  return all
}
