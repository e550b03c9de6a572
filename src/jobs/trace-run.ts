/** Searches samples of a run again and records every query. Runs inside a worker process. */
import { openDataset } from '../data/dataset.js'
import { openEvaluator, threatFrom } from '../evaluate/evaluator.js'
import { prepareAttack, preparedAttacks } from '../evaluate/preparation.js'
import type { SampleRecord } from '../evaluate/record.js'
import type { EvaluationSpec } from '../evaluate/spec.js'
import { type AttackTrace, startTracer } from '../evaluate/trace.js'
import type { WorkerPlan } from '../evaluate/worker-api.js'
import { readManifest } from './manifest.js'
import { checkHash, type ReplayRequest, readOriginal } from './replay-run.js'

export interface TraceRequest extends ReplayRequest {
  /** Positions in the data set. */
  readonly samples: readonly number[]
}

export interface TracedSample {
  /** What the repeated search came to. */
  readonly record: SampleRecord
  readonly attacks: readonly AttackTrace[]
}

/** Smallest of the usual batches: a few samples fill no larger one. */
const batch = 8

/** Throws `run-unreadable`, `run-mismatch` when model or data are not those of the run, and what evaluating them throws. */
export async function traceRun(
  { folder, model, data, engine, service, samples }: TraceRequest,
  progress: (traced: TracedSample | null) => void,
): Promise<null> {
  const spec = await relocated(readManifest(folder).spec, { model, data, service })
  const plan: WorkerPlan = {
    batch: service === undefined ? batch : service.access.concurrency * spec.model.endpoint!.rowsPerRequest,
    threads: 1,
    ...(engine !== undefined && { engine }),
    ...(service !== undefined && { access: service.access }),
  }
  const prepared = new Map<string, Float32Array>()
  for (const attack of preparedAttacks(spec)) {
    const { values } = await prepareAttack({ spec, attack, plan }, () => progress(null))
    prepared.set(attack, values)
  }
  const tracer = startTracer(threatFrom(spec.threat))
  await using evaluator = await openEvaluator({
    spec,
    plan: { ...plan, prepared },
    observed: tracer.observe,
    record: record => progress({ record, attacks: tracer.take(record.index) }),
    spent: () => progress(null),
  })
  for (const sample of samples) evaluator.add(sample, sample + 1)
  evaluator.close()
  await evaluator.run()
  return null
}

/** The run's specification with files where they are now, their hashes checked. */
async function relocated(
  spec: EvaluationSpec,
  { model, data, service }: Pick<TraceRequest, 'model' | 'data' | 'service'>,
): Promise<EvaluationSpec> {
  const path = data ?? spec.data.path
  const dataset = await openDataset(path)
  try {
    checkHash('data', { file: dataset.name, there: await dataset.hash(), expected: spec.data.sha256 })
  } finally {
    await dataset.close()
  }
  for (const surrogate of spec.surrogateModels ?? []) await readOriginal(surrogate, surrogate.path)
  const { endpoint } = spec.model
  if (endpoint === undefined) await readOriginal(spec.model, model)
  const there = endpoint === undefined || service === undefined ? {} : { endpoint: { ...endpoint, url: service.url } }
  return { ...spec, model: { ...spec.model, path: model, ...there }, data: { ...spec.data, path } }
}
