/** Replays a run in a worker process of its own. */
import { resolve } from 'node:path'
import type { Client } from '../runtime/channel.js'
import { readManifest } from './manifest.js'
import { limitsFor, type Resources } from './plan-run.js'
import type { ReplayFindings, ReplayRequest } from './replay-run.js'
import { reopenService, type ServiceParts } from './service.js'
import { type WorkerProtocol, withWorker } from './worker-protocol.js'

export interface ReplayOptions extends Pick<Resources, 'engine' | 'memoryLimit' | 'timeout'> {
  /** Path of the model file, where it is not at the run's path any more. Its hash must be the run's. */
  readonly model?: string | undefined
  readonly data?: string | undefined
  /** How an endpoint may be asked; its address is the run's or `model`. */
  readonly service?: Omit<ServiceParts, 'address' | 'rowsPerRequest'> | undefined
  readonly onProgress?: ((progress: { readonly done: number; readonly total: number }) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * Verifies every broken verdict of a run again on the original model file: that the example is inside the threat model and
 * misclassified, with the margin that was recorded. Throws `run-unreadable`, `run-mismatch`, and what reading model and data throws.
 */
export async function replay(runFolder: string, options: ReplayOptions = {}): Promise<ReplayFindings> {
  const { run, request, silenceSeconds } = workerFor(resolve(runFolder), options)
  const { onProgress } = options
  return run(client =>
    client.call('replay', request, { silenceSeconds, ...(onProgress !== undefined && { onProgress }) }),
  )
}

/** A worker that asks the model of a run again, wherever it is now. Throws `run-unreadable`, and `config` for an endpoint. */
export function workerFor(folder: string, options: ReplayOptions) {
  const { spec } = readManifest(folder)
  const { endpoint } = spec.model
  const parts = { variables: process.env, ...options.service, address: options.model ?? spec.model.path }
  const service = endpoint && reopenService(parts, endpoint)
  const model = options.model === undefined ? spec.model.path : resolve(options.model)
  const data = options.data === undefined ? undefined : resolve(options.data)
  const { memoryLimitBytes, silenceSeconds } = limitsFor(1, { ...options, service })
  const request: ReplayRequest = { folder, model, data, engine: options.engine, service }
  return {
    request,
    silenceSeconds,
    run: <T>(use: (client: Client<WorkerProtocol>) => Promise<T>) =>
      withWorker('replay', { memoryLimitBytes, signal: options.signal }, use),
  }
}
