/** Runs for tests of the report, made up of records without a model: as many samples, and such names, as a test asks for. */
import { startDistances } from '../../src/evaluate/distances.js'
import { rate } from '../../src/evaluate/metrics.js'
import type { SampleRecord } from '../../src/evaluate/record.js'
import { randomStream } from '../../src/random.js'
import { attackFacts } from '../../src/report/html/attack-facts.js'
import { integers, startColumns } from '../../src/report/html/columns.js'
import type { RunData, Trace } from '../../src/report/html/document.js'
import { embeddedShape, encodeSample, frameOf } from '../../src/report/html/gallery.js'
import { embeddedTrace } from '../../src/report/html/traces.js'
import type { Result } from '../../src/report/schema.js'

interface Wishes {
  readonly count: number
  readonly name?: string
  /** For the names of everything that has one. */
  readonly text?: string
  readonly classNames?: readonly string[]
  readonly attacks?: readonly string[]
  readonly mode?: 'cascade' | 'individual'
  readonly norm?: 'Linf' | 'L2'
  readonly kind?: 'image' | 'features'
  readonly warnings?: readonly string[]
  readonly withGallery?: boolean
  readonly seed?: number
}

const epsilon = 0.1
const classes = 10

/** About half of the samples are broken by the first attack, a quarter by the second, one in twenty is misclassified. */
export function madeUpRun(wishes: Wishes): RunData {
  const { count, kind = 'image', mode = 'cascade', attacks = ['fgsm', 'apgd-ce'], withGallery = true } = wishes
  const random = randomStream(wishes.seed ?? 1, 0, 'made-up run')
  const columns = startColumns(attacks)
  const shape = kind === 'image' ? [1, 28, 28] : [12]
  const frame = frameOf(kind, shape, { layout: 'CHW', range: [0, 1] })
  const { norm = 'Linf' } = wishes
  const distances = startDistances({
    attacks: attacks.map(name => ({ name, options: {} })),
    mode,
    threat: { norm, epsilon, epsilonText: String(epsilon), box: [0, 1] },
  })
  const rows: number[] = []
  const samples: string[] = []
  const pool = Array.from({ length: 40 }, () => {
    const clean = Float32Array.from({ length: shape.reduce((a, b) => a * b) }, () => random.uniform())
    const point = clean.map((value, at) => (at % 3 === 0 ? value + 0.1 * random.uniform() - 0.05 : value))
    return encodeSample(frame, point, clean)
  })
  const tally = { correct: 0, robust: 0, broken: attacks.map(() => 0), attempted: attacks.map(() => 0) }
  for (let index = 0; index < count; index++) {
    const record = recordOf({ index, attacks, mode, next: () => random.uniform() })
    columns.add(record)
    distances.add(record)
    if (record.prediction === record.label) tally.correct++
    if (record.verdict === 'robust') tally.robust++
    record.attempts.forEach(({ attack, status }) => {
      const at = attacks.indexOf(attack)
      tally.attempted[at]!++
      if (status === 'hit') tally.broken[at]!++
    })
    if (record.attack === null || !withGallery) continue
    rows.push(index)
    samples.push(pool[index % pool.length]!)
  }
  const found = distances.result()
  const result: Result = {
    ...resultOf(wishes, attacks, tally),
    ...(found && { distances: plain({ ...found, bound: 'upper' }) }),
  }
  const gallery = {
    kind,
    shape: embeddedShape(frame),
    shrunk: frame.shrink,
    range: frame.range,
    featureNames: null,
    rows: integers(rows),
    available: rows.length,
    withoutOriginals: null,
    traces: rows.map((_, at) => (at === 0 ? madeUpTrace(attacks) : null)),
  }
  const document = {
    name: wishes.name ?? 'made-up',
    created: '2026-01-31T12:00:00.000Z',
    result,
    command: `robustly evaluate ${result.model.file} --data ${result.data.file} --epsilon ${epsilon}`,
    replay: 'robustly replay made-up',
    classNames: wishes.classNames ?? null,
    attacks: attackFacts(result),
    records: columns.result(),
    gallery: rows.length === 0 ? null : gallery,
  }
  return { document, samples }
}

/** A search that nears the boundary; only the last attack takes it across. */
function madeUpTrace(attacks: readonly string[]): Trace {
  const length = 600
  const falling = (from: number, to: number) =>
    Array.from({ length }, (_, at) => from + ((to - from) * at) / (length - 1) + 0.2 * Math.sin(at))
  const traced = attacks.map((attack, at) => ({
    attack,
    margin: falling(5, at === attacks.length - 1 ? -1 : 2),
    loss: at === 0 ? falling(0, 0).map(() => null) : falling(0.1, 3),
    distance: falling(0, epsilon).map(value => Math.min(epsilon, Math.abs(value))),
  }))
  return embeddedTrace({ reproduced: true, attacks: traced }, attacks)
}

/** A readonly value as the writable one that schemas infer. */
function plain(value: unknown): NonNullable<Result['distances']> {
  return JSON.parse(JSON.stringify(value)) as NonNullable<Result['distances']>
}

interface RecordParts {
  readonly index: number
  readonly attacks: readonly string[]
  readonly mode: 'cascade' | 'individual'
  readonly next: () => number
}

function recordOf({ index, attacks, mode, next }: RecordParts): SampleRecord {
  const label = index % classes
  const blank = { index, label, adversarial: null, error: null, distance: null, adversarialPrediction: null }
  const other = (label + 1 + Math.floor(next() * (classes - 1))) % classes
  if (next() < 0.05) {
    return { ...blank, prediction: other, verdict: 'broken', attack: null, distance: 0, margin: -next(), attempts: [] }
  }
  const attempts: SampleRecord['attempts'][number][] = []
  let attack: string | null = null
  for (const name of attacks) {
    if (attack !== null && mode === 'cascade') break
    const hit = next() < 0.5
    const queries = { forward: 1 + Math.floor(next() * 20), gradient: Math.floor(next() * 100) }
    const distance = hit ? epsilon * (0.2 + 0.8 * next()) : null
    attempts.push({ attack: name, status: hit ? 'hit' : 'exhausted', queries, zeroGradients: 0, distance })
    if (hit) attack ??= name
  }
  if (attack === null) return { ...blank, prediction: label, verdict: 'robust', attack, margin: 5 * next(), attempts }
  const distance = Math.min(...attempts.map(({ distance }) => distance ?? Number.POSITIVE_INFINITY))
  const found = { attack, distance, margin: -next(), adversarialPrediction: other }
  return { ...blank, prediction: label, verdict: 'broken', ...found, attempts }
}

interface Counts {
  readonly correct: number
  readonly robust: number
  readonly broken: readonly number[]
  readonly attempted: readonly number[]
}

function resultOf(wishes: Wishes, attacks: readonly string[], { correct, robust, broken, attempted }: Counts): Result {
  const { count, text = 'made-up', kind = 'image' } = wishes
  const rateOf = (good: number) => {
    const { interval, ...rest } = rate(good, count)
    return { ...rest, interval: [...interval] as [number, number] }
  }
  return {
    schemaVersion: 1,
    tool: { name: 'robustly', version: '0.1.0' },
    runtime: { onnxruntime: '1.30.0', engine: 'native', provider: 'cpu', node: '20.20.2' },
    model: {
      file: `${text}.onnx`,
      sha256: 'a'.repeat(64),
      parameters: 12_345,
      classes,
      inputShape: kind === 'image' ? [1, 28, 28] : [12],
      notes: [text],
    },
    data: {
      file: text,
      sha256: 'b'.repeat(64),
      range: [0, count],
      count,
      mean: null,
      std: null,
      layout: 'NCHW',
      decoder: null,
    },
    threat: { norm: wishes.norm ?? 'Linf', epsilon: String(epsilon), epsilonValue: epsilon, box: [0, 1] },
    suite: 'custom',
    mode: wishes.mode ?? 'cascade',
    seed: 0,
    accuracy: { standard: rateOf(correct), robust: rateOf(robust), certified: null },
    unknown: 0,
    attacks: attacks.map((name, at) => ({
      name,
      options: {},
      attempted: attempted[at]!,
      broken: broken[at]!,
      failed: 0,
      robustAfter: attempted[at]! - broken[at]!,
      queries: { forward: 1000, gradient: 5000 },
      seconds: 1.5,
    })),
    diagnostics: [],
    warnings: [...(wishes.warnings ?? [])],
  }
}
