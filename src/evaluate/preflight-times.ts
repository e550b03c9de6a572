/**
 * How long each suite takes at most on this machine: what one query costs on the model at hand, times the queries that the suite's
 * attacks make of a model that never gives in.
 */
import { attacks } from '../attacks/index.js'
import type { BatchModel } from '../model/batch-model.js'
import { compile, prepareModel } from '../model/compile.js'
import type { DataSpace } from '../model/data-space.js'
import { queryModel } from '../model/score-source.js'
import { scoresOf } from '../onnx/passes/scores.js'
import { secondsPerRun } from '../runtime/calibrate.js'
import type { Engine } from '../runtime/engine.js'
import type { ModelFile } from '../runtime/files.js'
import { thisMachine } from '../runtime/machine.js'
import type { NormName } from '../threat/norm.js'
import { norms } from '../threat/threat.js'
import { randomSample } from './compare.js'
import type { InspectedModel } from './facts.js'
import { type QueryCounts, queriesOf } from './query-counts.js'
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

export interface SuiteTimes {
  readonly samples: number
  readonly processes: number
  /** Of one sample in a batch, one thread; null for models without gradient. */
  readonly secondsPerQuery: { readonly forward: number; readonly gradient: number | null }
  readonly suites: readonly SuiteTime[]
}

const samples = 1000

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
