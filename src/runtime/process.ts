/**
 * Worker processes. ONNX Runtime blocks the thread that runs it and takes the whole process along when it crashes or
 * when its thread is killed, so models run in child processes with a limit on memory, and a hung one is killed.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { RobustlyError } from '../errors.js'
import { printable } from '../printable.js'

export interface WorkerOptions {
  /** A JavaScript module that calls `serve` (see channel.ts); `compiledEntry` finds it. */
  readonly entry: URL
  /** Names the worker in messages. */
  readonly label: string
  /**
   * Memory that the process may hold, Node's own 110 MB included. Counts what is really asked for, not address space,
   * so that WebAssembly can be limited too. Only Linux enforces it: see `canLimitMemory`.
   */
  readonly memoryLimitBytes?: number
  /** Added to this process's environment. */
  readonly environment?: Readonly<Record<string, string>>
  /** Flags for Node itself. */
  readonly nodeFlags?: readonly string[]
}

export type ExitReason = 'finished' | 'stopped' | 'failed' | 'crashed' | 'memory-limit' | 'time-limit'

export interface WorkerExit {
  /**
   * 'finished': exit code 0; 'stopped': killed by `kill()`; 'failed': another exit code; 'crashed': ended by a signal
   * that this program did not send; 'memory-limit'; 'time-limit': killed by `kill('time-limit')`.
   */
  readonly reason: ExitReason
  readonly code: number | null
  readonly signal: string | null
  /** The last 8 KB of what it wrote to stdout and stderr, in order of arrival. */
  readonly output: string
}

export interface WorkerProcess {
  readonly pid: number
  readonly label: string
  /** Sends by structured clone. False when the worker is gone; `exited` tells why. */
  send(message: unknown): boolean
  /** Calls `listener` with every message; gives back the function that ends this. */
  onMessage(listener: (message: unknown) => void): () => void
  /** Resolves when the process has ended, all of its output was read and its temporary folders are gone. Never rejects. */
  readonly exited: Promise<WorkerExit>
  /** Ends the process at once, whatever it does. */
  kill(reason?: 'stopped' | 'time-limit'): void
}

/** Where memory limits are enforced; elsewhere workers start without one. */
export const canLimitMemory = process.platform === 'linux' && existsSync('/bin/sh')

/** Starts a worker process. Throws RobustlyError 'worker-lost' when the system cannot start one. */
export function startWorker(options: WorkerOptions): WorkerProcess {
  const [command, ...args] = launch(options)
  const scratch = join(tmpdir(), `robustly-engine-${randomUUID()}-`)
  const child = spawn(command!, args, {
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    serialization: 'advanced',
    env: {
      ...allocation,
      ...process.env,
      ...options.environment,
      [parentVariable]: String(process.pid),
      [scratchVariable]: scratch,
    },
    windowsHide: true,
  })
  const output = outputTail(child)
  let killed: 'stopped' | 'time-limit' | undefined
  const exited = new Promise<WorkerExit>(resolve => {
    let failure = ''
    child.on('error', error => {
      failure = printable(error.message)
      if (child.pid === undefined) resolve({ reason: 'failed', code: null, signal: null, output: failure })
    })
    child.on('close', (code, signal) => {
      const text = output()
      const exit = { reason: killed ?? exitReason(code, signal, text), code, signal, output: text || failure }
      void removeAll(scratch).finally(() => resolve(exit))
    })
  })
  if (child.pid === undefined) {
    throw new RobustlyError('worker-lost', `the worker process ${options.label} could not be started`, {
      hint: 'The system may be out of processes or memory: use fewer processes.',
    })
  }
  return {
    pid: child.pid,
    label: options.label,
    send: message => {
      if (!child.connected) return false
      child.send(message as object, () => {}) // a failure shows in `exited`
      return true
    },
    onMessage: listener => {
      child.on('message', listener)
      return () => child.off('message', listener)
    },
    exited,
    kill: (reason = 'stopped') => {
      if (child.exitCode !== null || child.signalCode !== null) return
      killed ??= reason
      child.kill('SIGKILL')
    },
  }
}

/**
 * For the C library of Linux. By default, one large block that is freed moves the next ones, up to 32 MB each, into the heap,
 * which then keeps the gaps between the weights of a model: up to one and a half times their size. Elsewhere nobody reads it.
 */
const allocation = { MALLOC_MMAP_THRESHOLD_: String(2 ** 20) }

/** What a worker's end means, as an error for people. */
export function exitError(label: string, exit: WorkerExit): RobustlyError {
  const { code, message, hint } = exitMessages[exit.reason]
  const how = exit.signal === null ? `exit code ${exit.code}` : exit.signal
  const last = exit.output.trim().split('\n').at(-1) ?? ''
  const said = exit.reason === 'failed' && last !== '' ? `: ${printable(last)}` : ''
  return new RobustlyError(code, `worker ${label} ${message} (${how})${said}`, { hint })
}

const exitMessages = {
  finished: { code: 'worker-lost', message: 'ended before its work was done', hint: 'Run again with --resume.' },
  stopped: { code: 'worker-lost', message: 'was stopped', hint: 'Run again with --resume.' },
  failed: { code: 'worker-lost', message: 'failed', hint: 'Run again with --resume.' },
  crashed: {
    code: 'worker-lost',
    message: 'crashed',
    hint: 'The model may crash ONNX Runtime, or the system may have run out of memory: try fewer processes.',
  },
  'memory-limit': {
    code: 'memory-limit',
    message: 'ran out of memory',
    hint: 'Allow more memory, or use a smaller batch or fewer processes.',
  },
  'time-limit': {
    code: 'time-limit',
    message: 'gave no sign of life within its time limit and was killed',
    hint: 'Allow more time; a model with long loops may never finish.',
  },
} as const satisfies Record<ExitReason, { code: RobustlyError['code']; message: string; hint: string }>

/**
 * The compiled module for `relative`, seen from the module that asks (`import.meta.url`): sources that run uncompiled,
 * as in tests, get the module of `dist`.
 */
export function compiledEntry(importMetaUrl: string, relative: string): URL {
  const url = new URL(relative, importMetaUrl)
  const root = new URL('../../', import.meta.url).href
  const inSource = url.href.startsWith(`${root}src/`)
  const compiled = inSource ? new URL(`dist/${url.href.slice(root.length + 4).replace(/\.ts$/, '.js')}`, root) : url
  if (!existsSync(compiled)) {
    throw new RobustlyError('internal', `${fileURLToPath(compiled)} is missing`, { hint: 'Run `npm run build` first.' })
  }
  return compiled
}

/** Tells a worker who started it. */
export const parentVariable = 'ROBUSTLY_PARENT'

/** Tells a worker how paths of folders begin that it makes for a while: one that is killed cannot remove them itself. */
export const scratchVariable = 'ROBUSTLY_SCRATCH'

/** Removes what begins with this path. What cannot be removed stays. */
async function removeAll(prefix: string): Promise<void> {
  const folder = dirname(prefix)
  const names = await readdir(folder).catch(() => [])
  const left = names.filter(name => name.startsWith(basename(prefix)))
  await Promise.allSettled(left.map(name => rm(join(folder, name), { recursive: true, force: true })))
}

/**
 * `ulimit -d` bounds private writable memory; `exec` keeps the process id and the channel. JavaScript's own heap gets
 * half, because V8 explains itself when it reaches its own limit and only crashes at the system's.
 */
function launch({ entry, memoryLimitBytes, nodeFlags = [] }: WorkerOptions): string[] {
  const script = fileURLToPath(entry)
  if (memoryLimitBytes === undefined || !canLimitMemory) return [process.execPath, ...nodeFlags, script]
  const heap = `--max-old-space-size=${Math.max(64, Math.floor(memoryLimitBytes / 2 ** 21))}`
  const node = [process.execPath, heap, ...nodeFlags, script]
  const kilobytes = Math.ceil(memoryLimitBytes / 1024)
  // Where the system's own limit is lower already, that one stays.
  return ['/bin/sh', '-c', 'ulimit -d "$0" 2>/dev/null; exec "$@"', String(kilobytes), ...node]
}

function exitReason(code: number | null, signal: string | null, output: string): ExitReason {
  if (code === 0) return 'finished'
  if (outOfMemory.test(output)) return 'memory-limit'
  // A shell in between reports signal N as exit code 128 + N.
  return signal !== null || (code !== null && code > 128) ? 'crashed' : 'failed'
}

const outOfMemory =
  /bad_alloc|bad allocation|out of memory|memory allocation|allocation failed|Cannot allocate memory|ENOMEM/i

/** Keeps the last 8 KB of the child's output; the rest is dropped as it comes, so that a chatty child cannot fill memory. */
function outputTail(child: ChildProcess): () => string {
  const limit = 8192
  let tail = Buffer.alloc(0)
  const keep = (chunk: Buffer) => {
    tail = Buffer.concat([tail, chunk]).subarray(-limit)
  }
  child.stdout!.on('data', keep)
  child.stderr!.on('data', keep)
  return () => tail.toString('utf8')
}
