/** What a graph tells of how it is used: its cost, where its channels are, what its first steps do to the values that come in. */
import type { Graph, Node, TypedGraph } from '../onnx/graph.js'
import { hasQuantised } from '../onnx/passes/quantization.js'
import { sizeOf, toNumbers } from '../tensor/tensor.js'

export interface GraphFacts {
  /** Of convolutions, matrix products and recurrences, for one sample; null where shapes are not known. */
  readonly multiplyAdds: number | null
  readonly layout: 'NCHW' | 'NHWC' | null
  readonly quantised: boolean
  /** What its first steps say about the values it takes. */
  readonly inputRange: string
}

/** `simple`: the same model simplified for this batch, every shape known; absent for models without gradient. */
export function graphFacts(graph: Graph, simple: TypedGraph | undefined, batch: number): GraphFacts {
  return {
    multiplyAdds: simple === undefined ? null : Math.round(multiplyAddsOf(simple) / batch),
    layout: layoutOf(graph),
    quantised: hasQuantised(graph),
    inputRange: rangeOf(graph),
  }
}

/** Multiply-adds for each element of the output: how many it is a sum of. */
const terms: Readonly<Record<string, (shapes: readonly (readonly number[])[], node: Node) => number>> = {
  Conv: ([, weight]) => sizeOf(weight.slice(1)),
  ConvTranspose: ([input, weight]) => (sizeOf(weight.slice(1)) / weight[1]) * input[1],
  Gemm: ([a], node) => a[node.attributes.get('transA')?.value === 1 ? 0 : 1],
  MatMul: ([a]) => a[a.length - 1],
}

function multiplyAddsOf({ nodes, types }: TypedGraph): number {
  let sum = 0
  for (const node of nodes) {
    const shapes = node.inputs.map(name => types.get(name)?.shape ?? [])
    const of = node.domain === '' && Object.hasOwn(terms, node.op) ? terms[node.op] : undefined
    if (of !== undefined) sum += sizeOf(types.get(node.outputs[0])!.shape) * of(shapes, node)
  }
  return sum
}

function layoutOf(graph: Graph): GraphFacts['layout'] {
  const [input] = graph.inputs
  if (input?.shape?.length !== 4) return null
  const first = graph.nodes.find(({ inputs }) => inputs.includes(input.name))
  const perm = first?.op === 'Transpose' ? String(first.attributes.get('perm')?.value) : ''
  if (perm === '0,3,1,2') return 'NHWC'
  const could = (dim: unknown) => dim === 1 || dim === 3 || dim === 4
  return could(input.shape[3]) && !could(input.shape[1]) ? 'NHWC' : 'NCHW'
}

/** Steps that only rescale or rearrange, behind which a network begins. */
const passing = new Set([
  'Cast',
  'Transpose',
  'Reshape',
  'Identity',
  'Flatten',
  'Squeeze',
  'Unsqueeze',
  'Sub',
  'Add',
  'Mul',
  'Div',
])

function rangeOf(graph: Graph): string {
  const [input] = graph.inputs
  if (input === undefined) return 'unknown'
  if (input.dtype === 'uint8') return '0 to 255: the input is uint8'
  const steps: string[] = []
  let shifts = false
  for (let name = input.name; ; ) {
    const node = graph.nodes.find(({ inputs }) => inputs.includes(name))
    if (node === undefined || !passing.has(node.op)) {
      if (node?.op === 'BatchNormalization') shifts = true
      break
    }
    const other = node.inputs.find(each => each !== name && graph.initializers.has(each))
    const values = other === undefined ? [] : toNumbers(graph.initializers.get(other)!.load())
    const by = node.op === 'Div' ? values.map(value => 1 / value) : node.op === 'Mul' ? values : []
    if (by.length > 0 && by.every(value => value > 0 && value < 0.02)) steps.push('0 to 255: divided in the graph')
    if (node.op === 'Sub' && values.some(value => value > 2))
      steps.push('0 to 255: large means are subtracted in the graph')
    if (['Sub', 'Add', 'Div', 'Mul'].includes(node.op) && values.some(value => value !== 0)) shifts = true
    name = node.outputs[0]
  }
  if (steps.length > 0) return steps[0]
  return shifts
    ? 'normalised in the graph: most likely plain values from 0 to 1'
    : 'not normalised in the graph: values from 0 to 1, or --mean and --std as it was trained'
}
