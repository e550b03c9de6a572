/** Two evaluations of the same samples compared sample by sample, which tells small differences that two separate rates do not. */
import { RobustlyError } from '../errors.js'
import { exactInterval } from './statistics.js'

export interface PairedCounts {
  readonly both: number
  readonly onlyFirst: number
  readonly onlySecond: number
  readonly neither: number
}

export interface PairedDifference extends PairedCounts {
  readonly count: number
  /** Rate of the second minus rate of the first. */
  readonly difference: number
  /** 95 % confidence interval of the difference. */
  readonly interval: readonly [number, number]
  /** Exact two-sided probability of discordant counts as uneven as these, or more, if the true rates were equal. */
  readonly probability: number
}

/** How the 5 % are shared between the two intervals below: most of it where most of the width comes from. */
const [uneven, discordant] = [0.96, 0.99]

/**
 * Interval: the difference is the rate of discordant pairs times how uneven they are, q (2 p - 1); the exact intervals of both (99 % of q,
 * 96 % of p) together hold it at least 95 % of the time, however few pairs there are. Test: McNemar's, exact. Throws
 * `data-invalid` without any pair.
 */
export function pairedDifference(counts: PairedCounts): PairedDifference {
  const { both, onlyFirst, onlySecond, neither } = counts
  const count = both + onlyFirst + onlySecond + neither
  if (!(count > 0)) {
    throw new RobustlyError('data-invalid', 'the two evaluations have no sample in common, so nothing can be compared')
  }
  return {
    both,
    onlyFirst,
    onlySecond,
    neither,
    count,
    difference: (onlySecond - onlyFirst) / count,
    interval: differenceInterval(onlyFirst, onlySecond, count),
    probability: mcnemar(onlyFirst, onlySecond),
  }
}

/** The interval alone. Counts may be fractions, for what more pairs of the same kind would say. */
export function differenceInterval(onlyFirst: number, onlySecond: number, count: number): readonly [number, number] {
  const different = onlyFirst + onlySecond
  const [least, most] = exactInterval(different, count, discordant)
  if (different === 0) return [-most, most]
  const [low, high] = exactInterval(onlySecond, different, uneven).map(share => 2 * share - 1) as [number, number]
  return [low * (low < 0 ? most : least), high * (high < 0 ? least : most)]
}

/** 2 P(X <= min(a, b)) for X ~ Binomial(a + b, 1/2), at most 1; summed from the largest term down, so that nothing underflows. */
function mcnemar(a: number, b: number): number {
  const trials = a + b
  const least = Math.min(a, b)
  let logTerm = -trials * Math.LN2 // of 0 successes
  for (let k = 0; k < least; k++) logTerm += Math.log((trials - k) / (k + 1))
  let sum = 0
  for (let k = least, term = 1; k >= 0 && term > 1e-18 * sum; k--) {
    sum += term
    term *= k / (trials - k + 1)
  }
  return Math.min(1, 2 * sum * Math.exp(logTerm))
}
