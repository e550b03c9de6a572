/** What a graph tells of how it is used: its cost, where its channels are, what its first steps do to the values that come in. */
import { labelSizes, parseEinsum } from '../onnx/einsum.js'
import type { Graph, Node, TypedGraph } from '../onnx/graph.js'
import { randomNodes } from '../onnx/passes/draws.js'
import { isQuantised } from '../onnx/passes/quantised-rules.js'
import { hasQuantised } from '../onnx/passes/quantization.js'
import { type Shape, sizeOf, toNumbers } from '../tensor/tensor.js'

export interface GraphFacts {
  /** Of convolutions, matrix products and recurrences, for one sample; null where shapes are not known. */
  readonly multiplyAdds: number | null
  readonly layout: 'NCHW' | 'NHWC' | null
  readonly quantised: boolean
  /** What its first steps say about the values it takes. */
  readonly inputRange: string
  /** Operators in it that draw at random, with how many of each. */
  readonly draws: readonly { readonly name: string; readonly count: number }[]
}

/** `simple`: the same model simplified for this batch, every shape known; absent for models without gradient. */
export function graphFacts(graph: Graph, simple: TypedGraph | undefined, batch: number): GraphFacts {
  return {
    multiplyAdds: simple === undefined ? null : Math.round(multiplyAddsOf(simple) / batch),
    layout: layoutOf(graph),
    quantised: hasQuantised(graph),
    inputRange: rangeOf(graph),
    draws: counted(randomNodes(graph)),
  }
}

/** 'gradient': attacks by gradients get through; 'surrogate': by a gradient that stands in for it; 'none': they do not. */
export type Standing = 'gradient' | 'surrogate' | 'none'

export interface OperatorFacts {
  readonly name: string
  readonly count: number
  readonly standing: Standing
}

/** Operators of the file, most frequent first. `missing` and `replaced`: names of those without gradient, and with a surrogate's. */
export function operatorFacts(
  graph: Graph,
  missing: { has(name: string): boolean },
  replaced: { has(name: string): boolean; readonly size: number },
): OperatorFacts[] {
  const rounding = new Set(graph.nodes.filter(node => isQuantised(node) && !exact.has(node.op)).map(nameOf))
  return counted(graph.nodes).map(({ name, count }) => {
    const isReplaced = replaced.has(name) || (replaced.size > 0 && rounding.has(name))
    return { name, count, standing: missing.has(name) ? 'none' : isReplaced ? 'surrogate' : 'gradient' }
  })
}

/** Quantised operators that do not round. */
const exact = new Set(['DequantizeLinear', 'ConvInteger', 'MatMulInteger', 'MatMulIntegerToFloat'])

const nameOf = ({ domain, op }: Node) => (domain === '' ? op : `${domain}.${op}`)

function counted(nodes: readonly Node[]): { name: string; count: number }[] {
  const counts = new Map<string, number>()
  for (const node of nodes) counts.set(nameOf(node), (counts.get(nameOf(node)) ?? 0) + 1)
  return Array.from(counts, ([name, count]) => ({ name, count })).sort(
    (a, b) => b.count - a.count || (a.name < b.name ? -1 : 1),
  )
}

/** Weights and other constants; of the operators of ai.onnx.ml the numbers that they hold. */
export function parametersOf(graph: Graph): number {
  let count = 0
  for (const { dtype, shape } of graph.initializers.values()) if (/float|^u?int8$/.test(dtype)) count += sizeOf(shape)
  for (const { domain, attributes } of graph.nodes) {
    if (domain !== 'ai.onnx.ml') continue
    for (const each of attributes.values()) if (each.type === 'floats') count += each.value.length
  }
  return count
}

type Count = (shapes: readonly Shape[], output: Shape, node: Node) => number

/** Multiply-adds of a node: output elements times the terms that each is a sum of. */
const costs: Readonly<Record<string, Count>> = {
  Conv: ([, weight], output) => sizeOf(output) * sizeOf(weight.slice(1)),
  ConvTranspose: ([input, weight]) => sizeOf(input) * sizeOf(weight.slice(1)),
  Gemm: ([a], output, node) => sizeOf(output) * a[node.attributes.get('transA')?.value === 1 ? 0 : 1],
  MatMul: ([a], output) => sizeOf(output) * a[a.length - 1],
  Einsum: (shapes, _, node) => {
    const parsed = parseEinsum(String(node.attributes.get('equation')?.value), shapes)
    return [...labelSizes(parsed, shapes).values()].reduce((product, size) => product * size, 1)
  },
  RNN: recurrence,
  GRU: recurrence,
  LSTM: recurrence,
}

/** Steps and samples of X, times W and R [directions, gates x hidden, inputs or hidden]. */
function recurrence([input, weight, recurrent]: readonly Shape[]): number {
  return sizeOf(input.slice(0, 2)) * (sizeOf(weight) + sizeOf(recurrent))
}

function multiplyAddsOf({ nodes, types }: TypedGraph): number {
  let sum = 0
  for (const node of nodes) {
    if (node.domain !== '' || !Object.hasOwn(costs, node.op)) continue
    const shapes = node.inputs.map(name => types.get(name)?.shape ?? [])
    sum += costs[node.op](shapes, types.get(node.outputs.find(name => name !== '')!)!.shape, node)
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

/** Steps that only rescale or rearrange, behind which a network begins: what each does to a x + b, by a constant or not. */
const passing: Readonly<Record<string, (line: Line, by: number, first: boolean) => Line>> = {
  Cast: line => line,
  Transpose: line => line,
  Reshape: line => line,
  Identity: line => line,
  Flatten: line => line,
  Squeeze: line => line,
  Unsqueeze: line => line,
  Add: ({ a, b }, by) => ({ a, b: b + by }),
  Sub: ({ a, b }, by, first) => (first ? { a, b: b - by } : { a: -a, b: by - b }),
  Mul: ({ a, b }, by) => ({ a: a * by, b: b * by }),
  Div: ({ a, b }, by) => ({ a: a / by, b: b / by }),
}

interface Line {
  readonly a: number
  readonly b: number
}

/** Guessed from the line that the first steps draw, the mean over the channels: networks want values near -3 to 3. */
function rangeOf(graph: Graph): string {
  const [input] = graph.inputs
  if (input === undefined) return 'unknown'
  if (input.dtype === 'uint8') return '0 to 255: the input is uint8'
  const { a, b, normalises } = firstSteps(graph, input.name)
  if (Math.abs(a) < 1 / 32) return '0 to 255: divided in the graph'
  if (Math.abs(b / a) > 2) return '0 to 255: large means are subtracted in the graph'
  if (normalises || a !== 1 || b !== 0) return 'normalised in the graph: most likely plain values from 0 to 1'
  return input.shape?.length === 4
    ? 'not normalised in the graph: 0 to 1, 0 to 255 or --mean and --std, as it was trained; --data tries them'
    : 'not normalised in the graph: values as it was trained on'
}

function firstSteps(graph: Graph, input: string): Line & { readonly normalises: boolean } {
  let line: Line = { a: 1, b: 0 }
  for (let name = input; ; ) {
    const node = graph.nodes.find(({ inputs }) => inputs.includes(name))
    const rule = node !== undefined && Object.hasOwn(passing, node.op) ? passing[node.op] : undefined
    if (node === undefined || rule === undefined) return { ...line, normalises: node?.op === 'BatchNormalization' }
    const first = node.inputs[0] === name
    const other = node.inputs.find(each => each !== name && graph.initializers.has(each))
    if (rule.length > 1) {
      if (other === undefined || (node.op === 'Div' && !first)) return { ...line, normalises: false }
      const values = toNumbers(graph.initializers.get(other)!.load())
      line = rule(line, values.reduce((sum, value) => sum + value, 0) / values.length, first)
    }
    name = node.outputs[0]
  }
}
