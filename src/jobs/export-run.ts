/**
 * Writes the adversarial examples of a run for other programs: as `.npz`, or as PNG of 8 bits. Rounding to 8 bits moves every pixel by
 * up to 1/510, which undoes some examples, so each is shown to the model once more as it was rounded. Runs inside a worker process.
 */
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { encode } from 'fast-png'
import { type Dataset, openDataset } from '../data/dataset.js'
import { writeNpz } from '../data/npz-write.js'
import { RobustlyError } from '../errors.js'
import { spaceOf, threatFrom } from '../evaluate/evaluator.js'
import type { SampleRecord } from '../evaluate/record.js'
import type { EvaluationSpec } from '../evaluate/spec.js'
import { type Judgement, judge } from '../evaluate/verify.js'
import { ofSample, type ScoreSource } from '../model/score-source.js'
import { printable } from '../printable.js'
import { field } from '../report/csv.js'
import { loadEngine } from '../runtime/engine.js'
import { bool, float32, int64, sizeOf } from '../tensor/tensor.js'
import type { ThreatModel } from '../threat/threat.js'
import { replaceText, unwritable } from './files.js'
import { readManifest } from './manifest.js'
import { recordsOf } from './read-run.js'
import { checkHash, openOriginal, pointOf } from './replay-run.js'

export interface ExportRequest {
  readonly folder: string
  /** Path of the model file, whose hash must be the run's. Not used where the run was made on an endpoint. */
  readonly model: string
  readonly data: string
  readonly engine: 'native' | 'wasm' | undefined
  /** A file that ends in `.npz`, or a folder for PNG files, which is made or empty. */
  readonly output: string
}

export interface ExportFindings {
  readonly count: number
  /** Examples that the model misclassifies when rounded, and of these the ones that are no further than epsilon; null: not asked. */
  readonly survived: number | null
  readonly withinEpsilon: number | null
}

interface Example {
  readonly record: SampleRecord
  readonly clean: Float32Array
  readonly point: Float32Array
  /** Of the point rounded to 8 bits; undefined where there is nothing to round to, or an endpoint to ask. */
  readonly rounded: Judgement | undefined
}

/** Bytes of a `.npz` that is held in memory while it is written. */
const largest = 2 ** 31

/** Throws `run-mismatch` for other model or data, `data-unsupported` for what a format cannot hold, `data-invalid` without any example. */
export async function exportRun(
  { folder, model, data, engine: wanted, output }: ExportRequest,
  progress: (value: { readonly done: number; readonly total: number }) => void,
): Promise<ExportFindings> {
  const { spec } = readManifest(folder)
  let count = 0
  for (const { adversarial } of recordsOf(folder)) if (adversarial !== null) count++
  if (count === 0) {
    throw new RobustlyError(
      'data-invalid',
      `${printable(folder)} holds no adversarial example, so there is none to write`,
    )
  }
  const dataset = await openDataset(data)
  try {
    checkHash('data', { file: dataset.name, there: await dataset.hash(), expected: spec.data.sha256 })
    const write = writerFor(output, { dataset, spec, count })
    const threat = threatFrom(spec.threat)
    await using verifier = await openVerifierOf(spec, { model, wanted, dataset })
    const examples = async function* (): AsyncGenerator<Example> {
      let done = 0
      for (const record of recordsOf(folder)) {
        if (record.adversarial === null) continue
        progress({ done: done++, total: count })
        yield await exampleOf(record, { folder, dataset, threat, verifier, draws: spec.draws ?? 1 })
      }
    }
    return await write(examples())
  } finally {
    await dataset.close()
  }
}

/** Pixels of 8 bits mean something for images between 0 and 1; an endpoint is not asked again, for that may cost. */
async function openVerifierOf(
  spec: EvaluationSpec,
  { model, wanted, dataset }: { model: string; wanted: ExportRequest['engine']; dataset: Dataset },
): Promise<ScoreSource | undefined> {
  if (!isPicture(dataset, spec) || spec.model.endpoint !== undefined) return undefined
  const engine = await loadEngine(wanted === undefined ? {} : { require: wanted })
  const space = spaceOf(spec.data.space, dataset)
  return await openOriginal(spec.model, { model, service: undefined, engine, space })
}

interface Around {
  readonly folder: string
  readonly dataset: Dataset
  readonly threat: ThreatModel
  readonly verifier: ScoreSource | undefined
  readonly draws: number
}

async function exampleOf(record: SampleRecord, around: Around): Promise<Example> {
  const { folder, dataset, threat, verifier, draws } = around
  const { inputs: clean, labels, bound } = await dataset.read(record.index, record.index + 1)
  const point = pointOf(record.adversarial!)
  if (point?.length !== clean.length || labels[0] !== record.label) {
    throw new RobustlyError(
      'run-mismatch',
      `the example of sample ${record.index} in ${printable(folder)} does not fit its data`,
    )
  }
  const sample = { input: clean, label: record.label }
  const rounded =
    verifier &&
    (await judge(
      ofSample(verifier, bound),
      threat,
      sample,
      Float32Array.from(eightBits(point), byte => byte / 255),
      draws,
    ))
  return { record, clean, point, rounded }
}

function isPicture({ kind }: Dataset, { threat }: EvaluationSpec): boolean {
  return kind === 'image' && threat.box?.[0] === 0 && threat.box[1] === 1
}

/** Ties go up, as everywhere; values are inside [0, 1]. */
function eightBits(point: Float32Array): Uint8Array {
  return Uint8Array.from(point, value => Math.round(255 * value))
}

type Writer = (examples: AsyncGenerator<Example>) => Promise<ExportFindings>

function writerFor(output: string, parts: { dataset: Dataset; spec: EvaluationSpec; count: number }): Writer {
  const { dataset, spec, count } = parts
  const features = sizeOf(dataset.sampleShape)
  if (output.toLowerCase().endsWith('.npz')) {
    if (count * features * 8 <= largest) return examples => writeArrays(output, examples, { dataset, count })
    throw new RobustlyError('data-unsupported', `${count} examples of ${features} values are too many for one .npz`, {
      hint: 'Write PNG into a folder: -o FOLDER/',
    })
  }
  const { channels } = pictureShape(dataset)
  if (!isPicture(dataset, spec) || (channels !== 1 && channels !== 3)) {
    throw new RobustlyError('data-unsupported', 'only images between 0 and 1, gray or in colour, can be PNG', {
      hint: 'Write numbers: -o adversarial.npz',
    })
  }
  makeEmpty(output)
  return examples => writePictures(output, examples, dataset)
}

function makeEmpty(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true })
    if (readdirSync(folder).length === 0) return
  } catch (error) {
    throw unwritable(folder, error)
  }
  throw new RobustlyError('usage', `${printable(folder)} is not empty`, { hint: 'Name a new folder.' })
}

/** x, adversarial [count, …], y, prediction, index [count], and what became of them when rounded. */
async function writeArrays(
  path: string,
  examples: AsyncGenerator<Example>,
  { dataset, count }: { dataset: Dataset; count: number },
): Promise<ExportFindings> {
  const features = sizeOf(dataset.sampleShape)
  const [x, adversarial] = [new Float32Array(count * features), new Float32Array(count * features)]
  const [y, prediction, index]: number[][] = [[], [], []]
  const tally = startTally()
  for await (const { record, clean, point, rounded } of examples) {
    x.set(clean, index!.length * features)
    adversarial.set(point, index!.length * features)
    y!.push(record.label)
    prediction!.push(record.adversarialPrediction ?? -1)
    index!.push(record.index)
    tally.add(rounded)
  }
  const shape = [count, ...dataset.sampleShape]
  const { survives, within } = tally
  await writeNpz(path, {
    x: float32(x, shape),
    adversarial: float32(adversarial, shape),
    y: int64(y!),
    prediction: int64(prediction!),
    index: int64(index!),
    ...(survives.length > 0 && { survives_rounding: bool(survives), rounded_within_epsilon: bool(within) }),
  })
  return tally.findings()
}

/** One file per example, and `index.csv`, which comes last: without it the folder is not complete. */
async function writePictures(
  folder: string,
  examples: AsyncGenerator<Example>,
  dataset: Dataset,
): Promise<ExportFindings> {
  const { width, height, channels } = pictureShape(dataset)
  const columns = ['file', 'index', 'label', 'prediction', 'attack', 'distance']
  const header = [...columns, 'survives_rounding', 'rounded_prediction', 'rounded_distance', 'rounded_within_epsilon']
  const rows: (string | number)[][] = [header]
  const tally = startTally()
  for await (const { record, point, rounded } of examples) {
    const file = `${String(record.index).padStart(8, '0')}.png`
    const data = interleaved(eightBits(point), dataset.layout === 'HWC' ? 1 : channels)
    try {
      writeFileSync(join(folder, file), encode({ width, height, channels, depth: 8, data }))
    } catch (error) {
      throw unwritable(join(folder, file), error)
    }
    tally.add(rounded)
    const known = [record.adversarialPrediction ?? '', record.attack ?? '', record.distance ?? '']
    const now =
      rounded === undefined
        ? ['', '', '', '']
        : [String(rounded.misclassified), rounded.prediction, rounded.distance, String(rounded.adversarial)]
    rows.push([file, record.index, record.label, ...known, ...now])
  }
  replaceText(join(folder, 'index.csv'), rows.map(row => `${row.map(field).join(',')}\r\n`).join(''))
  return tally.findings()
}

function pictureShape({ sampleShape, layout }: Dataset): { width: number; height: number; channels: number } {
  const [a = 0, b = 0, c = 0] = sampleShape
  return layout === 'HWC' ? { height: a, width: b, channels: c } : { channels: a, height: b, width: c }
}

/** Planes one after the other as pixels; one plane, and pixels already, stay as they are. */
export function interleaved(planes: Uint8Array, channels: number): Uint8Array {
  if (channels === 1) return planes
  const size = planes.length / channels
  return Uint8Array.from(planes, (_, at) => planes[(at % channels) * size + Math.floor(at / channels)]!)
}

function startTally() {
  const survives: boolean[] = []
  const within: boolean[] = []
  let count = 0
  const number = (flags: readonly boolean[]) => (flags.length === 0 ? null : flags.filter(Boolean).length)
  return {
    survives,
    within,
    add(rounded: Judgement | undefined) {
      count++
      if (rounded === undefined) return
      survives.push(rounded.misclassified)
      within.push(rounded.adversarial)
    },
    findings: (): ExportFindings => ({ count, survived: number(survives), withinEpsilon: number(within) }),
  }
}
