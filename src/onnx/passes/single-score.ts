/**
 * Models of two classes with one score per sample: a probability of the second class, where it comes from a Sigmoid or a
 * Softmax, or else its log-odds, positive for the second class, as a last linear layer or a margin gives them.
 */
import { sizeOf, toNumbers } from '../../tensor/tensor.js'
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

/**
 * The same within a graph, and the logits [0, z] in place of the probabilities [1 - σ(z), σ(z)], which go flat; a graph that gives
 * other scores stays as it is.
 */
export function twoScores(graph: TypedGraph): TypedGraph {
  const { name } = graph.outputs[0]!
  const rows = graph.types.get(graph.inputs[0]!.name)!.shape[0]!
  const odds = complementOdds(graph, name) ?? name
  if (sizeOf(graph.types.get(odds)!.shape) !== rows) return graph
  const b = new GraphBuilder({ ...graph, outputs: [] })
  const scores = b.reshape(b.value(odds), [rows, 1])
  const one = b.scalar(1, scores.dtype)
  const other = singleScore(graph, odds) === 'probability' ? b.sub(one, scores) : b.full([rows, 1], 0, scores.dtype)
  b.output(b.concat([other, scores], 1))
  return b.build()
}

/** z when a value joins 1 - σ(z) and σ(z), as scikit-learn's exporter writes classifiers of two classes. */
function complementOdds(graph: TypedGraph, name: string): string | undefined {
  const makers = new Map(graph.nodes.flatMap(node => node.outputs.map(output => [output, node] as const)))
  const [joined, [rest, second]] = [makers.get(name), makers.get(name)?.inputs ?? []]
  const [complement, sigmoid] = [makers.get(rest!), makers.get(second!)]
  if (joined?.op !== 'Concat' || complement?.op !== 'Sub' || sigmoid?.op !== 'Sigmoid') return undefined
  const one = graph.initializers.get(complement.inputs[0]!)?.load()
  const isComplement = complement.inputs[1] === second && joined.inputs.length === 2
  return isComplement && one !== undefined && toNumbers(one).every(value => value === 1) ? sigmoid.inputs[0] : undefined
}
