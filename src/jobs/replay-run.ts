/** Verifies every broken verdict of a run again, on the original model file. Runs inside a worker process. */
import { join } from 'node:path'
import { openDataset } from '../data/dataset.js'
import { RobustlyError } from '../errors.js'
import { startLedger, watched } from '../evaluate/costs.js'
import { refutedAtMost } from '../evaluate/draws.js'
import { spaceOf, threatFrom } from '../evaluate/evaluator.js'
import { decodeFloats, type SampleRecord } from '../evaluate/record.js'
import type { EvaluationSpec, ModelSpec } from '../evaluate/spec.js'
import { judge, openVerifier } from '../evaluate/verify.js'
import { labelOf, marginOf } from '../model/batch-model.js'
import type { DataSpace } from '../model/data-space.js'
import { openEndpoint } from '../model/endpoint/source.js'
import { ofSample, type ScoreSource } from '../model/score-source.js'
import { type Engine, loadEngine } from '../runtime/engine.js'
import { type ModelFile, readModelFile } from '../runtime/files.js'
import { sizeOf } from '../tensor/tensor.js'
import { contains, regionOf, type ThreatModel } from '../threat/threat.js'
import { readManifest } from './manifest.js'
import { linesOf, parseRecord } from './records.js'
import type { Service } from './service.js'

export interface Refutation {
  readonly index: number
  readonly reason: string
}

export interface ReplayFindings {
  /** Records read; equal to `expected` when the run is complete. */
  readonly records: number
  readonly expected: number
  /** Verdicts 'broken' that hold: adversarial examples, and clean samples that the model misclassifies. */
  readonly confirmedAdversarial: number
  readonly confirmedMisclassified: number
  /** Verdicts 'robust' and 'unknown': nothing that could be shown. */
  readonly withoutProof: number
  readonly refuted: number
  /** The first of them. */
  readonly refutations: readonly Refutation[]
  /** Verdicts 'broken' about which an endpoint gave no answer; the first reason. */
  readonly unanswered?: { readonly count: number; readonly reason: string }
  /** Lines that are no records. */
  readonly damaged: number
  /** How verdicts on a model that draws at random were tested; absent for other models. */
  readonly test?: DrawsTest
}

/**
 * A verdict says that the model is wrong at a point at least half of the time. It is refuted when at most `refutedAtMost` of
 * `draws` new draws are wrong: an exact one-sided binomial test.
 */
export interface DrawsTest {
  readonly draws: number
  readonly refutedAtMost: number
  /** Probability of refuting any verdict of a run in which all of them hold. */
  readonly level: number
}

const replayDraws = 200
const level = 0.01

/** Relative difference of margins that two versions of ONNX Runtime or two processors may show. */
const marginTolerance = 1e-4
const refutationsKept = 20

export interface ReplayRequest {
  readonly folder: string
  /** Path of the model file, whose hash must be the run's. */
  readonly model: string
  /** Path of the data, where they are not at the run's path any more. */
  readonly data?: string | undefined
  readonly engine: 'native' | 'wasm' | undefined
  /** Where the run was made on an endpoint: its address now, and what gets one in. */
  readonly service?: Pick<Service, 'url' | 'access'> | undefined
}

/** Throws `run-unreadable`, `run-mismatch` when model or data are not those of the run, and what reading them throws. */
export async function replayRun(
  { folder, model, data, engine: wanted, service }: ReplayRequest,
  progress: (value: { readonly done: number; readonly total: number }) => void,
): Promise<ReplayFindings> {
  const { spec } = readManifest(folder)
  const dataset = await openDataset(data ?? spec.data.path)
  try {
    checkHash('data', { file: dataset.name, there: await dataset.hash(), expected: spec.data.sha256 })
    const engine = await loadEngine(wanted === undefined ? {} : { require: wanted })
    const space = spaceOf(spec.data.space, dataset)
    await using source = await openOriginal(spec.model, { model, service, engine, space })
    const verifier = watched(source, startLedger())
    const tellsMargins = source.answers !== 'labels'
    const threat = threatFrom(spec.threat)
    const features = sizeOf(dataset.sampleShape)
    const [first, end] = spec.data.range
    const seen = new Uint8Array(end - first)
    const found = { confirmedAdversarial: 0, confirmedMisclassified: 0, withoutProof: 0, refuted: 0, damaged: 0 }
    const test = spec.draws === undefined ? undefined : testFor(end - first)
    const refutations: Refutation[] = []
    let unanswered: ReplayFindings['unanswered']
    let records = 0
    for (const { text } of linesOf(join(folder, 'records.jsonl'))) {
      const record = parseRecord(text)
      const at = (record?.index ?? -1) - first
      if (record === undefined || seen[at] !== 0) {
        found.damaged++
        continue
      }
      seen[at] = 1
      progress({ done: ++records, total: seen.length })
      if (record.verdict !== 'broken') {
        found.withoutProof++
        continue
      }
      const { inputs, labels, bound } = await dataset.read(record.index, record.index + 1)
      verifier.about(record.index, null)
      const truth = {
        verifier: ofSample(verifier, bound),
        tellsMargins,
        threat,
        input: inputs,
        label: labels[0]!,
        features,
        test,
        spec,
      }
      const reason = await refute(record, truth)
      if (verifier.problem !== undefined) {
        unanswered = { count: (unanswered?.count ?? 0) + 1, reason: unanswered?.reason ?? verifier.problem }
      } else if (reason !== undefined) {
        found.refuted++
        if (refutations.length < refutationsKept) refutations.push({ index: record.index, reason })
      } else if (record.attack === null) found.confirmedMisclassified++
      else found.confirmedAdversarial++
    }
    return {
      ...{ records, expected: seen.length, ...found, refutations },
      ...(unanswered !== undefined && { unanswered }),
      ...(test !== undefined && { test }),
    }
  } finally {
    await dataset.close()
  }
}

interface Original {
  readonly model: string
  readonly service: ReplayRequest['service']
  readonly engine: Engine
  readonly space: DataSpace
}

/** The model of the run: the same file, or the endpoint wherever it is now. Throws `run-mismatch` for another file. */
export async function openOriginal(spec: ModelSpec, { model, service, engine, space }: Original): Promise<ScoreSource> {
  if (spec.endpoint !== undefined) {
    if (service === undefined) throw new RobustlyError('internal', 'nothing says how the endpoint may be asked')
    return openEndpoint({ ...spec.endpoint, url: service.url }, { access: service.access, space })
  }
  const file = await readOriginal(spec, model)
  return await openVerifier(engine, file, space, { threads: 1 })
}

/** A model file of the run. Throws `run-mismatch` for another. */
export async function readOriginal(
  { sha256, allowHardlinks = false }: Pick<ModelSpec, 'sha256' | 'allowHardlinks'>,
  path: string,
): Promise<ModelFile> {
  const file = await readModelFile(path, { allowHardlinks })
  checkHash('model', { file: file.file, there: file.sha256, expected: sha256 })
  return file
}

interface Truth {
  readonly verifier: Pick<ScoreSource, 'scores'>
  readonly tellsMargins: boolean
  readonly threat: ThreatModel
  readonly input: Float32Array
  readonly label: number
  readonly features: number
  readonly test: DrawsTest | undefined
  readonly spec: Pick<EvaluationSpec, 'draws'>
}

/** The level is shared among all samples (Bonferroni). */
function testFor(samples: number): DrawsTest {
  return { draws: replayDraws, refutedAtMost: refutedAtMost(replayDraws, level / samples), level }
}

/** Why a broken verdict does not hold; undefined when it does. */
async function refute(record: SampleRecord, truth: Truth): Promise<string | undefined> {
  const { verifier, threat, input, label, features } = truth
  if (record.label !== label) return `its label is ${label}, the record says ${record.label}`
  if (truth.test !== undefined) return refuteByDraws(record, truth, truth.test)
  if (record.attack === null) {
    const scores = await verifier.scores(input)
    const prediction = labelOf(scores)
    if (prediction === label) return 'the model classifies the clean sample correctly'
    return truth.tellsMargins ? differs(record.margin, marginOf(scores, label)) : undefined
  }
  if (record.adversarial === null) return 'the record holds no adversarial example'
  const point = pointOf(record.adversarial)
  if (point?.length !== features) return `the adversarial example does not hold ${features} values`
  const { adversarial, prediction, margin, distance } = await judge(verifier, threat, { input, label }, point)
  if (prediction < 0) return 'the model answers with scores that are not finite'
  if (prediction === label) return 'the model classifies the adversarial example correctly'
  if (!adversarial) return `the adversarial example lies outside of the threat model (distance ${distance})`
  if (prediction !== record.adversarialPrediction) {
    return `the model says class ${prediction}, the record says ${record.adversarialPrediction}`
  }
  return truth.tellsMargins ? differs(record.margin, margin) : undefined
}

/** For models that draw at random: asks anew until the test cannot refute any more. */
async function refuteByDraws(record: SampleRecord, truth: Truth, test: DrawsTest): Promise<string | undefined> {
  const { verifier, threat, input, label, features, spec } = truth
  const { draws = 1 } = spec
  if (record.wrongDraws === undefined || record.wrongDraws > draws || 2 * record.wrongDraws <= draws) {
    return `the record says that ${record.wrongDraws ?? 'none'} of ${draws} draws were wrong, which is no majority`
  }
  let point = input
  if (record.attack !== null) {
    if (record.adversarial === null) return 'the record holds no adversarial example'
    const found = pointOf(record.adversarial)
    if (found?.length !== features) return `the adversarial example does not hold ${features} values`
    if (!contains(threat, regionOf(threat, input), found)) {
      return `the adversarial example lies outside of the threat model (distance ${threat.norm.distance(found, input)})`
    }
    point = found
  }
  let wrong = 0
  for (let draw = 0; draw < test.draws && wrong <= test.refutedAtMost; draw++) {
    const prediction = labelOf(await verifier.scores(point))
    if (prediction < 0) return 'the model answers with scores that are not finite'
    if (prediction !== label) wrong++
  }
  if (wrong > test.refutedAtMost) return undefined
  return `only ${wrong} of ${test.draws} new draws are wrong, where more than ${test.refutedAtMost} were to be expected`
}

function differs(recorded: number | null, margin: number): string | undefined {
  if (recorded !== null && Math.abs(recorded - margin) <= marginTolerance * Math.max(Math.abs(recorded), 1e-3)) {
    return undefined
  }
  return `its margin is ${margin}, the record says ${recorded}`
}

/** The values of an adversarial example, undefined for text that is none. */
export function pointOf(text: string): Float32Array | undefined {
  try {
    return decodeFloats(text)
  } catch {
    return undefined
  }
}

/** Throws `run-mismatch` for another file. */
export function checkHash(
  what: string,
  { file, there, expected }: { file: string; there: string; expected: string },
): void {
  if (there === expected) return
  throw new RobustlyError(
    'run-mismatch',
    `the ${what} ${file} is not the one of the run: its sha256 is ${there.slice(0, 16)}…, the run's is ${expected.slice(0, 16)}…`,
    { hint: `Give the original file with --${what}: a verdict holds for the bytes it was made with.` },
  )
}
