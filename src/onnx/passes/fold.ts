/**
 * Constant folding by one run of the graph: with fixed input shapes, whatever depends on the input through `Shape` alone
 * is a constant. For engines that cannot write down what they folded themselves (ONNX Runtime as WebAssembly).
 */
import { arrays, type Shape, sizeOf, type Tensor } from '../../tensor/tensor.js'
import { type Graph, initializer, type Node } from '../graph.js'
import { randomOperators } from './draws.js'
import { withoutUnused } from './pass.js'

/** Runs a graph once and gives all of its outputs. */
export type RunGraph = (graph: Graph, feeds: ReadonlyMap<string, Tensor>) => Promise<ReadonlyMap<string, Tensor>>

/**
 * The same function with everything constant computed. Expects fixed input shapes (`withBatch`). Graphs with control flow
 * come back unchanged.
 */
export async function foldConstants(graph: Graph, run: RunGraph): Promise<Graph> {
  const constant = new Set(graph.initializers.keys())
  const folded = new Set<Node>()
  for (const node of graph.nodes) {
    if (!isConstant(node, constant)) continue
    folded.add(node)
    for (const name of node.outputs) constant.add(name)
  }
  if (folded.size === 0) return graph
  const left = graph.nodes.filter(node => !folded.has(node))
  const used = new Set([...left.flatMap(node => node.inputs), ...graph.outputs.map(output => output.name)])
  const wanted = [...folded].flatMap(node => node.outputs).filter(name => name !== '' && used.has(name))
  if (left.some(node => [...node.attributes.values()].some(attribute => attribute.type === 'graph'))) return graph
  const outputs = wanted.map(name => ({ name, dtype: 'other', typeText: 'unknown', shape: undefined }) as const)
  const values =
    wanted.length === 0 ? new Map<string, Tensor>() : await run(withoutUnused({ ...graph, outputs }), zeros(graph))
  const initializers = new Map(graph.initializers)
  for (const name of wanted) initializers.set(name, initializer(values.get(name)!))
  return withoutUnused({ ...graph, nodes: left, initializers })
}

function isConstant(node: Node, constant: ReadonlySet<string>): boolean {
  if (node.domain !== '' || randomOperators.has(node.op)) return false
  if ([...node.attributes.values()].some(attribute => attribute.type === 'graph')) return false
  if (node.op === 'Shape' || node.op === 'Size') return true
  return node.inputs.every(name => name === '' || constant.has(name))
}

function zeros(graph: Graph): Map<string, Tensor> {
  return new Map(
    graph.inputs.map(({ name, dtype, shape }): [string, Tensor] => {
      if (dtype === 'other') throw new RangeError(`input "${name}" is no tensor`)
      const size = sizeOf(shape as Shape)
      if (dtype === 'string') return [name, { dtype, shape: shape as Shape, data: new Array<string>(size).fill('') }]
      return [name, { dtype, shape: shape as Shape, data: new arrays[dtype](size) } as Tensor]
    }),
  )
}
