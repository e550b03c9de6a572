/** Preprocessing as the first nodes of the graph, so that perturbations live in the space of the data. */
import { RobustlyError } from '../../errors.js'
import { float32, float64, int64 } from '../../tensor/tensor.js'
import type { Attribute, Graph, Node } from '../graph.js'
import { Additions, intAttribute, makeNode, namesOf, type Rewritten } from './pass.js'

export interface Normalization {
  /** Scalar (one number) or one per channel; in units of the scaled data. */
  readonly mean: readonly number[]
  readonly std: readonly number[]
  /** Where the channels are; default NCHW. Ignored for inputs of rank 2 and less: features are last. */
  readonly layout?: 'NCHW' | 'NHWC'
  /** Multiplies the data first: 255 for a model that wants 0 to 255. */
  readonly scale?: number
  /** Reverses the order of the channels first, for models trained on BGR. */
  readonly reverseChannels?: boolean
}

/** The graph of f((x * scale - mean) / std). Throws `config` for numbers that fit neither the model nor arithmetic. */
export function withNormalization(graph: Graph, options: Normalization): Rewritten {
  const input = graph.inputs[0]!
  if (input.dtype !== 'float32' && input.dtype !== 'float64') {
    const dtype = input.dtype === 'other' ? input.typeText : input.dtype
    throw new RobustlyError(
      'model-unsupported',
      `input "${input.name}" is ${dtype}; only float inputs can be normalised`,
    )
  }
  checkNumbers(options)
  const rank = input.shape?.length
  if (rank === undefined && (options.mean.length > 1 || options.std.length > 1)) {
    throw new RobustlyError('config', `input "${input.name}" has no stated rank, so its channels cannot be found`)
  }
  const axis = options.layout === 'NHWC' || (rank ?? 0) <= 2 ? Math.max(0, (rank ?? 1) - 1) : 1
  const channels = input.shape?.[axis]
  const additions = new Additions(namesOf(graph))
  const make = input.dtype === 'float32' ? float32 : float64
  const constant = (values: readonly number[], name: string) => {
    if (values.length > 1 && typeof channels === 'number' && values.length !== channels) {
      throw new RobustlyError('config', `${name} has ${values.length} numbers, the input has ${channels} channels`, {
        hint: `give one number, or one per channel; channels are expected at axis ${axis} of the input`,
      })
    }
    const shape = values.length === 1 ? [] : [values.length, ...new Array<number>(rank! - axis - 1).fill(1)]
    return additions.constant(make(values, shape), `${input.name}/${name}`)
  }
  const nodes: Node[] = []
  let value = input.name
  const append = (op: string, other: string, name: string, attributes: Readonly<Record<string, Attribute>> = {}) => {
    const next = additions.fresh(`${input.name}/${name}`)
    nodes.push(makeNode(op, [value, other], [next], attributes))
    value = next
  }
  if (options.reverseChannels) {
    if (typeof channels !== 'number')
      throw new RobustlyError('config', 'the number of channels of the input is not known')
    const order = Array.from({ length: channels }, (_, i) => channels - 1 - i)
    append('Gather', additions.constant(int64(order), `${input.name}/order`), 'reversed', { axis: intAttribute(axis) })
  }
  if (options.scale !== undefined && options.scale !== 1) append('Mul', constant([options.scale], 'scale'), 'scaled')
  append('Sub', constant(options.mean, 'mean'), 'centred')
  append('Div', constant(options.std, 'std'), 'normalised')
  const body = graph.nodes.map(node => renamed(node, input.name, value))
  const initializers = new Map([...graph.initializers, ...additions.constants])
  const numbers = `mean ${options.mean.join(', ')} and std ${options.std.join(', ')}`
  return {
    graph: { ...graph, nodes: [...nodes, ...body], initializers },
    notes: [`Normalisation with ${numbers} became part of the graph.`],
  }
}

function checkNumbers({ mean, std, scale }: Normalization): void {
  const finite = [...mean, ...std, scale ?? 1].every(Number.isFinite)
  if (mean.length > 0 && std.length > 0 && finite && std.every(value => value > 0) && scale !== 0) return
  throw new RobustlyError('config', `mean [${mean}] and std [${std}] must be numbers, and std greater than zero`)
}

/** The node with one input renamed, in its subgraphs too: ONNX does not allow them to reuse an outer name. */
function renamed(node: Node, from: string, to: string): Node {
  const attributes = Array.from(node.attributes, ([name, attribute]): [string, Attribute] => {
    if (attribute.type !== 'graph') return [name, attribute]
    const inner = attribute.value
    return [name, { type: 'graph', value: { ...inner, nodes: inner.nodes.map(each => renamed(each, from, to)) } }]
  })
  return { ...node, inputs: node.inputs.map(name => (name === from ? to : name)), attributes: new Map(attributes) }
}
