/**
 * A model that can only be asked: the original file in a plain session, or an endpoint. It serves the verifier one sample at a
 * time, and as a BatchModel the attacks that need no gradients.
 */
import { RobustlyError } from '../errors.js'
import type { SingleScore } from '../onnx/passes/single-score.js'
import type { Usage } from '../runtime/http/usage.js'
import { sizeOf } from '../tensor/tensor.js'
import type { BatchModel, RowAccount } from './batch-model.js'
import type { DataSpace } from './data-space.js'

export interface ScoreSource extends AsyncDisposable {
  readonly classes: number
  /**
   * Scores [rows, classes] of samples of the data, laid one after the other, as the model gives them: logits or probabilities. `bound`:
   * what the inputs that are not attacked get, for each sample; default: the values of the first sample of the data.
   */
  scores(samples: Float32Array, bound?: Float32Array): Promise<Float32Array>
  /** Wall seconds inside the model so far. */
  readonly runtimeSeconds: number
  /** What the scores are. Default 'scores': whatever they turn out to be. Of 'labels' the largest score alone counts. */
  readonly answers?: 'scores' | 'probabilities' | 'labels'
  /** Of a model that gives one score per sample: what it is taken for. */
  readonly single?: SingleScore
  /** Rows that are evaluated together at most. Default: as many as come. */
  readonly rowsAtOnce?: number
  /** About a row of the last answer. */
  account?(row: number): RowAccount | undefined
  /** What was used of a service since the last call. */
  takeUsage?(): Usage
}

/** The source with what a sample gives to the inputs that are not attacked. */
export function ofSample(
  source: Pick<ScoreSource, 'scores'>,
  bound: Float32Array | undefined,
): Pick<ScoreSource, 'scores'> {
  return bound === undefined ? source : { scores: samples => source.scores(samples, bound) }
}

/** Rows of the same values. */
export function repeated(values: Float32Array, rows: number): Float32Array {
  return Float32Array.from({ length: rows * values.length }, (_, i) => values[i % values.length])
}

/** The smallest positive float32: stands for a probability that was rounded to zero. */
const leastProbability = 2 ** -149

/**
 * The source as a model of so many rows. Probabilities are handed out as their logarithms, which differ from logits by a
 * constant per row only: in float32 a probability near one hides what the small ones still tell.
 */
export async function queryModel(
  source: ScoreSource,
  { sampleShape, bound: others, batch }: Pick<DataSpace, 'sampleShape' | 'bound'> & { readonly batch: number },
): Promise<BatchModel> {
  const features = sizeOf(sampleShape)
  const inputs = new Float32Array(batch * features)
  const bound = others && repeated(others.example, batch)
  const width = bound === undefined ? 0 : bound.length / batch
  const { classes, answers = 'scores' } = source
  const logarithms =
    answers === 'probabilities' ||
    (answers === 'scores' && areProbabilities(await source.scores(new Float32Array(features))))
  // A row alone may have other last bits than in company: the answer to a point must not depend on what else is asked.
  const fewest = Math.min(2, batch, source.rowsAtOnce ?? batch)
  return {
    batch,
    features,
    classes,
    inputs,
    bound,
    async scores(rows = batch) {
      for (let row = rows; row < fewest; row++) {
        inputs.copyWithin(row * features, 0, features)
        bound?.copyWithin(row * width, 0, width)
      }
      const asked = Math.max(rows, fewest)
      const scores = await source.scores(inputs.subarray(0, asked * features), bound?.subarray(0, asked * width))
      return logarithms ? scores.map(value => Math.log(Math.max(value, leastProbability))) : scores
    },
    account: row => source.account?.(row),
    gradients: () => Promise.reject(new RobustlyError('internal', 'a model that is only asked has no gradients')),
  }
}

/** Whether scores of one sample are probabilities: none negative, with a sum of one. */
export function areProbabilities(scores: Float32Array): boolean {
  const sum = scores.reduce((total, value) => total + value, 0)
  return Math.abs(sum - 1) < 1e-4 && scores.every(value => value >= 0)
}
