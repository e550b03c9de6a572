/** A share of samples with its confidence interval. Alone in its file, because the page of the HTML report computes rates too. */
import { RobustlyError } from '../errors.js'
import { exactInterval } from './statistics.js'

export interface Rate {
  /** correct / count */
  readonly value: number
  readonly correct: number
  readonly count: number
  /** 95 % confidence interval of the rate over samples like these. */
  readonly interval: readonly [number, number]
}

/**
 * A rate with its exact interval (Clopper and Pearson): one that covers less often than it says would let a gate pass by mistake. Throws
 * `data-invalid` for a count of zero: an empty set proves nothing.
 */
export function rate(correct: number, count: number): Rate {
  if (!(count > 0)) {
    throw new RobustlyError('data-invalid', 'no samples were evaluated, so there is no accuracy', {
      hint: 'Choose at least one sample with --samples.',
    })
  }
  return { value: correct / count, correct, count, interval: exactInterval(correct, count) }
}
