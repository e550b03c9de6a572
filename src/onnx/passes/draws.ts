/**
 * Operators that draw at random: which of them a model holds, and what attacks need of them. Gradients go
 * through what a Dropout in training mode keeps; averages over several rows of a batch need every row to have a draw of its own.
 */
import { float32, toNumbers } from '../../tensor/tensor.js'
import type { Graph, Node, TypedGraph } from '../graph.js'
import { Additions, attributeOf, changed, intsAttribute, listed, makeNode, namesOf, type Rewritten } from './pass.js'

/** ai.onnx operators whose answer may differ from call to call. */
export const randomOperators: ReadonlySet<string> = new Set([
  'Bernoulli',
  'Dropout',
  'Multinomial',
  'RandomNormal',
  'RandomNormalLike',
  'RandomUniform',
  'RandomUniformLike',
])

/**
 * Nodes that draw at random in ONNX Runtime, in subgraphs too. A Dropout in training mode does only where it reads an input or gives
 * an output of the graph: from every other place ONNX Runtime 1.30 removes it, whatever its mode.
 */
export function randomNodes(graph: Graph): Node[] {
  return graph.nodes.flatMap(node => {
    const inner = [...node.attributes.values()].flatMap(each => (each.type === 'graph' ? randomNodes(each.value) : []))
    if (node.domain !== '' || !randomOperators.has(node.op)) return inner
    return node.op !== 'Dropout' || (mayTrain(graph, node) && atTheEdge(graph, node)) ? [node, ...inner] : inner
  })
}

function atTheEdge(graph: Graph, { inputs, outputs }: Node): boolean {
  const at = (list: Graph['inputs'], names: readonly string[]) => list.some(({ name }) => names.includes(name))
  return at(graph.inputs, inputs.slice(0, 1)) || at(graph.outputs, outputs)
}

/** A training mode that is computed, or a constant other than false. */
function mayTrain(graph: Graph, { inputs }: Node): boolean {
  const mode = inputs[2] ?? ''
  if (mode === '') return false
  const constant = graph.initializers.get(mode)?.load() ?? constantNode(graph, mode)
  return constant === undefined || toNumbers(constant)[0] !== 0
}

function constantNode(graph: Graph, name: string) {
  const node = graph.nodes.find(each => each.op === 'Constant' && each.outputs[0] === name)
  return node === undefined ? undefined : attributeOf(node, 'value', 'tensor')
}

/**
 * What ONNX Runtime makes of Dropouts in training mode, in operators that it leaves alone: where it would remove one, nothing
 * is dropped; elsewhere y = x / (1 - ratio) where a uniform draw reaches the ratio, else 0. Expects the canonical opset.
 */
export function settleDropouts(graph: Graph): Rewritten {
  const additions = new Additions(namesOf(graph))
  const drawing = new Set(randomNodes(graph))
  const idle: string[] = []
  const nodes = graph.nodes.flatMap(node => {
    if (node.op !== 'Dropout' || node.domain !== '' || !mayTrain(graph, node)) return [node]
    if (drawing.has(node)) return dropping(node, additions)
    idle.push(node.name)
    return [changed(node, { inputs: node.inputs.slice(0, 2) })]
  })
  const initializers = new Map([...graph.initializers, ...additions.constants])
  const which = idle.length === 1 ? `Dropout ${listed(idle)} is` : `Dropouts ${listed(idle)} are`
  const note = `${which} in training mode, but ONNX Runtime drops nothing there; the model is attacked as it runs.`
  return { graph: { ...graph, nodes, initializers }, notes: idle.length === 0 ? [] : [note] }
}

function dropping({ inputs, outputs }: Node, additions: Additions): Node[] {
  const [x, given = ''] = inputs
  const [y, mask = ''] = outputs
  const ratio = given === '' ? additions.constant(float32([0.5], []), `${y}/ratio`) : given
  const [one, zero] = [1, 0].map(value => additions.constant(float32([value], []), `${y}/${value}`))
  const [drawn, share, scaled] = ['drawn', 'share', 'scaled'].map(name => additions.fresh(`${y}/${name}`))
  const kept = mask === '' ? additions.fresh(`${y}/kept`) : mask
  return [
    makeNode('RandomUniformLike', [x!], [drawn!]),
    makeNode('GreaterOrEqual', [drawn!, ratio], [kept]),
    makeNode('Sub', [one!, ratio], [share!]),
    makeNode('Div', [x!, share!], [scaled!]),
    makeNode('Where', [kept, scaled!, zero!], [y!]),
  ]
}

/**
 * The graph with draws of shape [1, …] made [batch, …], so that the rows of a batch do not share one draw; undefined when it has
 * none. A guess, as the shape may mean something else: only right when `keepsShapes` says so of the result.
 */
export function separateDraws(graph: TypedGraph, batch: number): Graph | undefined {
  let some = false
  const nodes = graph.nodes.map(node => {
    const shape = attributeOf(node, 'shape', 'ints')
    const shared = node.domain === '' && randomOperators.has(node.op) && shape?.[0] === 1 && shape.length > 1
    if (!shared || batch === 1) return node
    some = true
    return changed(node, { attributes: { shape: intsAttribute([batch, ...shape.slice(1)]) } })
  })
  if (!some) return undefined
  const { types: _, ...untyped } = graph
  return { ...untyped, nodes }
}

/** Whether every value that depends on an input has the same type in both graphs. */
export function keepsShapes(before: TypedGraph, after: TypedGraph): boolean {
  const reached = new Set(before.inputs.map(input => input.name))
  for (const node of before.nodes) {
    if (!node.inputs.some(name => reached.has(name))) continue
    for (const name of node.outputs) {
      reached.add(name)
      if (String(after.types.get(name)?.shape) !== String(before.types.get(name)?.shape)) return false
    }
  }
  return true
}
