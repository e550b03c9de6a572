/** Clean and robust accuracy on held-out samples, in the course of training: a quick look, not an evaluation. */
import { marginOf } from '../model/batch-model.js'
import { randomStream } from '../random.js'
import { sizeOf } from '../tensor/tensor.js'
import type { ThreatModel } from '../threat/threat.js'
import { type AdversaryOptions, climb } from './adversary.js'
import type { StepSession } from './step-sessions.js'
import { gather, type TrainingSet } from './training-set.js'

export interface MeasureOptions {
  readonly data: TrainingSet
  readonly indices: Uint32Array
  /** The session's. */
  readonly batch: number
  /** Without it, only clean accuracy is measured. */
  readonly threat: ThreatModel | undefined
  readonly adversary: AdversaryOptions
  readonly seed: number
  readonly signal?: AbortSignal | undefined
}

export interface Measured {
  /** Share of samples classified correctly, 0 … 1. */
  readonly clean: number
  /** Share of samples classified correctly at every point that the adversary visits. */
  readonly robust: number | undefined
}

/** `session` is one of `inputSession`. The same samples start from the same points in every epoch. */
export async function measure(session: StepSession, options: MeasureOptions): Promise<Measured> {
  const { data, indices, batch, threat, adversary } = options
  const features = sizeOf(data.sampleShape)
  const buffer = new Float32Array(batch * features)
  let [clean, robust] = [0, 0]
  for (let from = 0; from < indices.length; from += batch) {
    options.signal?.throwIfAborted()
    const rows = indices.subarray(from, from + batch)
    gather(data, rows, buffer, session.labels)
    session.views.adversarial!.set(buffer)
    const standing = new Uint8Array(rows.length).fill(1)
    const judge = (logits: Float32Array) => {
      for (let i = 0; i < rows.length; i++) {
        const row = logits.subarray(i * data.classes, (i + 1) * data.classes)
        // A margin of NaN is not correct either.
        if (!(marginOf(row, data.labels[rows[i]!]!) > 0)) standing[i] = 0
      }
    }
    judge((await session.run()).logits)
    clean += sum(standing)
    if (threat === undefined) continue
    await climb(session, {
      threat,
      steps: adversary.steps,
      stepSize: adversary.stepSize ?? (2.5 * threat.epsilon) / adversary.steps,
      clean: buffer.subarray(0, rows.length * features),
      features,
      random: row => randomStream(options.seed, rows[row]!, 'train/validation'),
      visited: judge,
    })
    judge((await session.run()).logits)
    robust += sum(standing)
  }
  return { clean: clean / indices.length, robust: threat === undefined ? undefined : robust / indices.length }
}

function sum(values: Uint8Array): number {
  return values.reduce((total, value) => total + value, 0)
}
