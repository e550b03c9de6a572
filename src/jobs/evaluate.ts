/**
 * Evaluates a model: look at data and model, choose how to run, attack in worker processes, count the records, write the
 * result. The result depends on model, data, threat, attacks and seed, and on nothing of how it was run.
 */
import { resolve } from 'node:path'
import { type Dataset, openDataset } from '../data/dataset.js'
import { RobustlyError } from '../errors.js'
import { startDistances } from '../evaluate/distances.js'
import type { InspectedModel } from '../evaluate/facts.js'
import { startTally } from '../evaluate/metrics.js'
import type { SampleRecord } from '../evaluate/record.js'
import type { EvaluationSpec } from '../evaluate/spec.js'
import { suites } from '../evaluate/suite.js'
import { printable } from '../printable.js'
import { buildResult } from '../report/result.js'
import type { Result } from '../report/schema.js'
import { cleanGate } from './clean-gate.js'
import { type Chosen, chooseRun, limitsFor, type Resources } from './plan-run.js'
import { planEvaluation, type Question, specOf } from './question.js'
import { defaultRunFolder, openRunFolder, type RunFolder } from './run-folder.js'
import { supervise } from './supervisor.js'
import { tool } from './version.js'
import { withWorker } from './worker-protocol.js'

export interface EvaluateOptions extends Question, Resources {
  /** Run folder; default: a new one below `runs/`. */
  readonly run?: string | undefined
  /** Continue the run in the folder. */
  readonly resume?: boolean | undefined
  /** Go on although the model is no better than guessing. */
  readonly force?: boolean | undefined
  readonly onEvent?: ((event: EvaluationEvent) => void) | undefined
  /** Aborting ends the evaluation with the signal's reason; the run can be resumed. */
  readonly signal?: AbortSignal | undefined
}

export interface Progress {
  readonly done: number
  readonly total: number
  /** Of the samples that are done. */
  readonly correct: number
  readonly robust: number
  /** Samples done and rows evaluated in this sitting, for a resumed run knows nothing of the time before. */
  readonly doneNow: number
  readonly queriesNow: number
}

export type EvaluationEvent =
  | { readonly kind: 'inspected'; readonly model: InspectedModel; readonly spec: EvaluationSpec; readonly data: string }
  | { readonly kind: 'started'; readonly folder: string; readonly done: number; readonly total: number }
  | { readonly kind: 'chosen'; readonly chosen: Chosen; readonly samples: number; readonly attacks: number }
  | { readonly kind: 'progress'; readonly progress: Progress }
  | { readonly kind: 'notice'; readonly text: string }
  /** A worker process has done its work: its seconds inside ONNX Runtime, and all of them. */
  | { readonly kind: 'finished'; readonly runtimeSeconds: number; readonly wallSeconds: number }

export interface Evaluation {
  readonly result: Result
  /** Absolute path of the run folder. */
  readonly folder: string
}

/**
 * Throws RobustlyError: `config` and `usage` for options, `model-…` and `data-…` for what cannot be evaluated, `run-…` for the
 * folder, `worker-lost`, `memory-limit` and `time-limit` when no worker lives, `output-unwritable`.
 */
export async function evaluate(options: EvaluateOptions): Promise<Evaluation> {
  const emit = options.onEvent ?? (() => {})
  const dataset = await openDataset(resolve(options.data))
  try {
    const plan = planEvaluation(options, dataset)
    const limits = limitsFor(1, options)
    return await withWorker('scout', { ...limits, signal: options.signal }, async scout => {
      const model = await scout.call('facts', factsRequest(options), { silenceSeconds: limits.silenceSeconds })
      const surrogateModels: string[] = []
      for (const path of options.surrogateModels ?? []) {
        const request = { ...factsRequest(options), model: resolve(path) }
        surrogateModels.push(
          checkedSurrogate(model, await scout.call('facts', request, { silenceSeconds: limits.silenceSeconds })),
        )
      }
      const hashes = { model: model.sha256, surrogateModels, data: await dataset.hash() }
      const spec = specOf(options, plan, hashes, model)
      emit({ kind: 'inspected', model, spec, data: dataset.name })
      return await intoFolder(options, { spec, model, dataset, emit }, async missing => {
        const chosen = await chooseRun(spec, { resources: options, samples: missing, scout })
        scout.worker.kill()
        emit({ kind: 'chosen', chosen, samples: missing, attacks: spec.attacks.length })
        return chosen
      })
    })
  } finally {
    await dataset.close()
  }
}

function factsRequest({ model, data, space, engine, allowHardlinks, surrogateGradients }: EvaluateOptions) {
  const samples = { path: resolve(data), space: space ?? {} }
  return { model: resolve(model), data: samples, engine, allowHardlinks, surrogates: surrogateGradients }
}

/** The hash of a surrogate that can be attacked and knows the model's classes. Throws `config` and `model-unsupported`. */
function checkedSurrogate(model: InspectedModel, { file, sha256, classes, missing }: InspectedModel): string {
  if (classes !== model.classes) {
    throw new RobustlyError(
      'config',
      `the surrogate ${printable(file)} has ${classes} classes, the model has ${model.classes}`,
      { hint: 'Choose surrogates that were trained for the same classes in the same order.' },
    )
  }
  if (missing.size > 0) {
    throw new RobustlyError(
      'model-unsupported',
      `the surrogate ${printable(file)} has no gradient: ${printable([...missing.keys()].join(', '))}`,
      { hint: 'Choose a differentiable surrogate, such as a small network trained on the same data.' },
    )
  }
  return sha256
}

interface Subject {
  readonly spec: EvaluationSpec
  readonly model: InspectedModel
  readonly dataset: Dataset
  readonly emit: (event: EvaluationEvent) => void
}

/** Opens the run folder, fills it and writes the result. A new folder of a run that came to nothing is removed. */
async function intoFolder(
  options: EvaluateOptions,
  subject: Subject,
  choose: (missing: number) => Promise<Chosen>,
): Promise<Evaluation> {
  const { spec, model } = subject
  const path = options.run ?? defaultRunFolder(model.file, new Date())
  const manifest = { format: 1, tool, created: new Date().toISOString(), spec } as const
  const folder = openRunFolder(path, manifest, { resume: options.resume ?? false })
  const [start, end] = spec.data.range
  const watch = watchRun(folder, options, subject)
  try {
    subject.emit({ kind: 'started', folder: folder.path, done: folder.recorded, total: end - start })
    if (folder.recorded < end - start) await fill(folder, { ...subject, options, watch, choose })
    const result = finish(folder, subject, watch.seconds)
    folder.close()
    return { result, folder: folder.path }
  } catch (error) {
    const nothing = error instanceof RobustlyError && (folder.recorded === 0 || watch.refused === error)
    if (nothing) folder.discard()
    else {
      folder.saveSeconds(watch.seconds)
      folder.close()
    }
    throw error
  }
}

interface Filling extends Subject {
  readonly options: EvaluateOptions
  readonly watch: Watch
  readonly choose: (missing: number) => Promise<Chosen>
}

async function fill(folder: RunFolder, { spec, dataset, emit, options, watch, choose }: Filling): Promise<void> {
  const [start, end] = spec.data.range
  const missing = end - start - folder.recorded
  const chosen = await choose(missing)
  await supervise({
    spec,
    ...chosen,
    samples: missing,
    missing: missingOf(folder, spec.data.range),
    record: watch.take,
    givenUp: async (index, error) =>
      watch.take(withoutVerdict(index, (await dataset.read(index, index + 1)).labels[0]!, error)),
    spent: watch.spent,
    notice: text => emit({ kind: 'notice', text }),
    finished: time => emit({ kind: 'finished', ...time }),
    signal: options.signal,
  })
}

interface Watch {
  readonly take: (record: SampleRecord) => void
  readonly spent: (seconds: ReadonlyMap<string, number>) => void
  readonly seconds: ReadonlyMap<string, number>
  readonly refused: RobustlyError | undefined
}

const saveMilliseconds = 5000

/** Sees every record of a run: the ones that are there, and the ones that come. Writes, counts, and stops what is pointless. */
function watchRun(folder: RunFolder, { force }: EvaluateOptions, { spec, model, emit }: Subject): Watch {
  const [start, end] = spec.data.range
  const gate = cleanGate(spec.data.range, model.classes)
  const counts = { done: 0, correct: 0, robust: 0, doneNow: 0, queriesNow: 0 }
  const seconds = new Map(folder.earlierSeconds)
  let saved = Date.now()
  let refused: RobustlyError | undefined

  const count = (record: SampleRecord) => {
    counts.done++
    if (record.prediction === record.label) counts.correct++
    if (record.verdict === 'robust') counts.robust++
    return gate(record)
  }
  for (const record of folder.records()) count(record)
  return {
    take(record) {
      if (!folder.append(record)) return
      counts.doneNow++
      for (const { queries } of record.attempts) counts.queriesNow += queries.forward + queries.gradient
      const error = count(record)
      if (error !== undefined && !force) {
        refused = error
        throw error
      }
      emit({ kind: 'progress', progress: { total: end - start, ...counts } })
    },
    spent(more) {
      for (const [attack, time] of more) seconds.set(attack, (seconds.get(attack) ?? 0) + time)
      if (Date.now() - saved < saveMilliseconds) return
      saved = Date.now()
      folder.saveSeconds(seconds)
    },
    seconds,
    get refused() {
      return refused
    },
  }
}

function* missingOf(folder: RunFolder, [start, end]: readonly [number, number]): Generator<[number, number]> {
  for (let at = start; at < end; at++) {
    if (folder.has(at)) continue
    const first = at
    while (at < end && !folder.has(at)) at++
    yield [first, at]
  }
}

function withoutVerdict(index: number, label: number, error: string): SampleRecord {
  return {
    index,
    label,
    prediction: -1,
    verdict: 'unknown',
    attack: null,
    distance: null,
    margin: null,
    adversarialPrediction: null,
    attempts: [],
    adversarial: null,
    error,
  }
}

/** Sorts the records and counts them; the numbers come from the file. */
function finish(folder: RunFolder, { spec, model, dataset }: Subject, seconds: ReadonlyMap<string, number>): Result {
  folder.sort()
  const tally = startTally(spec)
  const distances = startDistances(spec)
  for (const record of folder.records()) {
    tally.add(record)
    distances.add(record)
  }
  const result = buildResult({
    spec,
    tally: tally.result(),
    facts: model,
    names: { model: model.file, data: dataset.name },
    decoder: dataset.decoder,
    suiteIsComplete: suites.get(spec.suite)?.complete ?? false,
    tool,
    node: process.versions.node,
    seconds,
  })
  folder.saveSeconds(seconds)
  folder.writeResult(`${JSON.stringify(result, null, 2)}\n`)
  return result
}
    distances: distances.result(),
