/** A share of samples with its confidence interval. Alone in its file, because the page of the HTML report computes rates too. */
import { RobustlyError } from '../errors.js'

export interface Rate {
  /** correct / count */
  readonly value: number
  readonly correct: number
  readonly count: number
  /** 95 % confidence interval of the rate over samples like these. */
  readonly interval: readonly [number, number]
}

/** Two-sided 95 % quantile of the standard normal distribution. */
const z95 = 1.959963984540054

/**
 * A rate with its Wilson score interval (E. B. Wilson, JASA 1927): close to the stated coverage at rates near 0 and 1
 * too, where robust accuracies lie. Throws `data-invalid` for a count of zero: an empty set proves nothing.
 */
export function rate(correct: number, count: number): Rate {
  if (!(count > 0)) {
    throw new RobustlyError('data-invalid', 'no samples were evaluated, so there is no accuracy', {
      hint: 'Choose at least one sample with --samples.',
    })
  }
  const value = correct / count
  const shrink = 1 + z95 ** 2 / count
  const center = (value + z95 ** 2 / (2 * count)) / shrink
  const half = (z95 / shrink) * Math.sqrt((value * (1 - value)) / count + z95 ** 2 / (4 * count ** 2))
  const low = correct === 0 ? 0 : Math.max(0, center - half)
  const high = correct === count ? 1 : Math.min(1, center + half)
  return { value, correct, count, interval: [low, high] }
}
