/**
 * Typed calls to a worker process: a request, any number of progress messages, one answer. Both ends are here.
 *
 * A protocol is a type, e.g. `{ measure: { params: { batch: number }; progress: never; result: number } }`.
 */
import { Worker as WatchThread } from 'node:worker_threads'
import { type ErrorCode, exitCodes, RobustlyError } from '../errors.js'
import { exitError, parentVariable, type WorkerProcess } from './process.js'

export interface Method {
  readonly params: unknown
  readonly progress: unknown
  readonly result: unknown
}

/** Methods by name; everything that travels must be cloneable by structured clone. */
export type Protocol<P> = { readonly [M in keyof P]: Method }

export interface CallOptions<Progress> {
  readonly onProgress?: (progress: Progress) => void
  /** The worker is killed when it sends nothing (progress or answer) for this long. */
  readonly silenceSeconds?: number
}

export interface Client<P extends Protocol<P>> {
  readonly worker: WorkerProcess
  /**
   * Rejects with the RobustlyError that the worker threw, or with 'worker-lost', 'memory-limit' or 'time-limit' when
   * its process ended first. Calls start in order and may overlap where the worker awaits something.
   */
  call<M extends keyof P & string>(
    method: M,
    params: P[M]['params'],
    options?: CallOptions<P[M]['progress']>,
  ): Promise<P[M]['result']>
}

export type Handlers<P extends Protocol<P>> = {
  readonly [M in keyof P]: (
    params: P[M]['params'],
    progress: (value: P[M]['progress']) => void,
  ) => Promise<P[M]['result']> | P[M]['result']
}

interface Request {
  readonly id: number
  readonly method: string
  readonly params: unknown
}

type Reply =
  | { readonly id: number; readonly kind: 'progress' | 'result'; readonly value: unknown }
  | { readonly id: number; readonly kind: 'error'; readonly error: SentError }

interface SentError {
  readonly code: ErrorCode
  readonly message: string
  readonly hint: string | undefined
}

/** The parent's end. */
export function connect<P extends Protocol<P>>(worker: WorkerProcess): Client<P> {
  interface Pending {
    readonly resolve: (value: unknown) => void
    readonly reject: (error: unknown) => void
    readonly onProgress: ((progress: unknown) => void) | undefined
    readonly end: () => void
  }
  const pending = new Map<number, Pending>()
  let lastId = 0
  let gone: RobustlyError | undefined

  const settle = (id: number): Pending | undefined => {
    const call = pending.get(id)
    pending.delete(id)
    call?.end()
    return call
  }
  worker.onMessage(message => {
    const reply = message as Reply
    if (reply.kind === 'progress') pending.get(reply.id)?.onProgress?.(reply.value)
    else if (reply.kind === 'result') settle(reply.id)?.resolve(reply.value)
    else if (reply.kind === 'error') settle(reply.id)?.reject(received(reply.error))
  })
  void worker.exited.then(exit => {
    gone = exitError(worker.label, exit)
    for (const id of [...pending.keys()]) settle(id)!.reject(gone)
  })

  return {
    worker,
    call: (method, params, options = {}) =>
      new Promise((resolve, reject) => {
        if (gone !== undefined) return reject(gone)
        const id = ++lastId
        const end = options.silenceSeconds === undefined ? () => {} : deadline(worker, options.silenceSeconds)
        const onProgress = options.onProgress as ((progress: unknown) => void) | undefined
        pending.set(id, { resolve: resolve as (value: unknown) => void, reject, onProgress, end })
        worker.send({ id, method, params } satisfies Request)
      }),
  }
}

/**
 * Kills the worker when it sends no message for so many seconds: a process inside a long run cannot beat, so its
 * messages are its signs of life. Gives back the function that ends the watch.
 */
export function deadline(worker: WorkerProcess, seconds: number): () => void {
  const expire = () => worker.kill('time-limit')
  let timer = setTimeout(expire, seconds * 1000)
  let over = false
  const stopListening = worker.onMessage(() => {
    clearTimeout(timer)
    // The message that ends the watch still comes by here.
    if (!over) timer = setTimeout(expire, seconds * 1000)
  })
  return () => {
    over = true
    clearTimeout(timer)
    stopListening()
  }
}

/**
 * The worker's end: answers calls until the parent goes away. Handlers start in the order of the calls; one that awaits
 * lets the next one in. Terminal signals are left to the parent, which decides what becomes of the work. Does nothing
 * useful in a process that has no parent channel.
 */
export function serve<P extends Protocol<P>>(handlers: Handlers<P>): void {
  const send = process.send?.bind(process)
  if (send === undefined) throw new RobustlyError('usage', 'a worker module is started by robustly, not by hand')
  dieWithParent()
  process.on('message', message => {
    void answer(handlers, message as Request, reply => void send(reply))
  })
}

async function answer<P extends Protocol<P>>(
  handlers: Handlers<P>,
  { id, method, params }: Request,
  send: (reply: Reply) => void,
): Promise<void> {
  try {
    if (!Object.hasOwn(handlers, method)) throw new RobustlyError('internal', `the worker has no method ${method}`)
    const handler = handlers[method as keyof P]
    const value = await handler(params, progress => send({ id, kind: 'progress', value: progress }))
    send({ id, kind: 'result', value })
  } catch (error) {
    send({ id, kind: 'error', error: sent(error) })
  }
}

/**
 * Ends this process when its parent is gone: at once when idle, by a thread of its own while the main thread is
 * blocked inside a run.
 */
function dieWithParent(): void {
  process.on('disconnect', () => process.exit(0))
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})
  const parent = process.env[parentVariable]
  if (parent === undefined || process.platform === 'win32') return // there, a process keeps its parent's id for ever
  const watch = `setInterval(() => { if (process.ppid !== ${Number(parent)}) process.kill(process.pid, 'SIGKILL') }, 1000)`
  const limits = { maxOldGenerationSizeMb: 8, maxYoungGenerationSizeMb: 1, stackSizeMb: 1 }
  new WatchThread(watch, { eval: true, resourceLimits: limits }).unref()
}

function sent(error: unknown): SentError {
  if (error instanceof RobustlyError) return { code: error.code, message: error.message, hint: error.hint }
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
  return { code: 'internal', message: text, hint: undefined }
}

function received({ code, message, hint }: SentError): RobustlyError {
  return new RobustlyError(
    Object.hasOwn(exitCodes, code) ? code : 'internal',
    message,
    hint === undefined ? {} : { hint },
  )
}
