/**
 * Distributes the samples of a run over worker processes and outlives whatever happens to them. It never runs a model.
 * A worker that crashes, hangs or outgrows its memory costs a second try of the samples it held, in small groups of their
 * own, and for a group that fails again a third one, sample by sample: a poisonous sample takes no others along. What fails
 * alone is given up with the reason.
 */
import { lanesPerRow } from '../attacks/scheduler.js'
import { RobustlyError } from '../errors.js'
import type { DecisionCost } from '../evaluate/costs.js'
import type { SampleRecord } from '../evaluate/record.js'
import type { EvaluationSpec } from '../evaluate/spec.js'
import type { WorkerPlan } from '../evaluate/worker-api.js'
import { type Client, connect } from '../runtime/channel.js'
import type { Usage } from '../runtime/http/usage.js'
import { startModelWorker, type WorkerLimits, type WorkerProtocol } from './worker-protocol.js'

export interface SuperviseOptions {
  readonly spec: EvaluationSpec
  readonly plan: WorkerPlan
  readonly processes: number
  readonly limits: WorkerLimits
  /** How many samples that are. */
  readonly samples: number
  /** Ranges [start, end) of samples without a record, in order. */
  readonly missing: Iterable<readonly [number, number]>
  /** Takes a record. Throwing ends the run. */
  record(record: SampleRecord): void
  /** Takes a sample that was given up. Throwing ends the run. */
  givenUp(index: number, error: string): Promise<void>
  /** Wall seconds by attack since the last call, of one worker. */
  spent(seconds: ReadonlyMap<string, number>): void
  /** Of an endpoint: what a decision has cost, and what was used since the last call. */
  cost?(cost: DecisionCost): void
  used?(usage: Usage): void
  /** The plan of a worker that starts now; default: `plan`. */
  planNow?(): WorkerPlan
  notice(text: string): void
  /** A worker has done all its work: its seconds inside ONNX Runtime, and all of them. */
  finished(time: { readonly runtimeSeconds: number; readonly wallSeconds: number }): void
  readonly signal?: AbortSignal | undefined
}

interface Task {
  readonly start: number
  readonly end: number
  readonly tries: number
}

/** Samples of a task: fresh, after a first failure, after a second one. A sample that fails alone is given up. */
const taskSizes = [32, 8, 1] as const

/** Workers lost one after the other without any record between: then the fault is not in single samples. */
const lossesInARow = { before: 4, after: 8 }

/**
 * Evaluates all missing samples. Throws what no second try can help: an error of the model or the data, `worker-lost`,
 * `memory-limit` or `time-limit` when workers do nothing but die, the signal's reason when aborted, and what `record` throws.
 */
export async function supervise(options: SuperviseOptions): Promise<void> {
  const { spec, plan, processes, limits, signal } = options
  const taskSize = Math.max(1, Math.min(taskSizes[0], Math.floor(options.samples / (8 * processes))))
  const fresh = tasksOf(options.missing, taskSize)
  /** Samples without a record yet. */
  let open = options.samples
  const retries: Task[] = []
  const clients = new Set<Client<WorkerProtocol>>()
  let workers = 0
  let recordedEver = false
  let losses = 0
  let failure: { readonly error: unknown } | undefined

  const fail = (error: unknown) => {
    failure ??= { error }
    for (const { worker } of clients) worker.kill()
  }
  const onAbort = () => fail(signal!.reason)
  signal?.throwIfAborted()
  signal?.addEventListener('abort', onAbort, { once: true })
  try {
    const lanes = Array.from({ length: processes }, () => lane().catch(fail))
    await Promise.all(lanes)
  } finally {
    signal?.removeEventListener('abort', onAbort)
  }
  if (failure !== undefined) throw failure.error

  /** Starts a worker after the other while there is work. */
  async function lane(): Promise<void> {
    for (let task = next(true); task !== undefined && failure === undefined; task = next(true)) {
      const goesOn = await sitting(task)
      if (!goesOn) return
    }
  }

  /** A task for a worker; tasks that failed before are only for one that holds nothing else. */
  function next(idle: boolean): Task | undefined {
    const step = fresh.next()
    if (!step.done) return step.value
    return idle ? retries.shift() : undefined
  }

  /** The life of one worker. Says whether its lane should start another. */
  async function sitting(first: Task): Promise<boolean> {
    const held = new Map<Task, Set<number>>()
    const client = connect<WorkerProtocol>(startModelWorker(`${++workers}`, limits))
    const { silenceSeconds } = limits
    clients.add(client)
    let started = false
    let closed = false
    try {
      take(first)
      await client.call('start', { spec, plan: options.planNow?.() ?? plan }, { silenceSeconds })
      started = true
      const began = performance.now()
      const done = client.call('run', null, { onProgress, silenceSeconds })
      done.catch(() => {}) // awaited below; `give` may fail first
      for (const task of held.keys()) give(task)
      refill()
      const { runtimeSeconds } = await done
      options.finished({ runtimeSeconds, wallSeconds: (performance.now() - began) / 1000 })
      return true
    } catch (error) {
      return await lost(error, started, held)
    } finally {
      clients.delete(client)
      client.worker.kill()
    }

    function take(task: Task): void {
      held.set(task, new Set(Array.from({ length: task.end - task.start }, (_, at) => task.start + at)))
    }
    function give({ start, end }: Task): void {
      client.call('add', { start, end }).catch(() => {}) // a lost worker shows in `run`
    }
    /** Keeps lanes full and a task more, or a fair share where there are fewer samples. A retried task stays alone. */
    function refill(): void {
      while (!closed && waiting() < enough()) {
        if ([...held.keys()].some(task => task.tries > 0)) return
        const task = next(held.size === 0)
        if (task !== undefined) {
          take(task)
          give(task)
        } else if (held.size === 0 || retries.length === 0) {
          closed = true
          client.call('close', null).catch(() => {})
        } else return
      }
    }
    /** At least one, for a worker that holds none and finds none is to end. */
    function enough(): number {
      return Math.max(1, Math.min(lanesPerRow * plan.batch + taskSize, Math.ceil(open / clients.size)))
    }
    function waiting(): number {
      let sum = 0
      for (const rest of held.values()) sum += rest.size
      return sum
    }
    function onProgress(progress: WorkerProtocol['run']['progress']): void {
      if (failure !== undefined) return
      try {
        if (progress.seconds !== undefined) options.spent(progress.seconds)
        if (progress.cost !== undefined) options.cost?.(progress.cost)
        if (progress.usage !== undefined) options.used?.(progress.usage)
        if (progress.record !== undefined) recorded(progress.record)
      } catch (error) {
        fail(error)
      }
    }
    function recorded(record: SampleRecord): void {
      recordedEver = true
      losses = 0
      open--
      options.record(record)
      for (const [task, rest] of held) {
        if (rest.delete(record.index) && rest.size === 0) held.delete(task)
      }
      refill()
    }
  }

  /** What becomes of the samples that a lost worker held. */
  async function lost(error: unknown, started: boolean, held: Map<Task, Set<number>>): Promise<boolean> {
    if (failure !== undefined) return false
    if (isFinal(error, started)) throw error
    if (!started && clients.size > 1) {
      // The machine may have too little memory for this many workers: the others take over.
      options.notice(`${messageOf(error)}; going on with fewer processes`)
      for (const [{ start, end, tries }] of held) retries.push({ start, end, tries })
      return false
    }
    if (++losses > (recordedEver ? lossesInARow.after : lossesInARow.before) + processes) throw error
    options.notice(`${messageOf(error)}; its samples are tried again`)
    for (const [{ tries }, rest] of held) {
      const size = taskSizes[tries + 1]
      if (size === undefined) {
        open -= rest.size
        for (const index of rest) await options.givenUp(index, reasonOf(error))
      } else for (const [start, end] of rangesOf(rest, size)) retries.push({ start, end, tries: tries + 1 })
    }
    return true
  }
}

/** Errors that a second try cannot help: the model or the data are not what is needed. */
function isFinal(error: unknown, started: boolean): boolean {
  if (!(error instanceof RobustlyError)) return true
  if (error.code === 'model-failed') return !started
  return (
    !['memory-limit', 'time-limit', 'worker-lost', 'internal'].includes(error.code) ||
    (error.code === 'internal' && !started)
  )
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** Why a sample has no verdict: the same words on every machine. */
function reasonOf(error: unknown): string {
  const known: Readonly<Record<string, string>> = {
    'time-limit': 'time limit',
    'memory-limit': 'memory limit',
    'worker-lost': 'the worker process crashed',
  }
  const code = error instanceof RobustlyError ? error.code : 'internal'
  return known[code] ?? messageOf(error)
}

function* tasksOf(missing: Iterable<readonly [number, number]>, size: number): Generator<Task, undefined> {
  for (const [start, end] of missing) {
    for (let at = start; at < end; at += size) yield { start: at, end: Math.min(end, at + size), tries: 0 }
  }
}

/** Indices as ranges of at most `longest`. */
function rangesOf(indices: Iterable<number>, longest: number): [number, number][] {
  const ranges: [number, number][] = []
  for (const index of [...indices].sort((a, b) => a - b)) {
    const last = ranges.at(-1)
    if (last !== undefined && last[1] === index && last[1] - last[0] < longest) last[1]++
    else ranges.push([index, index + 1])
  }
  return ranges
}
