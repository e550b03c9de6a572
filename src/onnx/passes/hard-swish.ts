/** x HardSigmoid(x; 1/6, 1/2) as the HardSwish that it is: the engine writes HardSwish out, and its slope has a shorter form. */
import type { Node, TypedGraph } from '../graph.js'
import { attributeOf, makeNode, withoutUnused } from './pass.js'

export function withHardSwish(graph: TypedGraph): TypedGraph {
  const gates = new Map(graph.nodes.flatMap(node => (isGate(node) ? [[node.outputs[0]!, node.inputs[0]!]] : [])))
  if (gates.size === 0) return graph
  const nodes = graph.nodes.map(node => {
    const [a, b] = node.inputs
    if (node.op !== 'Mul' || node.domain !== '' || (gates.get(b!) !== a && gates.get(a!) !== b)) return node
    return { ...makeNode('HardSwish', [gates.get(b!) === a ? a! : b!], node.outputs), name: node.name }
  })
  return withoutUnused({ ...graph, nodes })
}

function isGate(node: Node): boolean {
  if (node.op !== 'HardSigmoid' || node.domain !== '') return false
  const [alpha, beta] = [attributeOf(node, 'alpha', 'float') ?? 0.2, attributeOf(node, 'beta', 'float') ?? 0.5]
  return Math.fround(alpha) === Math.fround(1 / 6) && beta === 0.5
}
