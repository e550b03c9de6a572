/**
 * Half and double precision as float32: what a graph is differentiated in. A gradient in float16 underflows at 6e-8, and
 * few operators of any runtime take bfloat16 on a CPU. Who uses the result must still check it on the file as it is.
 */

import { toFloat32 } from '../../tensor/convert.js'
import type { DataType, Tensor } from '../../tensor/tensor.js'
import type { Attribute, Graph, Initializer, Node, ValueInfo } from '../graph.js'
import { elementTypes } from '../operators.js'
import type { Rewritten } from './pass.js'

const lifted = ['float16', 'bfloat16', 'float64'] as const
type Lifted = (typeof lifted)[number]
const liftedNumbers: ReadonlyMap<number, Lifted> = new Map(lifted.map(dtype => [elementTypes[dtype], dtype]))

/** The same graph with float32 wherever it has float16, bfloat16 or float64: constants, conversions, stated types. */
export function singlePrecision(graph: Graph): Rewritten {
  const found = new Set<Lifted>()
  const rewritten = lift(graph, found)
  if (found.size === 0) return { graph, notes: [] }
  const types = lifted.filter(dtype => found.has(dtype)).join(' and ')
  return { graph: rewritten, notes: [`Values of type ${types} are taken as float32 to attack the model.`] }
}

function lift(graph: Graph, found: Set<Lifted>): Graph {
  const infos = (list: readonly ValueInfo[]) => list.map(info => liftedInfo(info, found))
  return {
    ...graph,
    inputs: infos(graph.inputs),
    outputs: infos(graph.outputs),
    valueInfo: new Map(Array.from(graph.valueInfo, ([name, info]) => [name, liftedInfo(info, found)])),
    initializers: new Map(Array.from(graph.initializers, ([name, each]) => [name, liftedConstant(each, found)])),
    nodes: graph.nodes.map(node => liftedNode(node, found)),
  }
}

function isLifted(dtype: DataType | 'other'): dtype is Lifted {
  return (lifted as readonly string[]).includes(dtype)
}

function liftedInfo(info: ValueInfo, found: Set<Lifted>): ValueInfo {
  if (!isLifted(info.dtype)) return info
  found.add(info.dtype)
  return { ...info, dtype: 'float32' }
}

function liftedConstant(constant: Initializer, found: Set<Lifted>): Initializer {
  if (!isLifted(constant.dtype)) return constant
  found.add(constant.dtype)
  return { dtype: 'float32', shape: constant.shape, load: () => liftedTensor(constant.load()) }
}

function liftedTensor(tensor: Tensor): Tensor {
  if (tensor.dtype !== 'float16' && tensor.dtype !== 'bfloat16' && tensor.dtype !== 'float64') return tensor
  return { dtype: 'float32', shape: tensor.shape, data: toFloat32(tensor.dtype, tensor.data) }
}

/** Attributes that name an element type: of Cast, and of EyeLike and the random operators. */
const typeAttributes = new Set(['to', 'dtype'])

function liftedNode(node: Node, found: Set<Lifted>): Node {
  if (node.attributes.size === 0) return node
  const attributes = Array.from(node.attributes, ([name, attribute]): [string, Attribute] => {
    if (attribute.type === 'graph') return [name, { type: 'graph', value: lift(attribute.value, found) }]
    if (attribute.type === 'tensor') {
      if (isLifted(attribute.value.dtype)) found.add(attribute.value.dtype)
      return [name, { type: 'tensor', value: liftedTensor(attribute.value) }]
    }
    const dtype = attribute.type === 'int' && typeAttributes.has(name) ? liftedNumbers.get(attribute.value) : undefined
    if (dtype === undefined) return [name, attribute]
    found.add(dtype)
    return [name, { type: 'int', value: elementTypes.float32 }]
  })
  return { ...node, attributes: new Map(attributes) }
}
