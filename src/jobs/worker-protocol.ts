/** What a worker process can be asked to do, and how one is started. */

import type { Prepared } from '../attacks/prepare.js'
import type { DecisionCost } from '../evaluate/costs.js'
import type { InspectedEndpoint } from '../evaluate/endpoint-facts.js'
import type { InspectedModel } from '../evaluate/facts.js'
import type { PreparationRequest } from '../evaluate/preparation.js'
import type { SampleRecord } from '../evaluate/record.js'
import type { DataSpace, EvaluationSpec } from '../evaluate/spec.js'
import type { WorkerPlan } from '../evaluate/worker-api.js'
import type { Mapping } from '../model/endpoint/schema.js'
import { type Client, connect } from '../runtime/channel.js'
import type { RuntimeDescription } from '../runtime/doctor.js'
import type { Access } from '../runtime/http/access.js'
import type { Usage } from '../runtime/http/usage.js'
import { compiledEntry, startWorker, type WorkerProcess } from '../runtime/process.js'
import type { ExportFindings, ExportRequest } from './export-run.js'
import type { Measured } from './measure.js'
import type { ReplayFindings, ReplayRequest } from './replay-run.js'
import type { TracedSample, TraceRequest } from './trace-run.js'

export interface WorkerLimits {
  readonly memoryLimitBytes: number | undefined
  /** A worker that sends nothing for this long is killed. */
  readonly silenceSeconds: number
}

export interface FactsRequest {
  readonly model: string
  readonly allowHardlinks?: boolean | undefined
  readonly engine?: 'native' | 'wasm' | undefined
  readonly surrogates?: 'on' | 'off' | undefined
  /** Shape of the samples and what is done to them, when data are at hand. */
  readonly data?: { readonly path: string; readonly space: DataSpace } | undefined
  /** Whether to try if the data fit the model. */
  readonly check?: boolean | undefined
}

export interface EndpointRequest extends Pick<FactsRequest, 'engine' | 'data'> {
  readonly url: string
  readonly mapping: Mapping
  readonly access: Access
}

/** Of a run: what comes while it goes on. */
export interface RunProgress {
  readonly record?: SampleRecord
  readonly seconds?: ReadonlyMap<string, number>
  /** What a decision has cost, and what was used since the last time: of an endpoint. */
  readonly cost?: DecisionCost
  readonly usage?: Usage
}

/** Plain data both ways. */
export type WorkerProtocol = {
  facts: { params: FactsRequest; progress: never; result: InspectedModel }
  endpoint: { params: EndpointRequest; progress: never; result: InspectedEndpoint }
  measure: { params: { spec: EvaluationSpec; plan: WorkerPlan }; progress: never; result: Measured }
  /** Sends progress as a sign of life. */
  prepare: { params: PreparationRequest; progress: null; result: Prepared }
  start: { params: { spec: EvaluationSpec; plan: WorkerPlan }; progress: never; result: null }
  add: { params: { start: number; end: number }; progress: never; result: null }
  close: { params: null; progress: never; result: null }
  run: {
    params: null
    progress: RunProgress
    result: { runtimeSeconds: number }
  }
  replay: {
    params: ReplayRequest
    progress: { readonly done: number; readonly total: number }
    result: ReplayFindings
  }
  /** Sends progress of nothing as a sign of life. */
  trace: { params: TraceRequest; progress: TracedSample | null; result: null }
  export: {
    params: ExportRequest
    progress: { readonly done: number; readonly total: number }
    result: ExportFindings
  }
  runtime: { params: { engine: 'native' | 'wasm' | undefined }; progress: never; result: RuntimeDescription }
}

export function startModelWorker(label: string, limits: Pick<WorkerLimits, 'memoryLimitBytes'>): WorkerProcess {
  return startWorker({
    entry: compiledEntry(import.meta.url, './worker.js'),
    label,
    // Young objects live for one batch: a small nursery keeps a long run as small as a short one, at no measurable cost.
    nodeFlags: ['--max-semi-space-size=4'],
    ...(limits.memoryLimitBytes !== undefined && { memoryLimitBytes: limits.memoryLimitBytes }),
  })
}

/** Runs `use` with a worker of its own, which is gone afterwards. Aborting the signal kills it and throws the reason. */
export async function withWorker<T>(
  label: string,
  options: Pick<WorkerLimits, 'memoryLimitBytes'> & { readonly signal?: AbortSignal | undefined },
  use: (client: Client<WorkerProtocol>) => Promise<T>,
): Promise<T> {
  const { signal } = options
  signal?.throwIfAborted()
  const client = connect<WorkerProtocol>(startModelWorker(label, options))
  const onAbort = () => client.worker.kill()
  signal?.addEventListener('abort', onAbort, { once: true })
  try {
    return await use(client)
  } catch (error) {
    signal?.throwIfAborted()
    throw error
  } finally {
    signal?.removeEventListener('abort', onAbort)
    client.worker.kill()
  }
}
