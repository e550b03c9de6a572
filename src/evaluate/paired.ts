/** Two evaluations of the same samples compared sample by sample, which tells small differences that two separate rates do not. */
import { RobustlyError } from '../errors.js'

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

/** Two-sided 95 % quantile of the standard normal distribution. */
const z95 = 1.959963984540054

/**
 * Interval: Bonett and Price, Adjusted Wald confidence interval for a difference of binomial proportions based on paired data,
 * J. Educational and Behavioral Statistics 37 (2012). Test: McNemar's, exact. Throws `data-invalid` without any pair.
 */
export function pairedDifference(counts: PairedCounts): PairedDifference {
  const { both, onlyFirst, onlySecond, neither } = counts
  const count = both + onlyFirst + onlySecond + neither
  if (!(count > 0)) {
    throw new RobustlyError('data-invalid', 'the two evaluations have no sample in common, so nothing can be compared')
  }
  const [first, second] = [(onlyFirst + 1) / (count + 2), (onlySecond + 1) / (count + 2)]
  const center = second - first
  const half = z95 * Math.sqrt((first + second - center ** 2) / (count + 2))
  return {
    both,
    onlyFirst,
    onlySecond,
    neither,
    count,
    difference: (onlySecond - onlyFirst) / count,
    interval: [Math.max(-1, center - half), Math.min(1, center + half)],
    probability: mcnemar(onlyFirst, onlySecond),
  }
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
