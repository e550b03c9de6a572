/**
 * Models of two classes with one score per sample: a probability of the second class, where it comes from a Sigmoid or a
 * Softmax, or else its log-odds, positive for the second class, as a last linear layer or a margin gives them.
 */
import { sizeOf } from '../../tensor/tensor.js'
import { GraphBuilder } from '../build.js'
import type { Graph, TypedGraph } from '../graph.js'

export type SingleScore = 'probability' | 'log-odds'

/** What is said of a model with one score. */
export const saidOfSingle: Readonly<Record<SingleScore, string>> = {
  probability: 'The model gives one probability per sample: above 0.5 is taken as the second of two classes.',
  'log-odds': 'The model gives one score per sample: above 0 is taken as the second of two classes.',
}

/** Operators that give probabilities. */
const probable = new Set(['Sigmoid', 'HardSigmoid', 'QLinearSigmoid', 'Softmax'])

/** Operators that hand numbers on, or some of them, or change them a little. */
const handOn = new Set([
  ...['Identity', 'Reshape', 'Flatten', 'Squeeze', 'Unsqueeze', 'Dropout', 'Cast'],
  ...['Clip', 'Slice', 'Gather', 'Split', 'QuantizeLinear', 'DequantizeLinear'],
])

/** What the score of a sample is, in a model that gives one. */
export function singleScore(graph: Graph, output: string): SingleScore {
  const makers = new Map(graph.nodes.flatMap(node => node.outputs.map(name => [name, node] as const)))
  let node = makers.get(output)
  while (node !== undefined && handOn.has(node.op)) node = makers.get(node.inputs[0]!)
  return probable.has(node?.op ?? '') ? 'probability' : 'log-odds'
}

/** Scores [rows, 2] as they are read from one per row: [1 - p, p], or the logits [0, log-odds]. */
export function pairsOf(scores: Float32Array, kind: SingleScore): Float32Array {
  return Float32Array.from({ length: 2 * scores.length }, (_, i) => {
    const score = scores[i >> 1]!
    return i % 2 === 1 ? score : kind === 'probability' ? 1 - score : 0
  })
}

/** The same within a graph; a graph that gives more than one score per sample stays as it is. */
export function twoScores(graph: TypedGraph): TypedGraph {
  const { name } = graph.outputs[0]!
  const rows = graph.types.get(graph.inputs[0]!.name)!.shape[0]!
  if (sizeOf(graph.types.get(name)!.shape) !== rows) return graph
  const b = new GraphBuilder({ ...graph, outputs: [] })
  const scores = b.reshape(b.value(name), [rows, 1])
  const one = b.scalar(1, scores.dtype)
  const other = singleScore(graph, name) === 'probability' ? b.sub(one, scores) : b.full([rows, 1], 0, scores.dtype)
  b.output(b.concat([other, scores], 1))
  return b.build()
}
