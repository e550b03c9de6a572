/** Records as lines of text: one canonical spelling for writing, a checked way back, and line by line reading of files. */
import { closeSync, openSync, readSync } from 'node:fs'
import { z } from 'zod'
import { RobustlyError } from '../errors.js'
import type { SampleRecord } from '../evaluate/record.js'
import { printable } from '../printable.js'

const count = z.int().min(0)
const attempt = z.object({
  attack: z.string(),
  status: z.enum(['hit', 'exhausted', 'error']),
  queries: z.object({ forward: count, gradient: count }),
  zeroGradients: count,
  transfer: z
    .object({ queries: z.object({ forward: count, gradient: count }), fooledSurrogate: z.boolean() })
    .optional(),
  distance: z.number().nullable(),
})
/** The order of the fields is the order in the file. */
const recordSchema = z.object({
  index: count,
  label: z.int(),
  prediction: z.int().min(-1),
  surrogatePrediction: z.int().min(-1).optional(),
  verdict: z.enum(['robust', 'broken', 'unknown']),
  attack: z.string().nullable(),
  distance: z.number().nullable(),
  margin: z.number().nullable(),
  wrongDraws: count.optional(),
  adversarialPrediction: z.int().nullable(),
  attempts: z.array(attempt),
  adversarial: z.string().nullable(),
  error: z.string().nullable(),
})

/** A record as one line, the same bytes whoever wrote it: fields in the order of the schema, no number that JSON cannot hold. */
export function recordLine(record: SampleRecord): string {
  const number = (value: number | null) => (value !== null && Number.isFinite(value) ? value : null)
  const ordered = {
    index: record.index,
    label: record.label,
    prediction: record.prediction,
    surrogatePrediction: record.surrogatePrediction,
    verdict: record.verdict,
    attack: record.attack,
    distance: number(record.distance),
    margin: number(record.margin),
    wrongDraws: record.wrongDraws,
    adversarialPrediction: record.adversarialPrediction,
    attempts: record.attempts.map(({ attack, status, queries, zeroGradients, transfer, distance }) => ({
      attack,
      status,
      queries: { forward: queries.forward, gradient: queries.gradient },
      zeroGradients,
      transfer: transfer && {
        queries: { forward: transfer.queries.forward, gradient: transfer.queries.gradient },
        fooledSurrogate: transfer.fooledSurrogate,
      },
      distance: number(distance),
    })),
    adversarial: record.adversarial,
    error: record.error === null ? null : printable(record.error),
  }
  return `${JSON.stringify(ordered)}\n`
}

/** The record of a line, or undefined when the line is none: torn by a crash, or damaged. */
export function parseRecord(line: string): SampleRecord | undefined {
  try {
    return recordSchema.parse(JSON.parse(line))
  } catch {
    return undefined
  }
}

export interface Line {
  /** In bytes, from the start of the file. */
  readonly offset: number
  /** In bytes, with the newline. */
  readonly length: number
  /** Without the newline. */
  readonly text: string
}

/** Longest line that is read: the record of an input of some 100 million values. */
const longestLine = 2 ** 29

/** Every complete line of a file; the rest after the last newline is left out. Holds one line at a time. */
export function* linesOf(path: string): Generator<Line> {
  const file = openSync(path, 'r')
  try {
    let held: Buffer = Buffer.alloc(0)
    let offset = 0
    const chunk = Buffer.alloc(2 ** 18)
    for (;;) {
      const bytes = readSync(file, chunk, 0, chunk.length, null)
      if (bytes === 0) return
      held = held.length === 0 ? Buffer.from(chunk.subarray(0, bytes)) : Buffer.concat([held, chunk.subarray(0, bytes)])
      let start = 0
      for (let end = held.indexOf(10); end >= 0; end = held.indexOf(10, start)) {
        yield { offset, length: end + 1 - start, text: held.toString('utf8', start, end) }
        offset += end + 1 - start
        start = end + 1
      }
      held = held.subarray(start)
      if (held.length > longestLine) {
        throw new RobustlyError('run-unreadable', `${printable(path)} holds a line of more than ${longestLine} bytes`)
      }
    }
  } finally {
    closeSync(file)
  }
}
