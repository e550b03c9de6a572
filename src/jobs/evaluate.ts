/**
 * Evaluates a model: look at data and model, choose how to run, attack in worker processes, count the records, write the
 * result. The result depends on model, data, threat, attacks and seed, and on nothing of how it was run.
 */
import { basename, join, resolve } from 'node:path'
import type { Prepared } from '../attacks/prepare.js'
import { type Dataset, openDataset } from '../data/dataset.js'
import { writeNpy } from '../data/npz-write.js'
import { RobustlyError } from '../errors.js'
import { startDistances } from '../evaluate/distances.js'
import type { InspectedModel } from '../evaluate/facts.js'
import { startTally } from '../evaluate/metrics.js'
import { findingsInWords } from '../evaluate/preflight.js'
import { preparedAttacks } from '../evaluate/preparation.js'
import { type QueryCounts, queriesOf } from '../evaluate/query-counts.js'
import type { SampleRecord } from '../evaluate/record.js'
import type { EvaluationSpec } from '../evaluate/spec.js'
import { suites } from '../evaluate/suite.js'
import type { ModelFacts, WorkerPlan } from '../evaluate/worker-api.js'
import { printable } from '../printable.js'
import { buildResult } from '../report/result.js'
import type { Result } from '../report/schema.js'
import type { Client } from '../runtime/channel.js'
import { withoutRows } from '../runtime/http/access.js'
import { addUsage, type Usage } from '../runtime/http/usage.js'
import { float32, type Shape } from '../tensor/tensor.js'
import { cleanGate } from './clean-gate.js'
import { type Chosen, chooseRun, limitsFor, type Resources } from './plan-run.js'
import { planEvaluation, type Question, spaceIn, specOf, surrogatesOf } from './question.js'
import { defaultRunFolder, openRunFolder, type RunFolder } from './run-folder.js'
import type { Service } from './service.js'
import { supervise } from './supervisor.js'
import { tool } from './version.js'
import { type WorkerLimits, type WorkerProtocol, withWorker } from './worker-protocol.js'

export interface EvaluateOptions extends Omit<Question, 'tells'>, Resources {
  /** The endpoint under evaluation, in place of a model file. */
  readonly service?: Service | undefined
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

/** A model as its result describes it. */
type Described = ModelFacts & { readonly file: string; readonly sha256: string }

export type EvaluationEvent =
  | { readonly kind: 'inspected'; readonly model: Described; readonly spec: EvaluationSpec; readonly data: string }
  | { readonly kind: 'started'; readonly folder: string; readonly done: number; readonly total: number }
  | {
      readonly kind: 'chosen'
      readonly chosen: Chosen
      readonly samples: number
      /** What the model's answers take when no attack breaks a sample: attacks' own steps come on top. undefined: not measured. */
      mostSeconds(): number | undefined
    }
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
    const { service } = options
    // What an endpoint tells may turn out only when it is asked; what can be wrong before is found before.
    planEvaluation({ ...options, tells: service && (service.mapping.kind ?? 'scores') }, dataset)
    const limits = limitsFor(1, options)
    return await withWorker('scout', { ...limits, signal: options.signal }, async scout => {
      const endpoint =
        service && (await scout.call('endpoint', endpointRequest(service, options), limitsFor(1, options)))
      const model = endpoint ?? (await scout.call('facts', factsRequest(options), limits))
      const plan = planEvaluation({ ...options, tells: endpoint?.endpoint.kind }, dataset)
      const surrogateModels: string[] = []
      for (const { model: path, ...own } of surrogatesOf(options)) {
        const request = factsRequest({ ...options, ...own, model: path })
        const asked = scout.call('facts', request, { silenceSeconds: limits.silenceSeconds })
        surrogateModels.push(checkedSurrogate(model, await asked.catch(error => refuseSurrogate(path, error))))
      }
      const hashes = { model: model.sha256, surrogateModels, data: await dataset.hash() }
      const spec = specOf(options, plan, hashes, model)
      emit({ kind: 'inspected', model, spec, data: dataset.name })
      const subject = { spec, model, usage: endpoint?.usage, dataset, emit }
      return await intoFolder(options, subject, async (missing, folder) => {
        const chosen = await chooseRun(spec, { resources: options, samples: missing, scout })
        const perSample = () => queriesOfAll(spec, dataset.sampleShape, model.classes)
        emit({ kind: 'chosen', chosen, samples: missing, mostSeconds: () => secondsOf(chosen, missing, perSample) })
        const plan = await prepareAttacks(chosen.plan, { ...subject, folder, scout, limits })
        scout.worker.kill()
        return { ...chosen, plan }
      })
    })
  } finally {
    await dataset.close()
  }
}

function queriesOfAll({ attacks, threat }: EvaluationSpec, sampleShape: Shape, classes: number): QueryCounts {
  const all = attacks.map(planned => queriesOf(planned, threat.norm, sampleShape, classes))
  const sumOf = (kind: keyof QueryCounts) => all.reduce((sum, queries) => sum + queries[kind], 0)
  return { forward: sumOf('forward'), gradient: sumOf('gradient') }
}

function secondsOf({ secondsPerQuery, processes }: Chosen, samples: number, queries: () => QueryCounts) {
  if (secondsPerQuery === undefined) return undefined
  const { forward, gradient } = queries()
  return (samples * (forward * secondsPerQuery.forward + gradient * secondsPerQuery.gradient)) / processes
}

function endpointRequest(service: Service, options: EvaluateOptions) {
  return { ...service, data: { path: resolve(options.data), space: spaceIn(options) }, engine: options.engine }
}

function factsRequest(options: EvaluateOptions) {
  const { model, data, engine, allowHardlinks, surrogateGradients } = options
  const samples = { path: resolve(data), space: spaceIn(options) }
  return { model: resolve(model), data: samples, engine, allowHardlinks, surrogates: surrogateGradients }
}

/** The hash of a surrogate that can be attacked and knows the model's classes. Throws `config` and `model-unsupported`. */
function checkedSurrogate(model: Described, { file, sha256, classes, missing }: InspectedModel): string {
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

/** What is wrong, as of the surrogate: in its own words it is of "the model". */
function refuseSurrogate(path: string, error: unknown): never {
  if (!(error instanceof RobustlyError)) throw error
  const { code, message, hint, cause } = error
  throw new RobustlyError(code, `surrogate ${printable(basename(path))}: ${message}`, { ...(hint && { hint }), cause })
}

interface Preparing extends Subject {
  readonly folder: RunFolder
  readonly scout: Client<WorkerProtocol>
  readonly limits: WorkerLimits
}

/** The plan with what attacks find once for the whole run, in the scout; it is kept beside the records to be looked at. */
async function prepareAttacks(plan: WorkerPlan, context: Preparing): Promise<WorkerPlan> {
  const { spec, dataset, emit, folder, scout, limits } = context
  const prepared = new Map<string, Float32Array>()
  const counts = new Map<string, Prepared['queries']>()
  for (const attack of preparedAttacks(spec)) {
    emit({ kind: 'notice', text: `preparing ${attack}` })
    const request = { spec, attack, plan }
    const { values, queries } = await scout.call('prepare', request, { ...limits, onProgress: () => {} })
    await writeNpy(join(folder.path, `${attack}.npy`), float32(values, dataset.sampleShape))
    prepared.set(attack, values)
    counts.set(attack, queries)
  }
  if (prepared.size === 0) return plan
  folder.savePreparations(counts)
  return { ...plan, prepared }
}

interface Subject {
  readonly spec: EvaluationSpec
  readonly model: Described
  /** What has been used of an endpoint before the run. */
  readonly usage: Usage | undefined
  readonly dataset: Dataset
  readonly emit: (event: EvaluationEvent) => void
}

/** Opens the run folder, fills it and writes the result. A new folder of a run that came to nothing is removed. */
async function intoFolder(
  options: EvaluateOptions,
  subject: Subject,
  choose: (missing: number, folder: RunFolder) => Promise<Chosen>,
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
    const result = finish(folder, subject, watch)
    folder.close()
    return { result, folder: folder.path }
  } catch (error) {
    const nothing = error instanceof RobustlyError && (folder.recorded === 0 || watch.refused === error)
    if (watch.usage !== undefined) folder.saveUsage(watch.usage)
    if (nothing) folder.discard()
    else {
      folder.saveSeconds(watch.seconds)
      folder.close()
    }
    throw watch.refused === error ? await explained(error as RobustlyError, options) : error
  }
}

/** The refusal of a model at chance with what would mend it, where that can be found. */
async function explained(refused: RobustlyError, options: EvaluateOptions): Promise<RobustlyError> {
  if (options.service !== undefined) return refused
  const { signal } = options
  const limits = limitsFor(1, options)
  const request = { ...factsRequest(options), check: true }
  const data = await withWorker('preflight', { ...limits, signal }, client => client.call('facts', request, limits))
    .then(facts => facts.data)
    .catch(() => undefined)
  const [found] = data === undefined ? [] : findingsInWords(data)
  if (found === undefined) return refused
  return new RobustlyError(refused.code, refused.message, {
    hint: `It seems that ${found}. To go on as it is: --force.`,
  })
}

interface Filling extends Subject {
  readonly options: EvaluateOptions
  readonly watch: Watch
  readonly choose: (missing: number, folder: RunFolder) => Promise<Chosen>
}

async function fill(folder: RunFolder, { spec, dataset, emit, options, watch, choose }: Filling): Promise<void> {
  const [start, end] = spec.data.range
  const missing = end - start - folder.recorded
  const chosen = await choose(missing, folder)
  const planNow = () => planWithin(chosen.plan, watch.usage)
  if (planNow().access?.maxQueries === 0) throw budgetSpent(chosen.plan)
  await supervise({
    spec,
    ...chosen,
    planNow,
    cost: folder.appendCost,
    used: watch.used,
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

/** The plan with what is left of the query budget. */
function planWithin(plan: WorkerPlan, usage: Usage | undefined): WorkerPlan {
  return plan.access === undefined ? plan : { ...plan, access: withoutRows(plan.access, usage?.rows ?? 0) }
}

function budgetSpent({ access }: WorkerPlan): RobustlyError {
  return new RobustlyError('budget-spent', `the query budget of ${access?.maxQueries} rows is spent`, {
    hint: 'Continue with --resume and a larger --query-budget: it counts all rows of a run.',
  })
}

interface Watch {
  readonly take: (record: SampleRecord) => void
  readonly spent: (seconds: ReadonlyMap<string, number>) => void
  readonly seconds: ReadonlyMap<string, number>
  readonly used: (usage: Usage) => void
  /** Of an endpoint, in all sittings. */
  readonly usage: Usage | undefined
  readonly refused: RobustlyError | undefined
}

const saveMilliseconds = 5000
/** A budget must hold over sittings, whatever ends them. */
const saveUsageMilliseconds = 500

/** Sees every record of a run: the ones that are there, and the ones that come. Writes, counts, and stops what is pointless. */
function watchRun(folder: RunFolder, { force }: EvaluateOptions, { spec, model, usage: before, emit }: Subject): Watch {
  const [start, end] = spec.data.range
  const gate = cleanGate(spec.data.range, model.classes)
  const counts = { done: 0, correct: 0, robust: 0, doneNow: 0, queriesNow: 0 }
  const seconds = new Map(folder.earlierSeconds)
  let usage = before && addUsage(folder.earlierUsage, before)
  let saved = Date.now()
  let savedUsage = 0
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
    used(more) {
      usage = addUsage(usage ?? folder.earlierUsage, more)
      if (Date.now() - savedUsage < saveUsageMilliseconds) return
      savedUsage = Date.now()
      folder.saveUsage(usage)
    },
    get usage() {
      return usage
    },
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
function finish(folder: RunFolder, { spec, model, dataset }: Subject, { seconds, usage }: Watch): Result {
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
    distances: distances.result(),
    facts: model,
    names: { model: model.file, data: dataset.name },
    decoder: dataset.decoder,
    suiteIsComplete: suites.get(spec.suite)?.complete ?? false,
    tool,
    node: process.versions.node,
    seconds,
    preparations: folder.preparations(),
    usage,
  })
  folder.saveSeconds(seconds)
  if (usage !== undefined) folder.saveUsage(usage)
  folder.writeResult(`${JSON.stringify(result, null, 2)}\n`)
  return result
}
