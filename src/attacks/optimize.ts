/** Schedules and the optimizer of attacks that descend an objective. */

/** From `first` at share 0 to `last` at share 1, along half a cosine. */
export function cosine(share: number, first: number, last: number): number {
  return last + ((first - last) * (1 + Math.cos(Math.PI * share))) / 2
}

export interface Adam {
  /** values -= rate * the bias-corrected mean of the gradients over the root of their mean square. */
  descend(values: Float64Array, gradient: Float64Array, rate: number): void
}

/** Kingma and Ba, "Adam" (ICLR 2015), with its defaults. */
export function adam(length: number): Adam {
  const [beta1, beta2, tiny] = [0.9, 0.999, 1e-8]
  const mean = new Float64Array(length)
  const square = new Float64Array(length)
  let step = 0
  return {
    descend(values, gradient, rate) {
      step++
      const size = rate / (1 - beta1 ** step)
      const root = 1 / Math.sqrt(1 - beta2 ** step)
      for (let i = 0; i < length; i++) {
        const slope = gradient[i]
        mean[i] = beta1 * mean[i] + (1 - beta1) * slope
        square[i] = beta2 * square[i] + (1 - beta2) * slope * slope
        values[i] -= (size * mean[i]) / (Math.sqrt(square[i]) * root + tiny)
      }
    },
  }
}
