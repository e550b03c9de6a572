/**
 * A model that can only be asked: the original file in a plain session, or an endpoint. It serves the verifier one sample at a
 * time, and as a BatchModel the attacks that need no gradients.
 */
import { RobustlyError } from '../errors.js'
import { sizeOf } from '../tensor/tensor.js'
import type { BatchModel } from './batch-model.js'

export interface ScoreSource extends AsyncDisposable {
  readonly classes: number
  /** Scores [rows, classes] of samples of the data, laid one after the other, as the model gives them: logits or probabilities. */
  scores(samples: Float32Array): Promise<Float32Array>
  /** Wall seconds inside the model so far. */
  readonly runtimeSeconds: number
}

/** The smallest positive float32: stands for a probability that was rounded to zero. */
const leastProbability = 2 ** -149

/**
 * The source as a model of so many rows. Probabilities are handed out as their logarithms, which differ from logits by a
 * constant per row only: in float32 a probability near one hides what the small ones still tell.
 */
export async function queryModel(
  source: ScoreSource,
  { sampleShape, batch }: { readonly sampleShape: readonly number[]; readonly batch: number },
): Promise<BatchModel> {
  const features = sizeOf(sampleShape)
  const inputs = new Float32Array(batch * features)
  const { classes } = source
  const logarithms = areProbabilities(await source.scores(new Float32Array(features)))
  return {
    batch,
    features,
    classes,
    inputs,
    async scores(rows = batch) {
      const scores = await source.scores(rows === batch ? inputs : inputs.subarray(0, rows * features))
      return logarithms ? scores.map(value => Math.log(Math.max(value, leastProbability))) : scores
    },
    gradients: () => Promise.reject(new RobustlyError('internal', 'a model that is only asked has no gradients')),
  }
}

/** Whether scores of one sample are probabilities: none negative, with a sum of one. */
export function areProbabilities(scores: Float32Array): boolean {
  const sum = scores.reduce((total, value) => total + value, 0)
  return Math.abs(sum - 1) < 1e-4 && scores.every(value => value >= 0)
}
