/** Numbers that sections show, from the columns of a run. Nothing here knows of the page. */
import { type PairedDifference, pairedDifference } from '../../src/evaluate/paired.js'
import { code, type Records, type Run } from './report.js'

/** What became of a sample. */
export type Fate = 'standing' | 'broken' | 'misclassified' | 'unknown'

export function fateOf(records: Records, row: number): Fate {
  const verdict = records.verdict[row]
  if (verdict === code.verdict.robust) return 'standing'
  if (verdict === code.verdict.unknown) return 'unknown'
  return records.attack[row]! < 0 ? 'misclassified' : 'broken'
}

export interface ClassCounts {
  readonly label: number
  readonly count: number
  readonly correct: number
  readonly standing: number
  /** What the class is taken for most often under attack; null when it always stands. */
  readonly mistakenFor: { readonly label: number; readonly count: number } | null
}

/** One entry for each class that has samples, by its number. */
export function classCounts(records: Records): ClassCounts[] {
  const classes = new Map<number, { count: number; correct: number; standing: number; mistaken: Map<number, number> }>()
  for (let row = 0; row < records.count; row++) {
    const label = records.label[row]!
    const entry = classes.get(label) ?? { count: 0, correct: 0, standing: 0, mistaken: new Map<number, number>() }
    classes.set(label, entry)
    entry.count++
    if (records.prediction[row] === label) entry.correct++
    if (fateOf(records, row) === 'standing') entry.standing++
    const answer = answerUnderAttack(records, row)
    if (answer !== label && answer >= 0) entry.mistaken.set(answer, (entry.mistaken.get(answer) ?? 0) + 1)
  }
  return [...classes]
    .sort(([a], [b]) => a - b)
    .map(([label, { mistaken, ...counts }]) => {
      const most = [...mistaken].sort(([a, first], [b, second]) => second - first || a - b)[0]
      return { label, ...counts, mistakenFor: most === undefined ? null : { label: most[0], count: most[1] } }
    })
}

/** What the model says of a sample under attack: of its adversarial example, or of the clean sample where none was found; -1: unknown. */
export function answerUnderAttack(records: Records, row: number): number {
  const fate = fateOf(records, row)
  if (fate === 'unknown') return -1
  return fate === 'broken' ? records.adversarialPrediction[row]! : records.prediction[row]!
}

export interface Confusion {
  /** Classes of rows (true) and columns (answered), in this order. */
  readonly labels: readonly number[]
  /** [true][answered], positions in `labels`. */
  readonly counts: readonly (readonly number[])[]
  readonly largestMistake: number
}

export function confusion(records: Records, answer: (row: number) => number): Confusion {
  const seen = new Set<number>()
  for (let row = 0; row < records.count; row++) {
    seen.add(records.label[row]!)
    if (answer(row) >= 0) seen.add(answer(row))
  }
  const labels = [...seen].sort((a, b) => a - b)
  const position = new Map(labels.map((label, at) => [label, at]))
  const counts = labels.map(() => labels.map(() => 0))
  for (let row = 0; row < records.count; row++) {
    const column = position.get(answer(row))
    if (column !== undefined) counts[position.get(records.label[row]!)!]![column]!++
  }
  const mistakes = counts.flatMap((line, at) => line.filter((_, other) => other !== at))
  return { labels, counts, largestMistake: Math.max(0, ...mistakes) }
}

/** A share of samples that still stand, as a step function: it holds from `x` to the next point. */
export interface Step {
  readonly x: number
  readonly share: number
}

/** Share of `count` samples for which nothing of `falls` is at or below x: one step for each different value. */
export function survival(falls: readonly number[], count: number): Step[] {
  const sorted = falls.filter(Number.isFinite).sort((a, b) => a - b)
  const steps: Step[] = [{ x: 0, share: 1 }]
  sorted.forEach((x, at) => {
    const share = 1 - (at + 1) / count
    if (steps.at(-1)!.x === x) steps[steps.length - 1] = { x, share }
    else steps.push({ x, share })
  })
  return steps
}

/** At most so many steps, spread evenly over the share and each of them exact: the eye sees no difference, the file does. */
export function thinned(steps: readonly Step[], most: number): Step[] {
  if (steps.length <= most) return [...steps]
  return Array.from({ length: most }, (_, at) => steps[Math.round((at * (steps.length - 1)) / (most - 1))]!)
}

/** Whether attacks searched the smallest distance, on every sample to the end. */
export function isDistanceRun({ result }: Run): boolean {
  return result.distances !== undefined
}

/** The smallest distance that any attack found for each sample: 0 for a misclassified one, infinity when none was found. */
export function smallestDistances(records: Records): number[] {
  return Array.from({ length: records.count }, (_, row) => {
    if (fateOf(records, row) === 'misclassified') return 0
    const found = records.attempts.map(({ distance }) => distance?.[row] ?? Number.NaN).filter(Number.isFinite)
    return Math.min(Number.POSITIVE_INFINITY, ...found)
  })
}

/** Queries that were spent on each sample until it broke: 0 for a misclassified one, infinity when it did not. */
export function queriesToBreak(records: Records): number[] {
  return Array.from({ length: records.count }, (_, row) => {
    const fate = fateOf(records, row)
    if (fate === 'misclassified') return 0
    if (fate !== 'broken') return Number.POSITIVE_INFINITY
    return queriesOn(records, row)
  })
}

/**
 * Of the samples that an attack tried: the gradients it had asked for when it broke each, infinity when it did not. Of attacks that end
 * with the first point that fools the model.
 */
export function gradientsToBreak({ attempts, count }: Records, attack: number): number[] {
  const { status, gradient } = attempts[attack]!
  return Array.from({ length: count }, (_, row) => row)
    .filter(row => status[row] !== code.status['not-run'])
    .map(row => (status[row] === code.status.hit ? gradient[row]! : Number.POSITIVE_INFINITY))
}

export function queriesOn(records: Records, row: number): number {
  return records.attempts.reduce((sum, { forward, gradient }) => sum + forward[row]! + gradient[row]!, 0)
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** Of a run against another on the samples that both have: how often each alone is right. */
export function paired(first: Run, second: Run, which: 'standard' | 'robust'): PairedDifference | null {
  if (first.records === null || second.records === null) return null
  if (first.result.data.sha256 !== second.result.data.sha256) return null
  const good = ({ label, prediction, verdict }: Records, row: number) =>
    which === 'standard' ? prediction[row] === label[row] : verdict[row] === code.verdict.robust
  const rowOf = new Map(Array.from(first.records.index, (index, row) => [index, row]))
  const counts = { both: 0, onlyFirst: 0, onlySecond: 0, neither: 0 }
  for (let row = 0; row < second.records.count; row++) {
    const other = rowOf.get(second.records.index[row]!)
    if (other === undefined) continue
    const [a, b] = [good(first.records, other), good(second.records, row)]
    counts[a ? (b ? 'both' : 'onlyFirst') : b ? 'onlySecond' : 'neither']++
  }
  return Object.values(counts).every(count => count === 0) ? null : pairedDifference(counts)
}
