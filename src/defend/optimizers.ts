/** How a gradient becomes a step of the weights. Arithmetic in float64, weights and state in float32. */

export type OptimizerOptions =
  | { readonly optimizer: 'sgd'; readonly momentum?: number; readonly weightDecay?: number }
  | {
      readonly optimizer: 'adam'
      readonly beta1?: number
      readonly beta2?: number
      readonly epsilon?: number
      readonly weightDecay?: number
    }

export interface Optimizer {
  /** Arrays of state per weight, each as long as the weight and zero at first. */
  readonly slots: number
  /** Changes weight and state in place. `step` counts from 1. */
  update(weight: Float32Array, gradient: Float32Array, slots: readonly Float32Array[], rate: number, step: number): void
}

type Make<O extends OptimizerOptions['optimizer']> = (options: Extract<OptimizerOptions, { optimizer: O }>) => Optimizer

/** w is the weight, g its gradient plus weightDecay w, r the learning rate. */
const table: { readonly [O in OptimizerOptions['optimizer']]: Make<O> } = {
  // v = momentum v + g;  w -= r v
  sgd: ({ momentum = 0, weightDecay = 0 }) => ({
    slots: momentum === 0 ? 0 : 1,
    update(weight, gradient, [velocity], rate) {
      for (let i = 0; i < weight.length; i++) {
        let slope = gradient[i]! + weightDecay * weight[i]!
        if (velocity !== undefined) {
          slope += momentum * velocity[i]!
          velocity[i] = slope
        }
        weight[i]! -= rate * slope
      }
    },
  }),

  // m = beta1 m + (1 - beta1) g;  v = beta2 v + (1 - beta2) g²;  w -= r m' / (sqrt(v') + epsilon), where m' and v' are
  // m / (1 - beta1^t) and v / (1 - beta2^t): Kingma and Ba, ICLR 2015
  adam: ({ beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weightDecay = 0 }) => ({
    slots: 2,
    update(weight, gradient, slots, rate, step) {
      const [first, second] = slots as readonly [Float32Array, Float32Array]
      const scale = rate / (1 - beta1 ** step)
      const correction = 1 / Math.sqrt(1 - beta2 ** step)
      for (let i = 0; i < weight.length; i++) {
        const slope = gradient[i]! + weightDecay * weight[i]!
        const mean = beta1 * first[i]! + (1 - beta1) * slope
        const square = beta2 * second[i]! + (1 - beta2) * slope * slope
        first[i] = mean
        second[i] = square
        weight[i]! -= (scale * mean) / (Math.sqrt(square) * correction + epsilon)
      }
    },
  }),
}

export function makeOptimizer(options: OptimizerOptions): Optimizer {
  return (table[options.optimizer] as Make<OptimizerOptions['optimizer']>)(options)
}
