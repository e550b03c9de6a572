/** Traces of a run: made by searching samples again in a worker process, kept in files beside the records. */
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { z } from 'zod'
import { RobustlyError } from '../errors.js'
import type { AttackTrace } from '../evaluate/trace.js'
import { printable } from '../printable.js'
import { makeFolder, replaceText } from './files.js'
import { readManifest } from './manifest.js'
import { linesOf, parseRecord, recordLine } from './records.js'
import { type ReplayOptions, workerFor } from './replay.js'
import type { TracedSample } from './trace-run.js'

const numbers = z.array(z.number().nullable())
const traceSchema = z.object({
  format: z.literal(1),
  index: z.int().min(0),
  reproduced: z.boolean(),
  attacks: z.array(z.object({ attack: z.string(), margin: numbers, loss: numbers, distance: numbers })),
})

export interface SampleTrace {
  /** Position in the data set. */
  readonly index: number
  /** Whether the repeated search came to the very record of the run. */
  readonly reproduced: boolean
  readonly attacks: readonly AttackTrace[]
}

const subfolder = 'traces'
/** A trace of a million queries. */
const largest = 2 ** 26

/**
 * Searches samples of a finished run again and keeps every query below `traces/`. Throws `usage` for samples without a record,
 * and what `replay` throws.
 */
export async function trace(
  runFolder: string,
  samples: readonly number[],
  options: ReplayOptions = {},
): Promise<SampleTrace[]> {
  const folder = resolve(runFolder)
  const records = recordsOf(folder, samples)
  makeFolder(join(folder, subfolder))
  const traces: SampleTrace[] = []
  const take = (traced: TracedSample | null) => {
    if (traced === null) return
    const { index } = traced.record
    const reproduced = recordLine(traced.record) === records.get(index)
    const found: SampleTrace = { index, reproduced, attacks: traced.attacks }
    replaceText(join(folder, subfolder, `${index}.json`), `${JSON.stringify({ format: 1, ...found })}\n`)
    traces.push(found)
    options.onProgress?.({ done: traces.length, total: records.size })
  }
  const { run, request, silenceSeconds } = workerFor(folder, options)
  await run(client =>
    client.call('trace', { ...request, samples: [...records.keys()] }, { silenceSeconds, onProgress: take }),
  )
  return traces.sort((a, b) => a.index - b.index)
}

/** The lines of the samples' records. */
function recordsOf(folder: string, samples: readonly number[]): Map<number, string> {
  readManifest(folder)
  const wanted = new Set(samples)
  const records = new Map<number, string>()
  for (const { text } of linesOf(join(folder, 'records.jsonl'))) {
    const record = parseRecord(text)
    if (record !== undefined && wanted.has(record.index)) records.set(record.index, recordLine(record))
  }
  const missing = [...wanted].filter(index => !records.has(index))
  if (missing.length === 0) return records
  throw new RobustlyError('usage', `${printable(folder)} holds no record of sample ${missing.join(', ')}`, {
    hint: 'Name samples by their position in the data, as the report and records.jsonl do.',
  })
}

/** The traces that a run holds, by the position of their samples in the data set. Throws `run-unreadable` for a damaged one. */
export function readTraces(folder: string): Map<number, SampleTrace> {
  const traces = new Map<number, SampleTrace>()
  for (const name of namesIn(join(folder, subfolder))) {
    const path = join(folder, subfolder, name)
    try {
      if (statSync(path).size > largest) throw new RangeError(`it is larger than ${largest} bytes`)
      const { format: _, ...trace } = traceSchema.parse(JSON.parse(readFileSync(path, 'utf8')))
      traces.set(trace.index, trace)
    } catch (cause) {
      throw new RobustlyError('run-unreadable', `${printable(path)} is no trace of a sample`, {
        hint: 'Remove it, or make it again with robustly replay RUN --trace.',
        cause,
      })
    }
  }
  return traces
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).filter(name => /^\d+\.json$/.test(name))
  } catch {
    return []
  }
}
