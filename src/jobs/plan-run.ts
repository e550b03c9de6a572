/** Chooses processes, threads and batch size: what was asked for, or what a short measurement of the model says. */
import { RobustlyError } from '../errors.js'
import type { QueryCounts } from '../evaluate/query-counts.js'
import type { EvaluationSpec } from '../evaluate/spec.js'
import type { WorkerPlan } from '../evaluate/worker-api.js'
import type { Endpoint } from '../model/endpoint/schema.js'
import { batchSizes, calibrate } from '../runtime/calibrate.js'
import type { Client } from '../runtime/channel.js'
import { longestAnswer } from '../runtime/http/client.js'
import { thisMachine } from '../runtime/machine.js'
import type { Service } from './service.js'
import type { WorkerLimits, WorkerProtocol } from './worker-protocol.js'

/** How an evaluation may use the machine and the endpoint. Nothing of this shows in a result. */
export interface Resources {
  readonly processes?: number | undefined
  readonly threads?: number | undefined
  /** Rows of one call of the model. */
  readonly batch?: number | undefined
  /** Default: native where it works, else WebAssembly. */
  readonly engine?: 'native' | 'wasm' | undefined
  /** Bytes of one worker process. Default: its share of 80 % of the machine. */
  readonly memoryLimit?: number | undefined
  /** A worker that gives no sign of life for so many seconds is killed. Default 300. */
  readonly timeout?: number | undefined
  /** The endpoint that is asked. */
  readonly service?: Pick<Service, 'access'> | undefined
}

export interface Chosen {
  readonly plan: WorkerPlan
  readonly processes: number
  readonly limits: WorkerLimits
  /** At that batch size; undefined when nothing was measured. Without attacks by gradients both are of a forward pass. */
  readonly secondsPerQuery: QueryCounts | undefined
}

const memoryShare = 0.8
const smallestLimit = 2 ** 30
/** An evaluator holds a verifier and a second session beside the one that was measured. */
const footprintFactor = 1.5

/** Limits of each of so many workers. */
export function limitsFor(processes: number, resources: Resources): WorkerLimits {
  const access = resources.service?.access
  // An endpoint may be slow where no worker hangs.
  const patience = access === undefined ? 0 : 60 + longestAnswer(access)
  const share = Math.floor((memoryShare * thisMachine().memoryBytes) / processes)
  return {
    memoryLimitBytes: resources.memoryLimit ?? Math.max(smallestLimit, share),
    silenceSeconds: Math.max(resources.timeout ?? 300, patience),
  }
}

/** `scout` is a worker that measures; `samples` is how many there are to do. */
export async function chooseRun(
  spec: EvaluationSpec,
  { resources, samples, scout }: { resources: Resources; samples: number; scout: Client<WorkerProtocol> },
): Promise<Chosen> {
  if (spec.model.endpoint !== undefined) return endpointRun(spec.model.endpoint, resources)
  const engine = resources.engine === undefined ? {} : { engine: resources.engine }
  const { processes, threads, batch } = resources
  const machine = thisMachine()
  const cores = Math.max(1, Math.min(machine.cores, samples))
  if (batch !== undefined && processes !== undefined) {
    const plan = { batch, threads: threads ?? Math.max(1, Math.floor(machine.cores / processes)), ...engine }
    return { plan, processes, limits: limitsFor(processes, resources), secondsPerQuery: undefined }
  }
  let bytes = 0
  const forward = new Map<number, number>()
  const { silenceSeconds } = limitsFor(1, resources)
  const measure = async (plan: { batch: number; threads: number }) => {
    const measured = await scout.call('measure', { spec, plan: { ...plan, ...engine } }, { silenceSeconds })
    bytes = Math.max(bytes, measured.bytes)
    forward.set(plan.batch, measured.secondsPerForward)
    return measured.secondsPerSample
  }
  // The footprint is asked for when the measurements are done.
  const footprint = {
    get bytesPerProcess() {
      return footprintFactor * bytes
    },
  }
  // A batch that the samples of a process cannot fill wastes the rest of its rows.
  const fillable = batchSizes.filter((size, at) => at === 0 || size * (processes ?? cores) <= samples)
  const options = { batches: batch === undefined ? fillable : [batch] }
  const found = await calibrate(measure, { ...machine, cores }, footprint, options)
  const count = processes ?? found.processes
  const gradient = found.table.find(row => row.batch === found.batch)!.secondsPerSample
  return {
    plan: { batch: found.batch, threads: threads ?? Math.max(1, Math.floor(machine.cores / count)), ...engine },
    processes: count,
    limits: limitsFor(count, resources),
    secondsPerQuery: { forward: forward.get(found.batch)!, gradient },
  }
}

/** One process asks an endpoint, so that budget, rate and concurrency hold; its batch keeps as many requests under way as may be. */
function endpointRun({ rowsPerRequest }: Endpoint, resources: Resources): Chosen {
  const { service, engine, batch, threads = thisMachine().cores } = resources
  if (service === undefined) throw new RobustlyError('internal', 'nothing says how the endpoint may be asked')
  if ((resources.processes ?? 1) > 1) {
    throw new RobustlyError('usage', 'an endpoint is asked by one process', {
      hint: 'Give --concurrency for more requests at once.',
    })
  }
  const { access } = service
  const plan = { batch: batch ?? access.concurrency * rowsPerRequest, threads, access, ...(engine && { engine }) }
  return { plan, processes: 1, limits: limitsFor(1, resources), secondsPerQuery: undefined }
}
