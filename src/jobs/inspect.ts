/** Describes a model, or the machine, from a worker process: whatever a model does, this process goes on. */
import { resolve } from 'node:path'
import type { InspectedEndpoint } from '../evaluate/endpoint-facts.js'
import type { InspectedModel } from '../evaluate/facts.js'
import type { DataSpace } from '../evaluate/spec.js'
import type { RuntimeDescription } from '../runtime/doctor.js'
import { limitsFor, type Resources } from './plan-run.js'
import { spaceIn } from './question.js'
import type { Service } from './service.js'
import { withWorker } from './worker-protocol.js'

export interface InspectOptions extends Pick<Resources, 'engine' | 'memoryLimit' | 'timeout'>, DataSpace {
  /** Data whose samples the model takes, for models whose input shape is open. */
  readonly data?: string | undefined
  readonly allowHardlinks?: boolean | undefined
  /** Whether surrogate gradients count; default on. */
  readonly surrogateGradients?: 'on' | 'off' | undefined
  readonly signal?: AbortSignal | undefined
}

/** What a model is and whether it can be attacked. Throws what reading and running the model throws. */
export async function inspect(model: string, options: InspectOptions = {}): Promise<InspectedModel> {
  const { memoryLimitBytes, silenceSeconds } = limitsFor(1, options)
  const { engine, allowHardlinks, surrogateGradients: surrogates, signal } = options
  const data = options.data === undefined ? undefined : { path: resolve(options.data), space: spaceIn(options) }
  return withWorker('inspect', { memoryLimitBytes, signal }, client =>
    client.call(
      'facts',
      { model: resolve(model), data, engine, allowHardlinks, surrogates, check: true },
      { silenceSeconds },
    ),
  )
}

/** What an endpoint is: its metadata, its classes, whether it answers twice alike. Throws `endpoint-failed` when it does not answer. */
export async function inspectService(service: Service, options: InspectOptions = {}): Promise<InspectedEndpoint> {
  const { memoryLimitBytes, silenceSeconds } = limitsFor(1, { ...options, service })
  const { engine, signal } = options
  const data = options.data === undefined ? undefined : { path: resolve(options.data), space: spaceIn(options) }
  return withWorker('inspect', { memoryLimitBytes, signal }, client =>
    client.call('endpoint', { ...service, data, engine }, { silenceSeconds }),
  )
}

/** What ONNX Runtime and this machine offer. Throws when the engine cannot be loaded. */
export async function describeMachine(engine?: 'native' | 'wasm'): Promise<RuntimeDescription> {
  const { memoryLimitBytes, silenceSeconds } = limitsFor(1, {})
  return withWorker('doctor', { memoryLimitBytes }, client => client.call('runtime', { engine }, { silenceSeconds }))
}
