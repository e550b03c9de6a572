/**
 * Whether a result meets a requirement. By the interval: it is met when every value of the 95 % confidence interval meets it, not met
 * when none does, and undecided between, which counts as not met. So a gate neither passes nor fails by the luck of the samples.
 */
import { RobustlyError } from '../../errors.js'
import { differenceInterval, type PairedCounts, pairedDifference } from '../../evaluate/paired.js'
import { exactInterval, samplesNeeded } from '../../evaluate/statistics.js'
import { printable } from '../../printable.js'
import type { Result } from '../schema.js'
import { type ComparisonSign, ofAttack, type Requirement, shownText } from './requirement.js'

export type Decision = Outcome['decidedBy']

/** What came of one requirement, as results hold it. */
export type Outcome = NonNullable<Result['requirements']>[number]
export type Status = Outcome['status']

/** The run that a drop is measured against. */
export interface Baseline {
  readonly result: Result
  /** First the baseline, second the run, by robust verdicts; undefined when one of them tells no verdicts of samples. */
  readonly pairs: PairedCounts | undefined
}

interface Measured {
  readonly value: number
  readonly count: number
  /** The interval that so many samples would give at the same rates; undefined where nothing is estimated. */
  readonly interval?: (count: number) => readonly [number, number]
  readonly pairs?: PairedCounts
}

/** Throws `config` where the result does not tell the metric: what was not measured meets nothing. */
export function decide(requirement: Requirement, result: Result, how: Decision, baseline?: Baseline): Outcome {
  const { value, count, interval, pairs } = measure(requirement, result, baseline)
  const { sign, threshold } = requirement
  const range = interval?.(count) ?? ([value, value] as const)
  const status = how === 'point' ? statusOf([value, value], sign, threshold) : statusOf(range, sign, threshold)
  const needed =
    status === 'undecided' && interval !== undefined
      ? samplesNeeded(count, samples => statusOf(interval(samples), sign, threshold) !== 'undecided')
      : undefined
  const decisive = how === 'point' ? value : range[status === 'not-met' ? best(sign) : 1 - best(sign)]!
  return {
    requirement: shownText(requirement),
    metric: requirement.metric,
    attack: requirement.attack ?? null,
    quantity: requirement.quantity,
    status,
    decidedBy: how,
    sign,
    threshold,
    measured: finite(value),
    interval: interval === undefined ? null : [finite(range[0]), finite(range[1])],
    count,
    by: finite(Math.abs(decisive - threshold)),
    moreSamples: needed === undefined ? null : needed - count,
    ...(pairs !== undefined && { pairs: { ...pairs, probability: pairedDifference(pairs).probability } }),
  }
}

const finite = (value: number) => (Number.isFinite(value) ? value : null)

const holds: Readonly<Record<ComparisonSign, (value: number, threshold: number) => boolean>> = {
  '>=': (value, threshold) => value >= threshold,
  '<=': (value, threshold) => value <= threshold,
  '>': (value, threshold) => value > threshold,
  '<': (value, threshold) => value < threshold,
}

/** Which end of an interval meets a requirement first. */
const best = (sign: ComparisonSign) => (sign.startsWith('>') ? 1 : 0)

function statusOf(range: readonly [number, number], sign: ComparisonSign, threshold: number): Status {
  const meets = holds[sign]
  if (meets(range[1 - best(sign)]!, threshold)) return 'met'
  return meets(range[best(sign)]!, threshold) ? 'undecided' : 'not-met'
}

function measure({ metric, attack, text }: Requirement, result: Result, baseline: Baseline | undefined): Measured {
  const absent = (why: string, hint: string) => new RobustlyError('config', `"${printable(text)}": ${why}`, { hint })
  if (attack !== undefined) {
    const tally = result.attacks.find(({ name }) => name === attack)
    if (tally !== undefined) return share(tally.robustAfter, result.data.count)
    const names = result.attacks.map(({ name }) => `${name}${ofAttack.ending}`).join(', ')
    throw absent(`no attack "${printable(attack, 60)}" ran`, names === '' ? 'None did.' : `There are: ${names}.`)
  }
  if (metric === 'unknown') return { value: result.unknown, count: result.data.count }
  if (metric === 'median-distance') {
    if (result.distances !== undefined) return medianDistance(result.distances, result.data.count)
    throw absent('the run measured no distances', 'Evaluate with an attack of minimum distance, such as --attack fab.')
  }
  if (metric === 'drop') {
    if (baseline !== undefined) return drop(baseline, result)
    throw absent('there is no baseline', 'Add: vs PATH, a run folder or a result.json.')
  }
  const rate = result.accuracy[metric as 'standard' | 'robust' | 'certified']
  if (rate === null) throw absent('the run certified nothing', 'Ask for robust, or certify the model first.')
  return share(rate.correct, rate.count)
}

function share(correct: number, count: number): Measured {
  const value = correct / count
  return { value, count, interval: samples => exactInterval(samples === count ? correct : value * samples, samples) }
}

/** By pairs where there are any: the same samples tell small differences that two rates do not. */
function drop({ result, pairs }: Baseline, run: Result): Measured {
  if (pairs !== undefined) {
    const { both, onlyFirst, onlySecond, neither } = pairs
    const count = both + onlyFirst + onlySecond + neither
    const scaled = (samples: number) => {
      const [first, second] = [onlyFirst, onlySecond].map(number => (number * samples) / count)
      const [low, high] = differenceInterval(first!, second!, samples)
      return [-high, -low] as const
    }
    return { value: (onlyFirst - onlySecond) / count, count, interval: scaled, pairs }
  }
  const [before, now] = [result.accuracy.robust, run.accuracy.robust]
  // Both hold 97.5 % of the time, so both together at least 95 %, whatever the samples have in common.
  const each = 0.975
  return {
    value: before.value - now.value,
    count: now.count,
    interval: samples => {
      const [first, second] = [before, now].map(({ value }) => exactInterval(value * samples, samples, each))
      return [first![0] - second![1], first![1] - second![0]]
    },
  }
}

/**
 * A point of the curve lies below the median when more than half of all samples are surely robust there, above when surely fewer than half
 * are. Between points the curve is not known, which makes the interval wider and never narrower.
 */
function medianDistance({ median, curve }: NonNullable<Result['distances']>, count: number): Measured {
  return {
    value: median ?? Number.POSITIVE_INFINITY,
    count,
    interval: samples => {
      const range = (robust: number) => exactInterval(robust * samples, samples)
      const below = curve[lastWhere(curve.length, at => range(curve[at]!.robust)[0] > 0.5)]
      const above = curve[lastWhere(curve.length, at => range(curve[at]!.robust)[1] >= 0.5) + 1]
      return [below?.epsilon ?? 0, above?.epsilon ?? Number.POSITIVE_INFINITY]
    },
  }
}

/** The last place at which `holds` is true, -1 for none, of a condition that does not become true again. */
function lastWhere(length: number, holds: (at: number) => boolean): number {
  let [low, high] = [-1, length]
  while (high - low > 1) {
    const middle = (low + high) >> 1
    if (holds(middle)) low = middle
    else high = middle
  }
  return low
}
