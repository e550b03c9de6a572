/**
 * Numbers from records, and from nothing else: accuracies with confidence intervals, and what each attack did. Records are
 * added one at a time; nothing grows with their number.
 */
import { attacks } from '../attacks/index.js'
import { type Rate, rate } from './rate.js'
import type { Attempt, SampleRecord } from './record.js'
import type { EvaluationSpec } from './spec.js'

export { type Rate, rate }

export interface AttackTally {
  readonly name: string
  /** Samples on which it ran. */
  readonly attempted: number
  /** Samples for which it found a verified adversarial example. */
  readonly broken: number
  /** Samples it left without a verdict, because an answer of the model was not finite. */
  readonly failed: number
  /** attempted - broken - failed */
  readonly robustAfter: number
  readonly queries: { readonly forward: number; readonly gradient: number }
  /** Of an attack on surrogates. */
  readonly transfer: Readonly<TransferTally> | undefined
  /** Samples it broke, without gradients, that every attack with gradients that ran on them had left standing. */
  readonly alone: number
  /** Samples it left standing on which every gradient it was given was zero. */
  readonly blind: number
  /** Samples on which it met no misclassified point at any distance; not counted on surrogates, whose points are tried once. */
  readonly empty: number
}

export interface TransferTally {
  /** Of the surrogates. */
  readonly queries: { forward: number; gradient: number }
  /** Samples on which the surrogates were fooled. */
  fooledSurrogate: number
  /** Samples on which they were, and the model was not. */
  failed: number
}

export interface Tally {
  readonly standard: Rate
  /** A sample without a verdict does not count as robust. */
  readonly robust: Rate
  /** Standard accuracy of the surrogates, where there are any. */
  readonly surrogate: Rate | undefined
  /** In the order of the plan. */
  readonly attacks: readonly AttackTally[]
  /** Samples that at least one attack with gradients broke. */
  readonly byGradients: number
  /** Samples without a verdict. */
  readonly unknown: number
  /** Samples for which the model's answer to the clean input is not known or not finite. */
  readonly unpredicted: number
  /** Why samples have no verdict, most frequent first; at most `reasonsKept` reasons, the rest in one line. */
  readonly reasons: readonly { readonly error: string; readonly count: number }[]
  /** How many different classes the clean samples were given, and have. */
  readonly predictedClasses: number
  readonly labelledClasses: number
}

/** Different texts of errors that are counted one by one. */
const reasonsKept = 5

/** Counts records of one evaluation. `result` throws `data-invalid` when there was none. */
export function startTally(spec: Pick<EvaluationSpec, 'attacks'>): {
  add(record: SampleRecord): void
  result(): Tally
} {
  const counts = {
    all: 0,
    correct: 0,
    robust: 0,
    surrogate: 0,
    surrogateCorrect: 0,
    unknown: 0,
    unpredicted: 0,
    byGradients: 0,
  }
  const tallies = new Map(spec.attacks.map(({ name }) => [name, emptyTally(name)]))
  const reasons = new Map<string, number>()
  const predictions = new Set<number>()
  const labels = new Set<number>()

  const add = (record: SampleRecord) => {
    counts.all++
    labels.add(record.label)
    if (record.prediction < 0) counts.unpredicted++
    else predictions.add(record.prediction)
    if (record.prediction === record.label) counts.correct++
    if (record.surrogatePrediction !== undefined) counts.surrogate++
    if (record.surrogatePrediction === record.label) counts.surrogateCorrect++
    if (record.verdict === 'robust') counts.robust++
    if (record.verdict === 'unknown') {
      counts.unknown++
      countReason(reasons, record.error ?? 'no reason was recorded')
    }
    const left = leftByGradients(record.attempts)
    for (const attempt of record.attempts) {
      const tally = tallies.get(attempt.attack)
      if (tally === undefined) continue
      count(tally, attempt)
      if (left && attempt.status === 'hit') tally.alone++
    }
    if (record.attempts.some(({ attack, status }) => status === 'hit' && usesGradients(attack))) counts.byGradients++
  }
  const result = (): Tally => ({
    standard: rate(counts.correct, counts.all),
    robust: rate(counts.robust, counts.all),
    surrogate: counts.surrogate === 0 ? undefined : rate(counts.surrogateCorrect, counts.surrogate),
    attacks: [...tallies.values()].map(tally => ({
      ...tally,
      robustAfter: tally.attempted - tally.broken - tally.failed,
    })),
    byGradients: counts.byGradients,
    unknown: counts.unknown,
    unpredicted: counts.unpredicted,
    reasons: [...reasons]
      .map(([error, count]) => ({ error, count }))
      .sort((a, b) => b.count - a.count || (a.error < b.error ? -1 : 1)),
    predictedClasses: predictions.size,
    labelledClasses: labels.size,
  })
  return { add, result }
}

interface Counting {
  readonly name: string
  attempted: number
  broken: number
  failed: number
  alone: number
  blind: number
  empty: number
  queries: { forward: number; gradient: number }
  transfer: TransferTally | undefined
}

function usesGradients(attack: string): boolean {
  return attacks.get(attack)?.access === 'gradients'
}

/** Whether attacks with gradients were tried, and all of them failed. */
function leftByGradients(attempts: readonly Attempt[]): boolean {
  const tried = attempts.filter(({ attack }) => usesGradients(attack))
  return tried.length > 0 && tried.every(({ status }) => status === 'exhausted')
}

function emptyTally(name: string): Counting {
  return {
    name,
    attempted: 0,
    broken: 0,
    failed: 0,
    queries: { forward: 0, gradient: 0 },
    transfer: undefined,
    alone: 0,
    blind: 0,
    empty: 0,
  }
}

function count(tally: Counting, { status, queries, transfer, zeroGradients, distance }: Attempt): void {
  tally.attempted++
  if (status === 'hit') tally.broken++
  if (status === 'error') tally.failed++
  tally.queries.forward += queries.forward
  tally.queries.gradient += queries.gradient
  if (transfer !== undefined) {
    tally.transfer ??= { queries: { forward: 0, gradient: 0 }, fooledSurrogate: 0, failed: 0 }
    tally.transfer.queries.forward += transfer.queries.forward
    tally.transfer.queries.gradient += transfer.queries.gradient
    if (transfer.fooledSurrogate) tally.transfer.fooledSurrogate++
    if (transfer.fooledSurrogate && status !== 'hit') tally.transfer.failed++
  }
  const { gradient } = (transfer ?? { queries }).queries
  if (status === 'exhausted' && gradient > 0 && zeroGradients === gradient) tally.blind++
  if (status === 'exhausted' && distance === null && transfer === undefined) tally.empty++
}

/** Records are added in the order of their index, so which texts are kept does not depend on chance. */
function countReason(reasons: Map<string, number>, error: string): void {
  const known = reasons.has(error) || reasons.size < reasonsKept
  const key = known ? error : 'other reasons'
  reasons.set(key, (reasons.get(key) ?? 0) + 1)
}
