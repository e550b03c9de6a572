/** What a query costs on the model at hand: the measurement behind the calibration. Runs in a worker process. */
import { attacks } from '../attacks/index.js'
import { openDataset } from '../data/dataset.js'
import { spaceOf } from '../evaluate/evaluator.js'
import type { EvaluationSpec } from '../evaluate/spec.js'
import { openTarget } from '../evaluate/target.js'
import type { WorkerPlan } from '../evaluate/worker-api.js'
import { secondsPerRun } from '../runtime/calibrate.js'
import { loadEngine } from '../runtime/engine.js'

export interface Measured {
  /** Seconds of a row of a batch: of the dearest query that the attacks ask, and of one without a gradient. */
  readonly secondsPerSample: number
  readonly secondsPerForward: number
  /** Memory of this process with the model loaded, in bytes. */
  readonly bytes: number
}

export async function measure({ spec, plan }: { spec: EvaluationSpec; plan: WorkerPlan }): Promise<Measured> {
  const engine = await loadEngine(plan.engine === undefined ? {} : { require: plan.engine })
  const dataset = await openDataset(spec.data.path, { verify: false })
  try {
    await using target = await openTarget(spec, { engine, space: spaceOf(spec.data.space, dataset), plan })
    const asksGradients = spec.attacks.some(({ name }) => attacks.get(name)?.access === 'gradients')
    const asked = target.surrogate ?? target.model
    const rows = Array.from({ length: plan.batch }, () => ({ loss: 'cross-entropy', label: 0 }) as const)
    // Opens the session for scores, whose memory counts whatever the attacks ask first.
    await asked.scores()
    const secondsPerForward = (await secondsPerRun(() => asked.scores(), asksGradients ? 0.02 : undefined)) / plan.batch
    const secondsPerSample = asksGradients
      ? (await secondsPerRun(() => asked.gradients(rows))) / plan.batch
      : secondsPerForward
    return { secondsPerSample, secondsPerForward, bytes: process.memoryUsage().rss }
  } finally {
    await dataset.close()
  }
}
