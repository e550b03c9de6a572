/** How the example models are trained: everything that decides their bytes, besides the engine's own arithmetic. */
import type { Architecture } from '../src/defend/architectures.js'
import type { TrainOptions } from '../src/defend/train.js'

export interface Recipe {
  readonly description: string
  readonly architecture: Architecture
  readonly training: Omit<TrainOptions, 'engine' | 'start' | 'data' | 'threat' | 'threads'>
}

/** 1,000 training images are held out; PGD of so many steps measures robust accuracy on them after each epoch. */
const held = (steps: number) => ({ count: 1000, steps, stepSize: 0.8 / steps })

const common = {
  optimizer: { optimizer: 'adam' },
  schedule: { schedule: 'one-cycle' },
  batch: 64,
  seed: 0,
} as const

export const recipes: ReadonlyMap<string, Recipe> = new Map([
  [
    'mnist-cnn',
    {
      description: 'a standard CNN',
      architecture: { architecture: 'cnn', channels: [16, 32], dense: [64] },
      training: { ...common, objective: 'standard', learningRate: 0.003, epochs: 8, shift: 1, validation: held(10) },
    },
  ],
  [
    'mnist-mlp',
    {
      description: 'a small multi-layer perceptron',
      architecture: { architecture: 'mlp', dense: [128, 64] },
      training: { ...common, objective: 'standard', learningRate: 0.002, epochs: 10, validation: held(10) },
    },
  ],
  [
    'mnist-cnn-robust',
    {
      description: 'a CNN trained adversarially, Linf 0.3',
      architecture: { architecture: 'cnn', channels: [32, 64], dense: [64] },
      training: {
        ...common,
        objective: 'madry',
        adversary: { steps: 7, stepSize: 0.1 },
        epsilonWarmUp: 3,
        learningRate: 0.002,
        epochs: 12,
        validation: held(40),
        keep: 'best',
      },
    },
  ],
])
