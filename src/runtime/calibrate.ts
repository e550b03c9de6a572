/**
 * Chooses processes, threads and batch size from a short measurement of the model at hand. Pure logic: the measurement
 * and the clock are passed in.
 *
 * Facts it rests on: n processes of one thread are as fast as one process of n threads and isolate crashes better;
 * batches of 8 to 32 are as fast per sample as any on most networks, and a small batch wastes less when samples retire.
 */

export interface Plan {
  readonly batch: number
  readonly threads: number
}

export interface Machine {
  readonly cores: number
  /** Memory that may be used, in bytes. */
  readonly memoryBytes: number
}

export interface Footprint {
  /** Memory of one worker process with the model loaded and the largest batch, in bytes. */
  readonly bytesPerProcess: number
}

export interface Calibration extends Plan {
  readonly processes: number
  /** What was measured, in order. */
  readonly table: readonly (Plan & { readonly secondsPerSample: number })[]
  /** Why there are fewer processes than cores, when there are. */
  readonly limitedBy: 'memory' | undefined
}

export interface CalibrationOptions {
  /** Time for the whole measurement, in seconds. */
  readonly budgetSeconds?: number
  /** In seconds; only differences count. */
  readonly clock?: () => number
  readonly batches?: readonly number[]
}

/** Batch sizes that are tried. */
export const batchSizes = [8, 16, 32, 64, 128] as const

/** A larger batch must be this much faster per sample to be preferred. */
const worthIt = 0.03
/** Measuring goes on while batches are not this much slower than the best. */
const hopeless = 0.15
/** Share of memory that workers may fill; the rest is the system's and the supervisor's. */
const memoryShare = 0.8

/**
 * Measures growing batches at one thread while time is left, then decides. At least one measurement is made, so a
 * model slower than the whole budget overruns it by its smallest batch. `measure` gives seconds per sample.
 */
export async function calibrate(
  measure: (plan: Plan) => Promise<number>,
  machine: Machine,
  footprint: Footprint,
  options: CalibrationOptions = {},
): Promise<Calibration> {
  const { budgetSeconds = 1.5, clock = () => performance.now() / 1000, batches = batchSizes } = options
  const table: (Plan & { secondsPerSample: number })[] = []
  const start = clock()
  let best = Number.POSITIVE_INFINITY
  for (const batch of batches) {
    const began = clock()
    const secondsPerSample = await measure({ batch, threads: 1 })
    if (!(secondsPerSample > 0)) throw new RangeError(`a measurement gave ${secondsPerSample} seconds per sample`)
    table.push({ batch, threads: 1, secondsPerSample })
    best = Math.min(best, secondsPerSample)
    const spent = clock() - start
    const next = 2 * (clock() - began) // the next batch is twice as large
    if (secondsPerSample > best * (1 + hopeless) || spent + next > budgetSeconds) break
  }
  const { batch } = table.find(row => row.secondsPerSample <= best * (1 + worthIt))!
  const processes = processesFor(machine, footprint)
  const threads = Math.max(1, Math.floor(machine.cores / processes))
  return { processes, threads, batch, table, limitedBy: processes < machine.cores ? 'memory' : undefined }
}

/** One process per core while memory lasts; at least one. */
function processesFor({ cores, memoryBytes }: Machine, { bytesPerProcess }: Footprint): number {
  const fitting = Math.floor((memoryBytes * memoryShare) / Math.max(1, bytesPerProcess))
  return Math.max(1, Math.min(cores, fitting))
}

/**
 * Seconds of one run: the fastest of several, after one that warms up. A run of a slow model is done once only.
 * `budgetSeconds` bounds the repetitions, not a single run.
 */
export async function secondsPerRun(
  run: () => Promise<unknown>,
  budgetSeconds = 0.1,
  clock: () => number = () => performance.now() / 1000,
): Promise<number> {
  const start = clock()
  let fastest = Number.POSITIVE_INFINITY
  for (let i = 0; i < 50; i++) {
    const began = clock()
    await run()
    const ended = clock()
    fastest = Math.min(fastest, ended - began)
    const enough = i >= 2 || ended - start > 2 * budgetSeconds
    if (enough && ended - start >= budgetSeconds) break
  }
  return fastest
}
