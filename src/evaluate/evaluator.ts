/**
 * Evaluates samples on one loaded model: predict, attack the survivors in turn, verify, record. One scheduler serves every sample
 * and every attack of the cascade, so that samples at different stages share batches.
 */
import { attacks } from '../attacks/index.js'
import { type Outcome, type Search, schedule } from '../attacks/scheduler.js'
import { checkLabels, openDataset } from '../data/dataset.js'
import { RobustlyError } from '../errors.js'
import { type BatchModel, labelOf } from '../model/batch-model.js'
import type { DataSpace } from '../model/data-space.js'
import { ofSample } from '../model/score-source.js'
import { loadEngine } from '../runtime/engine.js'
import { compileConstraints, violationOf } from '../threat/constraints.js'
import { normWith, type ThreatModel } from '../threat/threat.js'
import { startLedger, watched } from './costs.js'
import { vote } from './draws.js'
import { type Attempt, encodeFloats, type SampleRecord } from './record.js'
import type { DataSpec, PlannedAttack, ThreatSpec } from './spec.js'
import { openTarget } from './target.js'
import { judge } from './verify.js'
import type { Evaluator, EvaluatorOptions, WorkerPlan } from './worker-api.js'

/** Milliseconds between reports of the time spent: each crosses to another process, which costs as much as some queries. */
const reportEvery = 200

const notFinite = 'the model answered with scores that are not finite'

/** A sample on its way through the attacks. */
interface Journey {
  readonly index: number
  readonly input: Float32Array
  readonly bound: Float32Array | undefined
  readonly label: number
  readonly prediction: number
  readonly surrogatePrediction: number | undefined
  /** Margin of the clean sample. */
  readonly margin: number
  readonly wrongDraws: number | undefined
  readonly attempts: Attempt[]
  /** The nearest verified adversarial example so far. */
  best: Found | undefined
  /** Why a point of the current search could not be verified. */
  doubt: string | undefined
  error: string | null
}

interface Found {
  readonly attack: string
  readonly point: Float32Array
  readonly distance: number
  readonly margin: number
  readonly wrongDraws: number | undefined
  readonly prediction: number
}

export function threatFrom(spec: ThreatSpec): ThreatModel {
  const [low, high] = spec.box ?? [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY]
  const constraints = spec.constraints && compileConstraints(spec.constraints)
  const { norm, epsilon, epsilonText } = spec
  return { norm: normWith(norm, epsilon, constraints), epsilon, epsilonText, box: { low, high }, constraints }
}

/** Why no change of a sample is defined: it is not valid itself. */
function outsideOf({ box, constraints }: ThreatModel, input: Float32Array): string | undefined {
  const [low, high] = [box.low as number, box.high as number]
  if (!input.every(value => value >= low && value <= high)) {
    return `the sample itself lies outside of the box [${low}, ${high}]; --box says which values are valid`
  }
  const violated = constraints && violationOf(constraints, input)
  return violated && `the sample itself violates the constraints: ${violated}`
}

export function spaceOf(
  spec: DataSpec['space'],
  data: Pick<DataSpace, 'sampleShape' | 'bound'> & { layout: DataSpace['dataLayout'] },
): DataSpace {
  return {
    sampleShape: data.sampleShape,
    dataLayout: data.layout,
    modelLayout: spec.layout,
    scale: spec.scale,
    channels: spec.channels,
    mean: spec.mean,
    std: spec.std,
    bound: data.bound,
  }
}

export async function openEvaluator(options: EvaluatorOptions): Promise<Evaluator> {
  const opened: (() => Promise<void>)[] = []
  const close = async () => {
    for (const release of opened.splice(0).reverse()) await release()
  }
  try {
    return await evaluatorOver(options, opened, close)
  } catch (error) {
    await close()
    throw error
  }
}

async function evaluatorOver(
  options: EvaluatorOptions,
  opened: (() => Promise<void>)[],
  release: () => Promise<void>,
): Promise<Evaluator> {
  const { spec, plan, open = openTarget } = options
  const engine = await loadEngine(plan.engine === undefined ? {} : { require: plan.engine })
  const dataset = await openDataset(spec.data.path)
  opened.push(() => dataset.close())
  const space = spaceOf(spec.data.space, dataset)
  const target = await open(spec, { engine, space, plan })
  opened.push(async () => target[Symbol.asyncDispose]())
  const { verifier, model, surrogate } = target
  const ledger = startLedger()
  const asked = watched(verifier, ledger)
  const tellsMargins = verifier.answers !== 'labels'
  const chosen = spec.attacks.map(planned => plannedSearch(planned, plan))
  const threat = threatFrom(spec.threat)
  const { draws = 1 } = spec
  const journeys = new Map<number, Journey>()
  const ready: Journey[] = []
  const ranges: [number, number][] = []
  const seconds = new Map<string, number>()
  let reported = performance.now()
  let closed = false
  let wake = () => {}

  /** Predicts a range with the original model; what is misclassified is recorded at once, the rest waits for attacks. */
  async function prepare(start: number, end: number): Promise<void> {
    const { inputs, labels, bound: all } = await dataset.read(start, end)
    checkLabels(labels, verifier.classes, start)
    const features = inputs.length / (end - start)
    const width = (all?.length ?? 0) / (end - start)
    const surrogateLabels = surrogate === undefined ? undefined : await labelsOf(surrogate, inputs, all)
    for (let i = 0; i < end - start; i++) {
      const input = inputs.slice(i * features, (i + 1) * features)
      const bound = all?.slice(i * width, (i + 1) * width)
      asked.about(start + i, null)
      const clean = await vote(ofSample(asked, bound), input, labels[i], draws)
      putDown(start + i, null)
      const journey: Journey = {
        index: start + i,
        input,
        bound,
        label: labels[i],
        prediction: clean.prediction,
        surrogatePrediction: surrogateLabels?.[i],
        margin: tellsMargins ? clean.margin : Number.NaN,
        wrongDraws: draws > 1 ? clean.wrong : undefined,
        attempts: [],
        best: undefined,
        doubt: undefined,
        error: null,
      }
      if (journey.prediction < 0) options.record(unknown(journey, asked.problem ?? notFinite))
      else if (journey.prediction !== journey.label) options.record(misclassified(journey))
      else {
        const outside = outsideOf(threat, input)
        if (outside === undefined) ready.push(journey)
        else options.record(unknown(journey, outside))
      }
      if (performance.now() - reported > reportEvery) report()
    }
  }

  function putDown(sample: number, attack: string | null): void {
    const cost = ledger.close(sample, attack)
    if (cost !== undefined) options.cost?.(cost)
  }

  function report(): void {
    options.spent(new Map(seconds))
    seconds.clear()
    const usage = verifier.takeUsage?.()
    if (usage !== undefined) options.used?.(usage)
    reported = performance.now()
  }

  function searchFor(journey: Journey): Search | undefined {
    const next = chosen[journey.attempts.length]
    if (next === undefined) return undefined
    const { index, input, bound, label } = journey
    return { ...next, sample: { index, input, bound, label, shape: dataset.sampleShape, classes: verifier.classes } }
  }

  function take(): Search | undefined {
    const journey = ready.shift()
    if (journey === undefined) return undefined
    journeys.set(journey.index, journey)
    return searchFor(journey)
  }

  async function more(): Promise<boolean> {
    while (ready.length === 0) {
      const range = ranges.shift()
      if (range !== undefined) await prepare(...range)
      else if (closed) return false
      else await new Promise<void>(resolve => (wake = resolve))
    }
    return true
  }

  /** What the verifier said of the last misclassified point of a sample's current search. */
  const found = new Map<number, Found>()

  async function judged(search: Search, point: Float32Array): Promise<boolean> {
    const journey = journeys.get(search.sample.index)!
    asked.about(journey.index, search.attack.name)
    const { misclassified, wrong, ...judgement } = await judge(
      ofSample(asked, journey.bound),
      threat,
      journey,
      point,
      draws,
    )
    if (performance.now() - reported > reportEvery) report()
    if (asked.problem !== undefined) journey.doubt = asked.problem
    if (!tellsMargins) judgement.margin = Number.NaN
    const wrongDraws = draws > 1 ? wrong : undefined
    if (misclassified)
      found.set(journey.index, { ...judgement, attack: search.attack.name, point: point.slice(), wrongDraws })
    return judgement.adversarial
  }

  function decided(search: Search, outcome: Outcome): Search | undefined {
    const journey = journeys.get(search.sample.index)!
    const last = found.get(journey.index)
    found.delete(journey.index)
    const hit = outcome.status === 'hit' ? last : undefined
    const doubt = outcome.status === 'exhausted' ? journey.doubt : undefined
    journey.doubt = undefined
    putDown(journey.index, search.attack.name)
    journey.attempts.push({
      attack: search.attack.name,
      status: doubt === undefined ? outcome.status : 'error',
      queries: { ...outcome.queries },
      zeroGradients: outcome.zeroGradients,
      transfer: outcome.transfer,
      distance: (search.attack.kind === 'minimum' ? last : hit)?.distance ?? null,
    })
    if (hit !== undefined && (journey.best === undefined || hit.distance < journey.best.distance)) journey.best = hit
    journey.error = outcome.error ?? doubt ?? journey.error
    const goesOn = spec.mode === 'individual' || (journey.best === undefined && journey.error === null)
    const next = goesOn ? searchFor(journey) : undefined
    if (next !== undefined) return next
    journeys.delete(journey.index)
    options.record(recordOf(journey))
    return undefined
  }

  return {
    add(start, end) {
      ranges.push([start, end])
      wake()
    },
    close() {
      closed = true
      wake()
    },
    async run() {
      await schedule({
        model,
        surrogate,
        threat,
        seed: spec.seed,
        stop: spec.mode === 'cascade' ? 'decided' : 'budget',
        take,
        more,
        judge: judged,
        decided,
        observed: options.observed,
        answered: ({ sample, attack }, account) => ledger.add(sample.index, attack.name, account),
        spent(attack, time) {
          seconds.set(attack, (seconds.get(attack) ?? 0) + time)
        },
        async batchDone() {
          if (performance.now() - reported > reportEvery) report()
          if (ready.length < model.batch && ranges.length > 0) await prepare(...ranges.shift()!)
        },
      })
      report()
    },
    get runtimeSeconds() {
      return target.runtimeSeconds
    },
    [Symbol.asyncDispose]: release,
  }
}

/** What the model says of samples laid one after the other. */
async function labelsOf(model: BatchModel, samples: Float32Array, bound: Float32Array | undefined): Promise<number[]> {
  const { batch, features, classes, inputs } = model
  const width = model.bound === undefined ? 0 : model.bound.length / batch
  const labels: number[] = []
  for (let at = 0; at < samples.length; at += batch * features) {
    const part = samples.subarray(at, at + batch * features)
    inputs.set(part)
    const rows = part.length / features
    const first = at / features
    if (bound !== undefined) model.bound?.set(bound.subarray(first * width, (first + rows) * width))
    const scores = await model.scores(rows)
    for (let row = 0; row < rows; row++) labels.push(labelOf(scores, row * classes, (row + 1) * classes))
  }
  return labels
}

function plannedSearch(planned: PlannedAttack, { prepared }: WorkerPlan): Omit<Search, 'sample'> {
  const attack = attacks.get(planned.name)
  if (attack === undefined) throw new RobustlyError('config', `there is no attack "${planned.name}"`)
  return { attack, options: planned.options, prepared: prepared?.get(planned.name) }
}

function blank(journey: Journey): SampleRecord {
  const { index, label, prediction, surrogatePrediction, margin, wrongDraws, attempts, error } = journey
  return {
    index,
    label,
    prediction,
    surrogatePrediction,
    verdict: 'robust',
    attack: null,
    distance: null,
    margin,
    wrongDraws,
    adversarialPrediction: null,
    attempts,
    adversarial: null,
    error,
  }
}

function misclassified(journey: Journey): SampleRecord {
  return { ...blank(journey), verdict: 'broken', distance: 0 }
}

function unknown(journey: Journey, error: string): SampleRecord {
  return { ...blank(journey), verdict: 'unknown', margin: null, error }
}

function recordOf(journey: Journey): SampleRecord {
  const { best, error } = journey
  if (best === undefined) return error === null ? blank(journey) : { ...blank(journey), verdict: 'unknown' }
  return {
    ...blank(journey),
    verdict: 'broken',
    attack: best.attack,
    distance: best.distance,
    margin: best.margin,
    wrongDraws: best.wrongDraws,
    adversarialPrediction: best.prediction,
    adversarial: encodeFloats(best.point),
  }
}
