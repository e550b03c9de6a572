import { expect, it } from 'vitest'
import { makeOptimizer, type OptimizerOptions } from './optimizers.js'

/** Weights after each step of gradients that are given. */
function steps(options: OptimizerOptions, weight: number, gradients: readonly number[], rate: number): number[] {
  const optimizer = makeOptimizer(options)
  const weights = Float32Array.of(weight)
  const slots = Array.from({ length: optimizer.slots }, () => new Float32Array(1))
  return gradients.map((gradient, i) => {
    optimizer.update(weights, Float32Array.of(gradient), slots, rate, i + 1)
    return weights[0]!
  })
}

const close = (values: readonly number[]) => values.map(value => expect.closeTo(value, 6))

it('descends in plain steps', () => {
  expect(steps({ optimizer: 'sgd' }, 1, [2, -4], 0.1)).toEqual(close([0.8, 1.2]))
})

it('gathers momentum', () => {
  // v: 2, then 0.5 * 2 - 4 = -3
  expect(steps({ optimizer: 'sgd', momentum: 0.5 }, 1, [2, -4], 0.1)).toEqual(close([0.8, 1.1]))
})

it('decays weights as an L2 penalty', () => {
  // 1 - 0.1 (2 + 0.5 * 1) = 0.75; 0.75 - 0.1 (0 + 0.375) = 0.7125
  expect(steps({ optimizer: 'sgd', weightDecay: 0.5 }, 1, [2, 0], 0.1)).toEqual(close([0.75, 0.7125]))
})

it('takes the steps of Adam', () => {
  // m: 0.2, 0.08; v: 0.004, 0.004996; m': 0.2 / 0.1 and 0.08 / 0.19; v': 0.004 / 0.001 and 0.004996 / 0.001999
  const first = 1 - (0.1 * 2) / 2
  const second = first - (0.1 * (0.08 / 0.19)) / Math.sqrt(0.004996 / 0.001999)
  expect(steps({ optimizer: 'adam' }, 1, [2, -1], 0.1)).toEqual(close([first, second]))
})
