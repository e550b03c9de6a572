/**
 * A finished run as reports need it: result, records as columns, and adversarial examples beside their originals, which
 * are read from the data set. Records pass one at a time; only what the report shows stays in memory.
 */
import { readFileSync, statSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { type Dataset, openDataset } from '../data/dataset.js'
import { saidBehind } from '../data/said.js'
import { RobustlyError } from '../errors.js'
import { decodeFloats, type SampleRecord } from '../evaluate/record.js'
import type { EvaluationSpec } from '../evaluate/spec.js'
import { printable } from '../printable.js'
import { attackFacts } from '../report/html/attack-facts.js'
import { integers, startColumns } from '../report/html/columns.js'
import { commandOf } from '../report/html/command.js'
import type { Gallery, GallerySamples, RunData } from '../report/html/document.js'
import { embeddedShape, embeddedSize, encodeSample, type Frame, frameOf, spread } from '../report/html/gallery.js'
import { embeddedTrace } from '../report/html/traces.js'
import { type Result, resultSchema } from '../report/schema.js'
import { quoted } from '../report/shell.js'
import { fileProblem } from './files.js'
import { type Manifest, readManifest } from './manifest.js'
import { linesOf, parseRecord } from './records.js'
import { readTraces } from './trace.js'

export interface ReadRunOptions {
  /** Path of the data, where they are not at the run's path any more. Default: the run's path, and no originals without it. */
  readonly data?: string | undefined
  /** Adversarial examples to embed. Default: as many as `usualGallery` says. */
  readonly gallery?: number | 'all' | 'none' | undefined
  /** Tell paths of this machine. Default: names only. */
  readonly includePaths?: boolean | undefined
}

/** What is embedded unless another number is asked for: so many examples, in so many characters at most. */
export const usualGallery = { samples: 200, characters: 16_000_000 } as const

/** Throws `run-unreadable` for what is no finished run, and `run-mismatch` or `data-…` when `data` is given and does not fit. */
export async function readRun(folder: string, options: ReadRunOptions = {}): Promise<RunData> {
  const manifest = readManifest(folder)
  const result = readResult(folder)
  const columns = startColumns(result.attacks.map(({ name }) => name))
  const withExample: Place[] = []
  let count = 0
  for (const record of recordsOf(folder)) {
    columns.add(record)
    if (record.adversarial !== null) withExample.push({ row: count, index: record.index })
    count++
  }
  if (count !== result.data.count) {
    throw unreadable(folder, `it holds ${count} records, the result speaks of ${result.data.count}`)
  }
  const shown = options.includePaths ? (path: string) => path : withoutFolder
  const { gallery, samples, classNames } = await galleryOf(folder, { manifest, result, withExample, options })
  const document = {
    name: printable(basename(resolve(folder)), 80),
    created: manifest.created,
    result,
    command: commandOf(manifest.spec, shown),
    replay: `robustly replay ${quoted(printable(options.includePaths ? folder : basename(resolve(folder))))}`,
    classNames: classNames?.map(name => printable(name, 80)) ?? null,
    attacks: attackFacts(result),
    records: columns.result(),
    gallery,
  }
  return { document, samples }
}

/** The last part of a path, with what is said behind it. */
function withoutFolder(path: string): string {
  const [, file = path, said] = saidBehind.exec(path) ?? []
  return said === undefined ? basename(path) : `${basename(file)}:${said}`
}

/** The result of a finished run. Throws `run-unreadable`. */
export function readResult(folder: string): Result {
  const path = join(folder, 'result.json')
  let text = ''
  try {
    statSync(path)
    text = readFileSync(path, 'utf8')
  } catch (error) {
    throw new RobustlyError(
      'run-unreadable',
      `${printable(folder)} holds no result: result.json cannot be read: ${fileProblem(error)}`,
      { hint: 'Finish the run first: "robustly evaluate … --run FOLDER --resume".' },
    )
  }
  try {
    return resultSchema.parse(JSON.parse(text))
  } catch (error) {
    throw unreadable(folder, 'its result.json does not have the published format', error)
  }
}

function unreadable(folder: string, why: string, cause?: unknown): RobustlyError {
  return new RobustlyError('run-unreadable', `${printable(folder)} cannot be reported: ${why}`, {
    hint: 'Run it again with --resume, with the version of robustly that made it.',
    cause,
  })
}

/** The records of a run, one at a time. Throws `run-unreadable` for a line that is none. */
export function* recordsOf(folder: string): Generator<SampleRecord> {
  for (const { text } of linesOf(join(folder, 'records.jsonl'))) {
    const record = parseRecord(text)
    if (record === undefined) throw unreadable(folder, 'a line of records.jsonl is no record')
    yield record
  }
}

interface GalleryParts {
  readonly manifest: Manifest
  readonly result: Result
  /** The records that hold an adversarial example. */
  readonly withExample: readonly Place[]
  readonly options: ReadRunOptions
}

/** Where a sample is: its position in the records and in the data set. */
interface Place {
  readonly row: number
  readonly index: number
}

async function galleryOf(
  folder: string,
  { manifest, result, withExample, options }: GalleryParts,
): Promise<{ gallery: Gallery | null; samples: GallerySamples; classNames: readonly string[] | undefined }> {
  const { dataset, problem } = await openOriginals(manifest.spec, options.data)
  try {
    const classNames = dataset?.classNames
    if (withExample.length === 0 || options.gallery === 'none') return { gallery: null, samples: [], classNames }
    const frame = dataset === undefined ? guessedFrame(result) : frameOfData(dataset, result)
    const number = galleryCount(options.gallery, withExample.length, embeddedSize(frame, dataset !== undefined))
    const traces = readTraces(folder)
    const chosen = new Set(spread(withExample.length, number).map(at => withExample[at]!.row))
    const rows = withExample.filter(({ row, index }) => chosen.has(row) || traces.has(index))
    const names = result.attacks.map(({ name }) => name)
    const gallery: Gallery = {
      kind: frame.kind,
      shape: embeddedShape(frame),
      shrunk: frame.shrink,
      range: frame.range,
      featureNames: dataset?.featureNames?.map(name => printable(name, 80)) ?? null,
      rows: integers(rows.map(({ row }) => row)),
      available: withExample.length,
      withoutOriginals: problem ?? null,
      traces: rows.map(({ index }) => {
        const trace = traces.get(index)
        return trace === undefined ? null : embeddedTrace(trace, names)
      }),
    }
    const wanted = new Set(rows.map(({ index }) => index))
    return { gallery, samples: await samplesOf(folder, { wanted, frame, dataset }), classNames }
  } finally {
    await dataset?.close()
  }
}

/** The data of the run, when they are there and are the ones that were attacked. */
async function openOriginals(
  spec: EvaluationSpec,
  given: string | undefined,
): Promise<{ dataset?: Dataset; problem?: string }> {
  let dataset: Dataset | undefined
  try {
    dataset = await openDataset(given === undefined ? spec.data.path : resolve(given), { verify: false })
    if ((await dataset.hash()) === spec.data.sha256) return { dataset }
    throw new RobustlyError('run-mismatch', `the data ${dataset.name} are not those of the run`, {
      hint: 'Give the data that were attacked with --data, or none: then the report shows no originals.',
    })
  } catch (error) {
    await dataset?.close()
    if (given !== undefined || !(error instanceof RobustlyError)) throw error
    const changed = error.code === 'run-mismatch'
    return {
      problem: changed
        ? 'the data set is not the one that was attacked any more'
        : 'the data set was not found where the run had read it',
    }
  }
}

function frameOfData({ kind, sampleShape, layout }: Dataset, { threat }: Result): Frame {
  return frameOf(kind, sampleShape, { layout: layout ?? 'CHW', range: threat.box ?? [0, 1] })
}

/** Without the data: images in the order of the model, channels first unless it takes them last. */
function guessedFrame({ model, threat }: Result): Frame {
  const shape = model.inputShape
  const channels = shape[0] ?? 0
  const isImage = shape.length === 3 && threat.box !== null && (channels === 1 || channels === 3)
  return frameOf(isImage ? 'image' : 'features', shape, { layout: 'CHW', range: threat.box ?? [0, 1] })
}

/** A page larger than this opens in no browser, and its text fits into no string. */
const largestGallery = 300_000_000

/** How many of the adversarial examples are embedded, of so many characters each. Throws `config` for more than a page can hold. */
export function galleryCount(wanted: ReadRunOptions['gallery'], available: number, characters: number): number {
  if (wanted === 'all' || typeof wanted === 'number') {
    const count = wanted === 'all' ? available : Math.min(wanted, available)
    if (count * characters <= largestGallery) return count
    const [size, most] = [Math.ceil((count * characters) / 1e6), Math.floor(largestGallery / characters)]
    throw new RobustlyError('config', `a gallery of ${count} adversarial examples would take ${size} MB`, {
      hint: `Ask for at most ${most} with --gallery.`,
    })
  }
  const fitting = Math.max(1, Math.floor(usualGallery.characters / characters))
  return Math.min(available, usualGallery.samples, fitting)
}

async function samplesOf(
  folder: string,
  { wanted, frame, dataset }: { wanted: ReadonlySet<number>; frame: Frame; dataset: Dataset | undefined },
): Promise<string[]> {
  const features = frame.shape.reduce((product, size) => product * size, 1)
  const samples: string[] = []
  for (const { index, adversarial } of recordsOf(folder)) {
    if (!wanted.has(index) || adversarial === null) continue
    const point = decodeFloats(adversarial)
    if (point.length !== features)
      throw unreadable(folder, `the adversarial example of sample ${index} has another size`)
    const clean = dataset === undefined ? undefined : (await dataset.read(index, index + 1)).inputs
    samples.push(encodeSample(frame, point, clean))
  }
  return samples
}
