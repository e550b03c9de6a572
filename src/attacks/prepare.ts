/** Runs an attack's preparation on a model: its queries one after the other, in batches of the model's size. */
import { RobustlyError } from '../errors.js'
import { type BatchModel, labelOf } from '../model/batch-model.js'
import type { GradientReply, Preparing, PreparingQuery } from './attack.js'

/** What a preparation found, and the rows that the model evaluated for it. */
export interface Prepared {
  /** One per feature. */
  readonly values: Float32Array
  readonly queries: { readonly forward: number; readonly gradient: number }
}

/** Gives what the preparation finds. Throws `model-failed` when an answer is not finite. */
export async function prepare(steps: Preparing, model: BatchModel, onBatch: () => void = () => {}): Promise<Prepared> {
  const queries = { forward: 0, gradient: 0 }
  let step = steps.next([])
  while (!step.done) {
    const { ask, points } = step.value
    queries[ask === 'gradients' ? 'gradient' : 'forward'] += points.length
    step = steps.next(await answer(step.value, model, onBatch))
  }
  return { values: step.value, queries }
}

async function answer(
  query: PreparingQuery,
  model: BatchModel,
  onBatch: () => void,
): Promise<readonly Partial<GradientReply>[]> {
  const { batch, features, classes, inputs, bound } = model
  const replies: Partial<GradientReply>[] = []
  for (let at = 0; at < query.points.length; at += batch) {
    const points = query.points.slice(at, at + batch)
    points.forEach((point, row) => {
      inputs.set(point, row * features)
      const own = query.samples[at + row].bound
      if (own !== undefined) bound?.set(own, row * own.length)
    })
    const result: { logits: Float32Array; losses?: Float32Array; gradients?: Float32Array } =
      query.ask === 'gradients'
        ? await model.gradients(points.map((_, row) => ('losses' in query ? query.losses[at + row] : query.loss)))
        : { logits: await model.scores(points.length) }
    points.forEach((_, row) => {
      const logits = result.logits.slice(row * classes, (row + 1) * classes)
      const gradient = result.gradients?.slice(row * features, (row + 1) * features)
      replies.push({ label: labelOf(logits), logits, ...(gradient && { loss: result.losses![row], gradient }) })
    })
    onBatch()
  }
  const finite = ({ label, loss = 0, gradient }: Partial<GradientReply>) =>
    label !== -1 && Number.isFinite(loss) && (gradient?.every(Number.isFinite) ?? true)
  if (replies.every(finite)) return replies
  throw new RobustlyError('model-failed', 'the model answered with values that are not finite', {
    hint: 'Choose samples that it can be asked about with --samples, or leave out attacks that are prepared on many samples.',
  })
}
