/** What reference and gradients share about LSTM, GRU and RNN: directions, activations, and what nothing here computes. */
import { RobustlyError } from '../errors.js'
import type { Node } from './graph.js'
import type { AttributesOf } from './operators.js'

export type Recurrent = 'LSTM' | 'GRU' | 'RNN'

export interface Recurrence {
  /** Time runs backwards in directions that are reversed. */
  readonly reversed: readonly boolean[]
  /** Names of the activation functions, per direction. */
  readonly activations: readonly (readonly Activation[])[]
}

const known = ['Sigmoid', 'Tanh', 'Relu', 'Softsign'] as const
export type Activation = (typeof known)[number]

const defaults: Readonly<Record<Recurrent, readonly Activation[]>> = {
  LSTM: ['Sigmoid', 'Tanh', 'Tanh'],
  GRU: ['Sigmoid', 'Tanh'],
  RNN: ['Tanh'],
}

/** Throws `model-unsupported`, naming the node, for peepholes, clipping, coupled gates and rare activations. */
export function recurrenceOf(op: Recurrent, node: Node, attributes: AttributesOf<Recurrent>): Recurrence {
  const refuse = (what: string): never => {
    throw new RobustlyError('model-unsupported', `node "${node.name}" (${op}): ${what} is not supported`, {
      hint: 'Attack this model with scores or labels only.',
    })
  }
  if (attributes.clip !== undefined) refuse('clipping of activations')
  if ('input_forget' in attributes && attributes.input_forget === 1) refuse('coupling of input and forget gate')
  if ((node.inputs[7] ?? '') !== '') refuse('a peephole')
  const reversed = { forward: [false], reverse: [true], bidirectional: [false, true] }[attributes.direction]
  if (reversed === undefined) return refuse(`the direction "${attributes.direction}"`)
  const each = defaults[op].length
  const activations = reversed.map((_, d) =>
    defaults[op].map((usual, i) => {
      const name = attributes.activations?.[d * each + i] ?? usual
      return known.find(other => other === name) ?? refuse(`the activation ${name}`)
    }),
  )
  return { reversed, activations }
}
