/**
 * Reference evaluation: a graph computed node by node in plain TypeScript, floats in float64. The tests' oracle; slow by
 * intention, each operator as its definition says.
 */
import { RobustlyError } from '../../errors.js'
import { float64, type Tensor } from '../../tensor/tensor.js'
import type { Graph, Node } from '../graph.js'
import { attributesOf, isOperator, type OperatorName } from '../operators.js'
import { referenceRules } from './index.js'
import type { ReferenceRule } from './rule.js'

/**
 * All values of the graph by name: feeds, constants and the outputs of every node. Float32 feeds and constants become
 * float64. Throws `model-unsupported` for an operator outside the union, `model-invalid` for a value that is missing.
 */
export function evaluate(graph: Graph, feeds: ReadonlyMap<string, Tensor>): Map<string, Tensor> {
  const values = new Map<string, Tensor>()
  for (const [name, constant] of graph.initializers) values.set(name, widened(constant.load()))
  for (const [name, feed] of feeds) values.set(name, widened(feed))
  for (const node of graph.nodes) {
    evaluateNode(node, values).forEach((output, i) => {
      const name = node.outputs[i]
      if (name !== undefined && name !== '') values.set(name, output)
    })
  }
  return values
}

function evaluateNode(node: Node, values: ReadonlyMap<string, Tensor>): readonly Tensor[] {
  const where = `node "${node.name}" (${node.domain === '' ? '' : `${node.domain}.`}${node.op})`
  if (!isOperator(node)) {
    throw new RobustlyError('model-unsupported', `${where}: the reference evaluation does not know this operator`)
  }
  const inputs = node.inputs.map(name => {
    if (name === '') return undefined
    const value = values.get(name)
    if (value === undefined) throw new RobustlyError('model-invalid', `${where}: there is no value "${name}"`)
    return value
  })
  const rule = referenceRules[node.op] as ReferenceRule<OperatorName>
  return rule({
    node,
    attributes: attributesOf(node, node.op),
    inputs,
    input(i) {
      const tensor = inputs[i]
      if (tensor === undefined) throw new RobustlyError('model-invalid', `${where} lacks input ${i}`)
      return tensor
    },
    outputs: node.outputs.length,
  })
}

function widened(tensor: Tensor): Tensor {
  return tensor.dtype === 'float32' ? float64(Float64Array.from(tensor.data), tensor.shape) : tensor
}
