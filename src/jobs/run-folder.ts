/**
 * A run folder: what was asked for (`run.json`), one line per sample (`records.jsonl`), times, and at the end `result.json`.
 * It can be killed at any moment: a torn last line is dropped on resume, everything else is written beside and renamed.
 * When the run is complete its records are sorted, so that the bytes do not depend on the order in which they came.
 */
import {
  closeSync,
  existsSync,
  fdatasync,
  ftruncateSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmdirSync,
  rmSync,
  statSync,
} from 'node:fs'
import { join, resolve } from 'node:path'
import { z } from 'zod'
import type { Prepared } from '../attacks/prepare.js'
import { RobustlyError } from '../errors.js'
import type { DecisionCost } from '../evaluate/costs.js'
import type { SampleRecord } from '../evaluate/record.js'
import { printable } from '../printable.js'
import { noUsage, type Usage } from '../runtime/http/usage.js'
import { appendText, makeFolder, replaceFile, replaceText, unwritable, writeAll } from './files.js'
import { lockFolder } from './lock.js'
import { type Manifest, mismatch, readManifest } from './manifest.js'
import { linesOf, parseRecord, recordLine } from './records.js'

export interface RunFolder {
  readonly path: string
  readonly manifest: Manifest
  /** Whether the sample has a record. */
  has(index: number): boolean
  readonly recorded: number
  /** Writes a record, unless the sample has one already: then nothing happens and the answer is false. */
  append(record: SampleRecord): boolean
  /** Records in the order of their samples; one is in memory at a time. */
  records(): Generator<SampleRecord>
  /** Wall seconds by attack that earlier sittings of this run have spent. */
  readonly earlierSeconds: ReadonlyMap<string, number>
  saveSeconds(seconds: ReadonlyMap<string, number>): void
  /** The rows that were evaluated once for the whole run, by attack. */
  preparations(): ReadonlyMap<string, Prepared['queries']>
  savePreparations(queries: ReadonlyMap<string, Prepared['queries']>): void
  /** What earlier sittings have used of an endpoint. */
  readonly earlierUsage: Usage
  saveUsage(usage: Usage): void
  /** Adds a line to the query log of an endpoint. */
  appendCost(cost: DecisionCost): void
  /** Sorts the records, which makes the folder independent of the order in which they came. */
  sort(): void
  writeResult(text: string): void
  /** Closes files and gives the lock back. */
  close(): void
  /** Closes, and removes the folder when this program made it just now. */
  discard(): void
}

const names = {
  manifest: 'run.json',
  records: 'records.jsonl',
  seconds: 'times.json',
  result: 'result.json',
  usage: 'usage.json',
  preparations: 'preparations.json',
  costs: 'queries.jsonl',
} as const

const count = z.int().min(0)

/** Records are flushed to the disk itself this often. */
const flushMilliseconds = 1000

/**
 * Opens a folder for a run: a new one, or with `resume` one that holds the same run. Throws `usage` for a folder that is in
 * use already, `run-mismatch` when it holds another run, `run-locked`, `run-unreadable`, `output-unwritable`.
 */
export function openRunFolder(folder: string, wanted: Manifest, options: { readonly resume: boolean }): RunFolder {
  const path = resolve(folder)
  const made = prepare(path, options.resume)
  const unlock = lockFolder(path)
  try {
    const manifest = existsSync(join(path, names.manifest)) ? resumed(path, wanted) : started(path, wanted)
    return open(path, manifest, { unlock, made })
  } catch (error) {
    unlock()
    if (made) removeEmpty(path)
    throw error
  }
}

/** `runs/2025-01-31T12-00-00Z-model`, with a number behind it where that is taken. */
export function defaultRunFolder(model: string, now: Date): string {
  const time = now
    .toISOString()
    .replace(/\.\d+Z$/, 'Z')
    .replaceAll(':', '-')
  const name = model
    .replace(/\.onnx$/i, '')
    .replace(/[^\w.-]+/g, '_')
    .slice(0, 60)
  for (let count = 1; ; count++) {
    const path = join('runs', `${time}-${name}${count === 1 ? '' : `-${count}`}`)
    if (!existsSync(path)) return path
  }
}

/** Makes sure that the folder exists and may be used. Says whether it was made or was empty. */
function prepare(path: string, resume: boolean): boolean {
  if (existsSync(path) && !statSync(path).isDirectory()) {
    throw new RobustlyError('output-unwritable', `the run folder ${printable(path)} is a file`, {
      hint: 'Choose another folder with --run.',
    })
  }
  try {
    makeFolder(path)
    if (readdirSync(path).every(name => name.startsWith('lock'))) return true
  } catch (error) {
    throw unwritable(path, error)
  }
  if (existsSync(join(path, names.manifest)) && resume) return false
  if (existsSync(join(path, names.manifest))) {
    throw new RobustlyError('usage', `the folder ${printable(path)} holds a run already`, {
      hint: 'Add --resume to continue it, or choose another folder with --run.',
    })
  }
  throw new RobustlyError('usage', `the folder ${printable(path)} is not empty and holds no run`, {
    hint: 'Choose a new folder with --run.',
  })
}

function started(path: string, manifest: Manifest): Manifest {
  replaceText(join(path, names.manifest), `${JSON.stringify(manifest, null, 2)}\n`)
  return manifest
}

function resumed(path: string, wanted: Manifest): Manifest {
  const manifest = readManifest(path)
  const different = mismatch(manifest.spec, wanted.spec)
  const [before, now] = [manifest.tool.version, wanted.tool.version]
  if (before !== now) different.push(`it was made by robustly ${printable(before, 40)}, this is ${now}`)
  if (different.length > 0) {
    throw new RobustlyError('run-mismatch', `${printable(path)} holds another run: ${different.join('; ')}`, {
      hint: 'Give the same options as before, or choose another folder with --run.',
    })
  }
  return manifest
}

interface Held {
  readonly unlock: () => void
  readonly made: boolean
}

function open(path: string, manifest: Manifest, { unlock, made }: Held): RunFolder {
  const recordsPath = join(path, names.records)
  const [first, end] = manifest.spec.data.range
  // Where each record lies: all that grows with the number of samples.
  const offsets = new Float64Array(end - first).fill(-1)
  const lengths = new Uint32Array(end - first)
  const { size: kept, recorded: before } = restore(recordsPath, first, { offsets, lengths })
  const file = openForAppend(recordsPath)
  let size = kept
  let recorded = before
  let flushed = Date.now()
  let open = true

  const close = () => {
    if (!open) return
    open = false
    closeSync(file)
    unlock()
  }
  const has = (index: number) => (offsets[index - first] ?? -1) >= 0
  return {
    path,
    manifest,
    has,
    get recorded() {
      return recorded
    },
    append(record) {
      const at = record.index - first
      if (at < 0 || at >= offsets.length) throw new RangeError(`record ${record.index} is outside of the run`)
      if (has(record.index)) return false
      const bytes = Buffer.from(recordLine(record))
      appendOrUndo(file, { bytes, size, path: recordsPath })
      offsets[at] = size
      lengths[at] = bytes.length
      size += bytes.length
      recorded++
      if (Date.now() - flushed > flushMilliseconds) {
        flushed = Date.now()
        fdatasync(file, () => {}) // a failing disk shows at the next write
      }
      return true
    },
    *records() {
      for (const text of textsInOrder(recordsPath, offsets, lengths)) {
        const record = parseRecord(text.toString('utf8'))
        if (record === undefined) throw damaged(path)
        yield record
      }
    },
    earlierSeconds: readSeconds(join(path, names.seconds)),
    saveSeconds(seconds) {
      replaceText(join(path, names.seconds), `${JSON.stringify(Object.fromEntries(seconds))}\n`)
    },
    preparations: () => new Map(Object.entries(readCounts(join(path, names.preparations), preparationsSchema, {}))),
    savePreparations(queries) {
      replaceText(join(path, names.preparations), `${JSON.stringify(Object.fromEntries(queries))}\n`)
    },
    earlierUsage: readCounts(join(path, names.usage), usageSchema, noUsage),
    saveUsage: usage => replaceText(join(path, names.usage), `${JSON.stringify(usage)}\n`),
    appendCost: cost => appendText(join(path, names.costs), `${JSON.stringify(cost)}\n`),
    sort() {
      if (isSorted(offsets)) return
      replaceFile(recordsPath, write => {
        for (const bytes of textsInOrder(recordsPath, offsets, lengths)) write(bytes)
      })
      let next = 0
      offsets.forEach((offset, at) => {
        if (offset < 0) return
        offsets[at] = next
        next += lengths[at]!
      })
    },
    writeResult: text => replaceText(join(path, names.result), text),
    close,
    discard() {
      close()
      if (!made) return
      for (const name of Object.values(names)) rmSync(join(path, name), { force: true })
      for (const name of readdirSync(path)) if (name.endsWith('.npy')) rmSync(join(path, name), { force: true })
      removeEmpty(path)
    },
  }
}

interface Index {
  readonly offsets: Float64Array
  readonly lengths: Uint32Array
}

/**
 * Reads what a run left behind. Kept is the first record of each sample that has a verdict; samples without one are tried
 * again. When anything else is in the file, it is written anew. A result of before is no longer true and is removed.
 */
function restore(path: string, first: number, { offsets, lengths }: Index): { size: number; recorded: number } {
  rmSync(join(path, '..', names.result), { force: true })
  if (!existsSync(path)) return { size: 0, recorded: 0 }
  const total = statSync(path).size
  let size = 0
  let recorded = 0
  for (const { offset, length, text } of linesOf(path)) {
    const record = parseRecord(text)
    const at = (record?.index ?? -1) - first
    if (record === undefined || record.verdict === 'unknown' || !(offsets[at]! < 0)) continue
    offsets[at] = offset
    lengths[at] = length
    size += length
    recorded++
  }
  if (size !== total) {
    const order = inFileOrder(offsets)
    replaceFile(path, write => {
      for (const bytes of texts(path, order, { offsets, lengths })) write(bytes)
    })
    let next = 0
    for (const at of order) {
      offsets[at] = next
      next += lengths[at]!
    }
  }
  return { size, recorded }
}

function openForAppend(path: string): number {
  try {
    return openSync(path, 'a')
  } catch (error) {
    throw unwritable(path, error)
  }
}

/** A line is in the file completely or not at all. */
function appendOrUndo(file: number, { bytes, size, path }: { bytes: Uint8Array; size: number; path: string }): void {
  try {
    writeAll(file, bytes)
  } catch (error) {
    ftruncateSync(file, size)
    throw unwritable(path, error)
  }
}

function inFileOrder(offsets: Float64Array): Uint32Array {
  const present = Uint32Array.from(offsets.keys()).filter(at => offsets[at]! >= 0)
  return present.sort((a, b) => offsets[a]! - offsets[b]!)
}

function isSorted(offsets: Float64Array): boolean {
  let last = -1
  return offsets.every(offset => {
    if (offset < 0) return true
    const rises = offset > last
    last = offset
    return rises
  })
}

function textsInOrder(path: string, offsets: Float64Array, lengths: Uint32Array): Generator<Buffer> {
  const order = Uint32Array.from(offsets.keys()).filter(at => offsets[at]! >= 0)
  return texts(path, order, { offsets, lengths })
}

/** Lines of the file, newline included, one in memory at a time. */
function* texts(path: string, order: Uint32Array, { offsets, lengths }: Index): Generator<Buffer> {
  if (order.length === 0) return
  const file = openSync(path, 'r')
  try {
    for (const at of order) {
      const bytes = Buffer.alloc(lengths[at]!)
      for (let done = 0; done < bytes.length; ) {
        const read = readSync(file, bytes, done, bytes.length - done, offsets[at]! + done)
        if (read === 0) throw damaged(path)
        done += read
      }
      yield bytes
    }
  } finally {
    closeSync(file)
  }
}

function readSeconds(path: string): ReadonlyMap<string, number> {
  try {
    const entries = Object.entries(JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>)
    return new Map(entries.filter((entry): entry is [string, number] => Number.isFinite(entry[1])))
  } catch {
    return new Map() // only times: a run without them is as good
  }
}

const usageSchema = z.object({
  ...{ requests: count, rows: count, retries: count, errors: count, bytesSent: count, bytesReceived: count },
  latencies: z.record(z.string(), count),
})

const preparationsSchema = z.record(z.string(), z.object({ forward: count, gradient: count }))

/** Unlike times these count: a budget must hold over all sittings. Throws `run-unreadable`. */
function readCounts<Counts>(path: string, schema: z.ZodType<Counts>, none: Counts): Counts {
  if (!existsSync(path)) return none
  try {
    return schema.parse(JSON.parse(readFileSync(path, 'utf8')))
  } catch {
    throw new RobustlyError('run-unreadable', `${printable(path)} does not hold the counts of this run`, {
      hint: 'Start a new run, or remove the file to count from nothing.',
    })
  }
}

function damaged(path: string): RobustlyError {
  return new RobustlyError('run-unreadable', `the records of ${printable(path)} were changed while they were read`)
}

function removeEmpty(path: string): void {
  try {
    rmdirSync(path)
  } catch {
    // Not empty: it stays.
  }
}
