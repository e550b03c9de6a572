/**
 * Whether the rewritten graph computes what the model file computes: on random samples, in different rows of a batch, up to a softmax
 * that was cut off. Of models that draw at random the means over many draws are compared.
 */
import { RobustlyError } from '../errors.js'
import type { CompiledModel, Precision } from '../model/compile.js'
import type { DataSpace } from '../model/data-space.js'
import type { ScoreSource } from '../model/score-source.js'
import { randomStream } from '../random.js'
import { type Shape, sizeOf } from '../tensor/tensor.js'

export interface ComparedAs {
  readonly space: DataSpace
  readonly drawing: boolean
  readonly precision: Precision
}

/**
 * How far scores may be apart, as a share of the largest. Half precision rounds each of many values by up to 2^-11; in a quantised model
 * a value between two integers may fall the other way, and engines saturate sums of integers differently.
 */
const tolerances: Readonly<Record<Precision, number>> = { single: 1e-3, half: 2e-2, quantised: 5e-2 }

/** Apart by more than this, two models are not the same at any precision. */
const another = 0.5

export interface Comparison {
  /** Equal calls may give different answers. */
  readonly randomised: boolean
  readonly warnings: readonly string[]
}

/** Draws that are averaged, of each of the two. */
const draws = 50

/** Standard errors by which two means may differ: one pair in 500 million does by chance. */
const standardErrors = 6

/**
 * `drawing`: the file holds nodes that draw at random, which a few equal answers do not disprove.
 * Throws `model-unsupported` when the two are not the same.
 */
export async function compare(
  verifier: ScoreSource,
  model: CompiledModel,
  { space, drawing, precision }: ComparedAs,
): Promise<Comparison> {
  const features = sizeOf(space.sampleShape)
  const samples = Array.from({ length: model.batch }, (_, i) => randomSample(space.sampleShape, i))
  /** Two samples' values, so that rows that are mixed up show. */
  const boundOf = (row: number) => (row === 0 ? space.bound?.example : space.bound?.last)
  samples.forEach((sample, row) => {
    model.inputs.set(sample, row * features)
    const bound = boundOf(row)
    if (bound !== undefined) model.bound!.set(bound, row * bound.length)
  })
  const all = await model.scores()
  const warnings = new Set<string>()
  for (let row = 0; row < samples.length; row++) {
    const own = all.subarray(row * model.classes, (row + 1) * model.classes)
    const original = await verifier.scores(samples[row], boundOf(row))
    const again = await verifier.scores(samples[row], boundOf(row))
    if (drawing || original.some((value, i) => value !== again[i])) {
      if (!(await sameOnAverage(verifier, model, samples, boundOf))) throw notTheSame()
      return { randomised: true, warnings: [] }
    }
    if (!original.every(Number.isFinite)) {
      return { randomised: false, warnings: ['The model answers random inputs with scores that are not finite.'] }
    }
    const apart = Math.min(...readings.map(read => distance(read(own), original)))
    if (apart <= tolerances[precision]) continue
    if (precision === 'single' || !(apart < another)) throw notTheSame()
    warnings.add(
      `The graph that attacks differentiate follows the file less closely than usual (it is ${precision === 'half' ? 'in half precision' : 'quantised'}): every example is checked on the file, but attacks by gradients may be weaker. Add one by scores, such as square.`,
    )
  }
  return { randomised: false, warnings: [...warnings] }
}

function notTheSame(): RobustlyError {
  return new RobustlyError('model-unsupported', 'the rewritten graph does not compute what the model file computes', {
    hint: 'Please report this with the model: it is a defect of robustly, or the model depends on its batch.',
  })
}

export function randomSample(shape: Shape, index: number): Float32Array {
  const random = randomStream(0, index, 'inspect')
  return Float32Array.from({ length: sizeOf(shape) }, () => random.uniform())
}

/** The largest difference, as a share of the largest score of `b`. */
function distance(a: Float32Array, b: Float32Array): number {
  const scale = Math.max(1e-6, ...b.map(Math.abs))
  return a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]) / scale), 0)
}

/** What the file's scores may be of the logits: what was cut off its end. */
const readings: readonly ((logits: Float32Array) => Float32Array)[] = [
  logits => logits,
  softmax,
  logits => logits.map(value => 1 / (1 + Math.exp(-value))),
  logits => logits.map(Math.exp),
]

function softmax(logits: Float32Array): Float32Array {
  const largest = Math.max(...logits)
  const powers = logits.map(value => Math.exp(value - largest))
  const sum = powers.reduce((a, b) => a + b, 0)
  return powers.map(value => value / sum)
}

async function sameOnAverage(
  verifier: ScoreSource,
  model: CompiledModel,
  samples: readonly Float32Array[],
  boundOf: (row: number) => Float32Array | undefined,
): Promise<boolean> {
  const { classes } = model
  const own = samples.map(() => readings.map(() => moments(classes)))
  const original = samples.map(() => moments(classes))
  for (let draw = 0; draw < draws; draw++) {
    const all = await model.scores()
    for (const [row, sample] of samples.entries()) {
      const logits = all.subarray(row * classes, (row + 1) * classes)
      readings.forEach((read, i) => {
        own[row][i].add(read(logits))
      })
      original[row].add(await verifier.scores(sample, boundOf(row)))
    }
  }
  return samples.every((_, row) => own[row].some(each => alike(each, original[row])))
}

interface Moments {
  readonly mean: Float64Array
  /** Sum of squared distances from the mean. */
  readonly squares: Float64Array
  add(values: Float32Array): void
}

/** Means and variances as values come (Welford 1962). */
function moments(size: number): Moments {
  const [mean, squares] = [new Float64Array(size), new Float64Array(size)]
  let count = 0
  return {
    mean,
    squares,
    add(values) {
      count++
      for (let i = 0; i < size; i++) {
        const before = values[i] - mean[i]
        mean[i] += before / count
        squares[i] += before * (values[i] - mean[i])
      }
    },
  }
}

/** Means that are not finite are alike: what follows from them is said elsewhere. */
function alike(a: Moments, b: Moments): boolean {
  const scale = Math.max(1e-6, ...b.mean.map(Math.abs))
  return a.mean.every((mean, i) => {
    const error = Math.sqrt((a.squares[i] + b.squares[i]) / (draws * (draws - 1)))
    return !(Math.abs(mean - b.mean[i]) > 1e-3 * scale + standardErrors * error)
  })
}
