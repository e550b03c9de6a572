/**
 * Gives out logits instead of probabilities. Attacks need them: a saturated softmax has a gradient of zero in float32
 * (gradient masking by the last layer), and margin losses are defined on logits. The order of the classes is the same.
 */
import { wholeRange } from '../../tensor/convert.js'
import type { Dim, Graph, Node, ValueInfo } from '../graph.js'
import { elementTypes } from '../operators.js'
import {
  Additions,
  attributeOf,
  intAttribute,
  makeNode,
  namesOf,
  type Rewritten,
  statedShapes,
  withoutUnused,
} from './pass.js'

/** Operators that hand their first input's numbers on in the same order. */
const shapeOnly = new Set(['Identity', 'Reshape', 'Flatten', 'Squeeze', 'Unsqueeze', 'Dropout'])

/** Functions of each score alone that grow with it and go flat: the order of the classes is that of what they are given. */
const growing = new Set(['Sigmoid', 'Exp'])

/** Whether a node only rounds: conversions between floats, and quantisation. After a Softmax that was cut off it has nothing to do. */
function onlyRounds(node: Node): boolean {
  if (node.op === 'Cast') return attributeOf(node, 'to', 'int') === elementTypes.float32
  return node.op === 'QuantizeLinear' || node.op === 'DequantizeLinear'
}

/**
 * Cuts the Softmax, Sigmoid or Exp that ends the first output off, looking through nodes that only round or change the shape, and brings outputs
 * [N, K, 1, …] to [N, K]. Expects the canonical opset. The first output is then named `logits` (made unique).
 * LogSoftmax stays: log-probabilities are logits too, and its gradient does not vanish.
 */
export function splitSoftmax(graph: Graph): Rewritten {
  const producers = new Map(graph.nodes.flatMap(node => node.outputs.map(name => [name, node] as const)))
  const output = graph.outputs[0]!
  const chain: Node[] = []
  let node = producers.get(output.name)
  while (node !== undefined && node.domain === '' && (shapeOnly.has(node.op) || onlyRounds(node))) {
    if (!onlyRounds(node)) chain.unshift(node)
    node = producers.get(node.inputs[0]!)
  }
  const shapes = statedShapes(graph)
  const notes: string[] = []
  let cut: Node | undefined
  if (node?.op === 'LogSoftmax' && node.domain === '') {
    notes.push('The model ends in LogSoftmax; its log-probabilities are used as logits.')
  } else if (node?.domain === '' && growing.has(node.op)) {
    cut = node
  } else if (node?.op === 'Softmax' && node.domain === '') {
    if (overClasses(node, shapes.get(node.outputs[0]!) ?? (chain.length === 0 ? output.shape : undefined))) cut = node
    else notes.push(`The final Softmax of node "${node.name}" is not over the classes alone, so it was left in place.`)
  }
  if (cut !== undefined) notes.push(`The final ${cut.op} was cut off: the model now gives logits.`)
  return { graph: withLogits(graph, output, cut, chain, producers, notes), notes }
}

/** True when the axis is the only one besides the batch that is not 1; true for the last axis of an unknown shape. */
function overClasses(softmax: Node, shape: readonly Dim[] | undefined): boolean {
  const axis = attributeOf(softmax, 'axis', 'int') ?? -1
  if (shape === undefined) return axis === -1 || axis === 1
  const at = axis < 0 ? axis + shape.length : axis
  return at > 0 && shape.every((dim, i) => i === 0 || i === at || dim === 1)
}

function withLogits(
  graph: Graph,
  output: ValueInfo,
  cut: Node | undefined,
  chain: readonly Node[],
  producers: ReadonlyMap<string, Node>,
  notes: string[],
): Graph {
  const additions = new Additions(namesOf(graph))
  const added: Node[] = []
  let value = output.name
  let shape = output.shape
  if (cut !== undefined) {
    value = cut.inputs[0]!
    const source = producers.get(value)
    // What comes flat already needs none of the reshaping that follows the Softmax.
    if (source?.op === 'Flatten' && source.domain === '') shape = matrixShape(shape)
    else value = cloned(chain, value, additions, added)
  }
  if (shape !== undefined && shape.length > 2 && shape.slice(2).every(dim => dim === 1)) {
    const flat = additions.fresh('logits')
    added.push(makeNode('Flatten', [value], [flat], { axis: intAttribute(1) }))
    notes.push(`The output of shape [${shape.map(dim => dim ?? '?').join(', ')}] was flattened to a row per sample.`)
    value = flat
    shape = shape.slice(0, 2)
  }
  if (value === output.name) return graph
  // What was quantised after the Softmax is no integer before it.
  const dtype = cut !== undefined && wholeRange(output.dtype) !== undefined ? 'float32' : output.dtype
  const outputs = graph.outputs.with(0, { ...output, name: value, dtype, shape })
  return withoutUnused({ ...graph, nodes: [...graph.nodes, ...added], outputs })
}

function matrixShape(shape: readonly Dim[] | undefined): readonly Dim[] | undefined {
  if (shape === undefined || shape.length <= 2) return shape
  const rest = shape.slice(1)
  return [shape[0], rest.every(dim => typeof dim === 'number') ? rest.reduce((a, b) => a * b, 1) : undefined]
}

/** The chain once more over another value, so that whoever else uses the old one still gets it. */
function cloned(chain: readonly Node[], start: string, additions: Additions, added: Node[]): string {
  let value = start
  for (const node of chain) {
    const outputs = node.outputs.map((name, i) => (i === 0 ? additions.fresh(`${name}/logits`) : ''))
    added.push({ ...node, inputs: [value, ...node.inputs.slice(1)], outputs: outputs.slice(0, 1) })
    value = outputs[0]!
  }
  return value
}
