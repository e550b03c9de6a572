/**
 * Multiples of a convolution's input, as most normalisations end in, as multiples of its weights: conv(x c, W) = conv(x, W c), padding
 * included. The engine does this to what follows a convolution, not to what goes before; on a small network the division of
 * the image takes a tenth of the time, forwards and backwards.
 */
import { type Shape, sizeOf, type Tensor, toNumbers } from '../../tensor/tensor.js'
import type { Initializer, Node, TypedGraph } from '../graph.js'
import { Additions, attributeOf, changed, namesOf, withoutUnused } from './pass.js'

/** y = x c with one number, or one per channel. */
interface Multiple {
  readonly x: string
  readonly c: readonly number[]
}

export function foldScales(graph: TypedGraph): TypedGraph {
  const multiples = multiplesIn(graph)
  if (multiples.size === 0) return graph
  const additions = new Additions(namesOf(graph))
  const initializers = new Map(graph.initializers)
  const types = new Map(graph.types)
  const nodes = graph.nodes.map(node => {
    const multiple = isConvolution(node, graph) ? multiples.get(node.inputs[0]!) : undefined
    if (multiple === undefined) return node
    const [, weights, ...bias] = node.inputs as [string, string, ...string[]]
    const scaled = scaledWeights(graph.initializers.get(weights)!, multiple.c, attributeOf(node, 'group', 'int') ?? 1)
    const name = additions.fresh(`${weights}/scaled`)
    initializers.set(name, scaled)
    types.set(name, { dtype: scaled.dtype, shape: scaled.shape })
    return changed(node, { inputs: [multiple.x, name, ...bias] })
  })
  return withoutUnused({ ...graph, nodes, initializers, types })
}

/** Values that are multiples of another and go into convolutions by constant weights alone. */
function multiplesIn(graph: TypedGraph): Map<string, Multiple> {
  const elsewhere = new Set(graph.outputs.map(output => output.name))
  for (const node of graph.nodes) {
    for (const name of isConvolution(node, graph) ? node.inputs.slice(1) : node.inputs) elsewhere.add(name)
  }
  const multiples = new Map<string, Multiple>()
  for (const node of graph.nodes) {
    const multiple = multipleOf(node, graph)
    if (multiple !== undefined && !elsewhere.has(node.outputs[0]!)) multiples.set(node.outputs[0]!, multiple)
  }
  return multiples
}

function multipleOf({ op, domain, inputs: [a, b] }: Node, graph: TypedGraph): Multiple | undefined {
  if (domain !== '' || (op !== 'Mul' && op !== 'Div')) return undefined
  const [x, other] = op === 'Mul' && graph.initializers.has(a!) ? [b!, a!] : [a!, b!]
  const [constant, type] = [graph.initializers.get(other), graph.types.get(x)]
  if (constant?.dtype !== 'float32' || type === undefined || !isPerChannel(constant.shape, type.shape)) return undefined
  const c = toNumbers(constant.load()).map(value => (op === 'Mul' ? value : 1 / value))
  return c.every(value => Number.isFinite(value) && value !== 0) ? { x, c } : undefined
}

/** Whether a constant is one number, or one for each channel of an image [N, C, …]. */
function isPerChannel(constant: Shape, image: Shape): boolean {
  if (constant.length > image.length) return false
  if (sizeOf(constant) === 1) return true
  return sizeOf(constant) === image[1] && constant.at(1 - image.length) === image[1]
}

function isConvolution({ op, domain, inputs: [, weights] }: Node, { initializers }: TypedGraph): boolean {
  return op === 'Conv' && domain === '' && initializers.get(weights!)?.dtype === 'float32'
}

/** W [M, C/group, …] times one number per input channel. */
function scaledWeights(weights: Initializer, c: readonly number[], group: number): Initializer {
  const [outs, perGroup, ...kernel] = weights.shape as [number, number, ...number[]]
  const area = sizeOf(kernel)
  const channelOf = (m: number, j: number) => Math.floor((m * group) / outs) * perGroup + j
  const load = (): Tensor => {
    const data = Float32Array.from(weights.load().data as Float32Array)
    for (let m = 0; m < outs; m++) {
      for (let j = 0; j < perGroup; j++) {
        const factor = c.length === 1 ? c[0]! : c[channelOf(m, j)]!
        for (let at = (m * perGroup + j) * area, end = at + area; at < end; at++) data[at] = data[at]! * factor
      }
    }
    return { dtype: 'float32', shape: weights.shape, data }
  }
  return { dtype: 'float32', shape: weights.shape, load }
}
