/**
 * How long each suite takes at most on this machine: what one query costs on the model at hand, times the queries that the suite's
 * attacks make of a model that never gives in. No attack knows a formula for these: each is run on one sample against a stand-in
 * that answers at once, and its queries are counted.
 */
import type { Answer, GradientReply } from '../attacks/attack.js'
import { attacks } from '../attacks/index.js'
import type { BatchModel } from '../model/batch-model.js'
import { compile, prepareModel } from '../model/compile.js'
import type { DataSpace } from '../model/data-space.js'
import { queryModel } from '../model/score-source.js'
import { scoresOf } from '../onnx/passes/scores.js'
import { randomStream } from '../random.js'
import { secondsPerRun } from '../runtime/calibrate.js'
import type { Engine } from '../runtime/engine.js'
import type { ModelFile } from '../runtime/files.js'
import { thisMachine } from '../runtime/machine.js'
import type { Shape } from '../tensor/tensor.js'
import type { NormName } from '../threat/norm.js'
import { norms, type ThreatModel } from '../threat/threat.js'
import { randomSample } from './compare.js'
import type { InspectedModel } from './facts.js'
import type { PlannedAttack } from './spec.js'
import { planAttacks, suites } from './suite.js'
import { openVerifier } from './verify.js'

export interface SuiteTime {
  readonly suite: string
  readonly norm: NormName
  /** Of one sample that no attack breaks. */
  readonly queries: QueryCounts
  /** Of the model's answers for `samples` samples, all of which are robust; the attacks' own steps come on top. */
  readonly seconds: number
}

interface QueryCounts {
  readonly forward: number
  readonly gradient: number
}

export interface SuiteTimes {
  readonly samples: number
  readonly processes: number
  /** Of one sample in a batch, one thread; null for models without gradient. */
  readonly secondsPerQuery: { readonly forward: number; readonly gradient: number | null }
  readonly suites: readonly SuiteTime[]
}

const samples = 1000

/** Usual sizes of a perturbation: what an attack asks depends on them little or not at all. */
const epsilons: Readonly<Record<NormName, number>> = { Linf: 8 / 255, L2: 0.5, L1: 12, L0: 10 }

/** Multiply-adds of a batch, so that one measurement takes less than a second or so. */
const batchBudget = 5e8
const largestBatch = 32
/** Seconds that are measured for each kind of query. */
const measured = 0.1

/** Of this process, so that whatever else is running does not count. */
function cpuSeconds(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6
}

/** Runs the model in batches. Throws what compiling and running it throws. */
export async function suiteTimes(
  engine: Engine,
  file: ModelFile,
  space: DataSpace,
  { missing, blackBox, multiplyAdds, classes, randomised = false }: InspectedModel,
): Promise<SuiteTimes> {
  const hasGradient = blackBox === undefined && missing.size === 0
  const batch = Math.max(1, Math.min(largestBatch, Math.floor(batchBudget / (multiplyAdds ?? batchBudget / 16))))
  const plans = plansFor({ hasGradient, randomised, onlyLabels: scoresOf(file.graph).labels !== undefined })
  const asked = hasGradient ? gradientModel : queriedModel
  const { forward, gradient } = await asked(engine, file, space, { batch, classes, plans })
  const { cores: processes } = thisMachine()
  const known = new Map<string, QueryCounts>()
  const timeOf = ({ suite, norm, attacks }: Plan): SuiteTime => {
    const queries = { forward: 0, gradient: 0 }
    for (const planned of attacks) {
      const key = JSON.stringify([planned, norm])
      const own = known.get(key) ?? queriesOf(planned, norm, space.sampleShape, classes)
      known.set(key, own)
      queries.forward += own.forward
      queries.gradient += own.gradient
    }
    const perSample = queries.forward * forward + queries.gradient * (gradient ?? 0)
    return { suite, norm, queries, seconds: (perSample * samples) / processes }
  }
  return { samples, processes, secondsPerQuery: { forward, gradient }, suites: plans.map(timeOf) }
}

interface Plan {
  readonly suite: string
  readonly norm: NormName
  readonly attacks: readonly PlannedAttack[]
}

/** The suites that apply to a model, by norm. */
function plansFor(model: {
  readonly hasGradient: boolean
  readonly randomised: boolean
  readonly onlyLabels: boolean
}): Plan[] {
  const plans: Plan[] = []
  for (const [suite, { attacks: all, needsSurrogates, byNorm }] of suites) {
    const accesses = new Set(all.map(({ name }) => attacks.get(name)!.access))
    const fits = !accesses.has('gradients') || (model.hasGradient && (suite === 'rand') === model.randomised)
    if (needsSurrogates || !fits || (model.onlyLabels && accesses.has('scores'))) continue
    for (const norm of Object.keys(norms) as NormName[]) {
      const usable = all.filter(({ name }) => attacks.get(name)!.norms.includes(norm))
      if (usable.length === 0 || (!byNorm && usable.length < all.length)) continue
      plans.push({ suite, norm, attacks: planAttacks(usable, norm) })
    }
  }
  return plans
}

interface Asked {
  readonly batch: number
  readonly classes: number
  readonly plans: readonly Plan[]
}

type QuerySeconds = SuiteTimes['secondsPerQuery']

async function gradientModel(engine: Engine, file: ModelFile, space: DataSpace, asked: Asked): Promise<QuerySeconds> {
  const { batch, classes, plans } = asked
  const names = plans.flatMap(plan => plan.attacks.flatMap(({ name }) => attacks.get(name)!.losses(classes)))
  const losses = [...new Set(names)]
  await using model = await compile(prepareModel(file, space), engine, { batch, threads: 1, losses })
  const { forward } = await secondsOf(model, space)
  const rows = Array.from({ length: batch }, () => ({ loss: 'cross-entropy', label: 0 }) as const)
  return { forward, gradient: (await secondsPerRun(() => model.gradients(rows), measured, cpuSeconds)) / batch }
}

async function queriedModel(
  engine: Engine,
  file: ModelFile,
  space: DataSpace,
  { batch }: Asked,
): Promise<QuerySeconds> {
  await using verifier = await openVerifier(engine, file, space, { threads: 1, rows: batch })
  return await secondsOf(await queryModel(verifier, { ...space, batch }), space)
}

async function secondsOf(model: BatchModel, { sampleShape }: DataSpace): Promise<QuerySeconds> {
  const { batch, features, inputs } = model
  for (let row = 0; row < batch; row++) inputs.set(randomSample(sampleShape, row), row * features)
  await model.scores() // opens the session, which is no part of a query
  return { forward: (await secondsPerRun(() => model.scores(), measured, cpuSeconds)) / batch, gradient: null }
}

/** Of the stand-in's samples: how many queries there are hardly depends on their size. */
const longestSide = 8
/** Two numbers of classes from which larger ones follow: queries are constant in it, or so many for each class. */
const [few, some] = [10, 20]

/** What an attack asks about one sample at most. */
function queriesOf(planned: PlannedAttack, norm: NormName, sampleShape: Shape, classes: number): QueryCounts {
  const shape = sampleShape.map(dim => Math.min(dim, longestSide))
  if (classes <= some) return driven(planned, norm, shape, classes)
  const [low, high] = [driven(planned, norm, shape, few), driven(planned, norm, shape, some)]
  const extended = (kind: keyof QueryCounts) => low[kind] + ((high[kind] - low[kind]) * (classes - few)) / (some - few)
  return { forward: extended('forward'), gradient: extended('gradient') }
}

/** Runs an attack on a stand-in that says the label everywhere within twice epsilon. */
function driven({ name, options }: PlannedAttack, norm: NormName, shape: Shape, classes: number): QueryCounts {
  const attack = attacks.get(name)!
  const input = randomSample(shape, 0)
  const epsilon = Math.min(epsilons[norm], input.length / 2)
  const threat: ThreatModel = { norm: norms[norm], epsilon, epsilonText: `${epsilon}`, box: { low: 0, high: 1 } }
  const gradient = randomSample(shape, 1).map(value => value - 0.5)
  const answer = (point: Float32Array): GradientReply => {
    const past = threat.norm.distance(point, input) / (2 * epsilon) - 1
    const logits = new Float32Array(classes).fill(-2)
    logits[0] = 0
    logits[1] = past
    return { label: past > 0 ? 1 : 0, logits, loss: past, gradient: gradient.slice() }
  }
  const random = (restart: number) => randomStream(0, 0, name, restart)
  const steps = attack.search({ index: 0, input, shape, label: 0, classes }, threat, options, random)
  const queries = { forward: 0, gradient: 0 }
  for (let answers: Answer = []; ; ) {
    const step = steps.next(answers)
    if (step.done) return queries
    const { ask, points } = step.value
    queries[ask === 'gradients' ? 'gradient' : 'forward'] += points.length
    answers = points.map(answer)
  }
}
