/**
 * sign(x) h(|x|), as a signed square root, a soft threshold or an Lp pool is written: all of its gradient runs through h, and
 * the jump of the sign is one of the derivative at most. There the sign is made of comparisons, through which nothing flows,
 * so that no surrogate adds a gradient that is not there. Where h is a mean or a layer, as in binary networks, Sign stays.
 */
import { float32, float64 } from '../../tensor/tensor.js'
import type { Node, TypedGraph, ValueType } from '../graph.js'
import { elementTypes } from '../operators.js'
import { Emitter } from './emitter.js'
import { Additions, intAttribute, namesOf } from './pass.js'

/** Functions of each element that exporters put between |x| and the product. */
const elementwise = new Set([
  ...['Add', 'Clip', 'Div', 'Identity', 'Log', 'Max', 'Mul', 'Pow'],
  ...['Relu', 'Sqrt', 'Sub', 'Tanh'],
])

export function comparedSigns(graph: TypedGraph): TypedGraph {
  if (!graph.nodes.some(node => node.op === 'Sign')) return graph
  const makers = new Map(graph.nodes.flatMap(node => node.outputs.map(name => [name, node] as const)))
  const magnitudeOf = (name: string): string | undefined => {
    let node = makers.get(name)
    while (node !== undefined && elementwise.has(node.op)) {
      const computed = node.inputs.filter(input => input !== '' && !graph.initializers.has(input))
      node = computed.length === 1 ? makers.get(computed[0]!) : undefined
    }
    return node?.op === 'Abs' ? node.inputs[0] : undefined
  }
  const isSigned = (node: Node) =>
    graph.nodes
      .filter(({ inputs }) => inputs.includes(node.outputs[0]!))
      .every(({ op, inputs }) => op === 'Mul' && inputs.some(name => magnitudeOf(name) === node.inputs[0]))
  const signs = new Set(graph.nodes.filter(node => node.op === 'Sign' && isSigned(node)))
  if (signs.size === 0) return graph
  const additions = new Additions(namesOf(graph))
  const types = new Map(graph.types)
  const nodes = graph.nodes.flatMap(node => (signs.has(node) ? comparisons(node, additions, types) : [node]))
  const initializers = new Map([...graph.initializers, ...additions.constants])
  for (const [name, { dtype, shape }] of additions.constants) types.set(name, { dtype, shape })
  return { ...graph, nodes, initializers, types }
}

/** sign(x) = (x > 0) - (x < 0) */
function comparisons(node: Node, additions: Additions, types: Map<string, ValueType>): readonly Node[] {
  const [x, y] = [node.inputs[0]!, node.outputs[0]!]
  const { dtype, shape } = types.get(x)!
  const zero = additions.constant(dtype === 'float64' ? float64([0], []) : float32([0], []), `${y}/zero`)
  const e = new Emitter(additions, y)
  const sides = ['Greater', 'Less'].map(op => {
    const is = e.op(op, [x, zero])
    types.set(is, { dtype: 'bool', shape })
    const number = e.op('Cast', [is], { to: intAttribute(elementTypes[dtype]) })
    types.set(number, { dtype, shape })
    return number
  })
  e.op('Sub', sides, {}, y)
  return e.nodes
}
