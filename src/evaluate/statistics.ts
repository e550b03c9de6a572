/**
 * Exact statistics of counts: the incomplete beta function, Clopper and Pearson's interval, and how many samples settle a question.
 * Counts may be fractions, which is how a rate is carried over to another number of samples.
 */

/** An interval that holds the true value at least so often. */
export const confidence = 0.95

/**
 * Two-sided confidence interval of a rate (C. J. Clopper, E. S. Pearson, Biometrika 26, 1934): it holds the true rate at least as often
 * as `level` says, at every rate and number of samples, which approximations such as Wilson's do not. 0 <= correct <= count, count > 0.
 */
export function exactInterval(correct: number, count: number, level = confidence): readonly [number, number] {
  const tail = (1 - level) / 2
  const wrong = count - correct
  const low = correct === 0 ? 0 : wrong === 0 ? tail ** (1 / count) : betaQuantile(tail, correct, wrong + 1)
  const high = wrong === 0 ? 1 : correct === 0 ? 1 - tail ** (1 / count) : 1 - betaQuantile(tail, wrong, correct + 1)
  return [low, high]
}

/** x with I_x(a, b) = probability, by halving: the function rises from 0 to 1. Halves until two neighbouring numbers are left. */
export function betaQuantile(probability: number, a: number, b: number): number {
  let [low, high] = [0, 1]
  for (;;) {
    const middle = (low + high) / 2
    if (middle <= low || middle >= high) return middle
    if (incompleteBeta(middle, a, b) < probability) low = middle
    else high = middle
  }
}

/**
 * The regularised incomplete beta function I_x(a, b), a, b > 0: the probability that a beta variable is at most x. Continued
 * fraction (DLMF 8.17.22) by Lentz's method as Thompson and Barnett modified it, on the side of the mean where it converges fast.
 */
export function incompleteBeta(x: number, a: number, b: number): number {
  if (x <= 0) return 0
  if (x >= 1) return 1
  if (x > (a + 1) / (a + b + 2)) return 1 - incompleteBeta(1 - x, b, a)
  const front = Math.exp(logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log1p(-x)) / a
  const tiny = 1e-300
  const away = (value: number) => (Math.abs(value) < tiny ? tiny : value)
  let c = 1
  let d = 1 / away(1 - ((a + b) * x) / (a + 1))
  let fraction = d
  // The number of terms grows as the square root of the larger parameter: some 1,000 for counts of a million.
  for (let m = 1; m < 100_000; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m))
    d = 1 / away(1 + even * d)
    c = away(1 + even / c)
    fraction *= c * d
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1))
    d = 1 / away(1 + odd * d)
    c = away(1 + odd / c)
    fraction *= c * d
    if (Math.abs(c * d - 1) < 1e-15) break
  }
  return Math.min(1, front * fraction)
}

/** ln of the gamma function for z > 0: Stirling's series (DLMF 5.11.1) from 10 upwards, the recurrence below. */
export function logGamma(z: number): number {
  let shift = 0
  for (; z < 10; z++) shift += Math.log(z)
  const square = 1 / (z * z)
  const series = (1 / 12 - square * (1 / 360 - square * (1 / 1260 - square * (1 / 1680 - square / 1188)))) / z
  return (z - 0.5) * Math.log(z) - z + Math.log(2 * Math.PI) / 2 + series - shift
}

/** More samples than this nobody takes: then a question counts as one that cannot be settled. */
const mostSamples = 1e9

/**
 * The least number of samples, from `count` upwards, for which `settled` holds, undefined when there is none. `settled` must stay true once
 * it is, which it does for intervals that shrink around a rate that stays the same.
 */
export function samplesNeeded(count: number, settled: (count: number) => boolean): number | undefined {
  let [low, high] = [count, count]
  while (!settled(high)) {
    if (high >= mostSamples) return undefined
    low = high
    high = Math.min(mostSamples, 2 * high)
  }
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2)
    if (settled(middle)) high = middle
    else low = middle
  }
  return high
}
