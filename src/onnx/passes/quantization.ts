/**
 * Quantised operators in floating point: QuantizeLinear, DequantizeLinear, QLinear*, MatMulInteger, ConvInteger and those
 * that ONNX Runtime adds. Whole numbers are carried as float32, in which sums up to 2^24 are exact, so that the forward
 * values stay those of the quantised model, rounding included, and gradients can flow: Round by its surrogate, Clip by
 * its rule, which is the straight-through estimator inside the range of the integers.
 * Ranges that the model finds itself (DynamicQuantizeLinear) are taken from each sample alone, as when it runs one sample
 * at a time.
 */
import { RobustlyError } from '../../errors.js'
import { wholeRange } from '../../tensor/convert.js'
import { broadcastShapes, type DataType, float32, toNumbers } from '../../tensor/tensor.js'
import { GraphBuilder, type Value } from '../build.js'
import type { Graph, Node, TypedGraph, ValueType } from '../graph.js'
import { isQuantised, type QuantisedContext, quantisedRules } from './quantised-rules.js'

/** Whether the graph holds operators that this pass rewrites. */
export function hasQuantised(graph: Graph): boolean {
  return graph.nodes.some(isQuantised)
}

/** Whether a sample's answer depends on the samples beside it: ranges are found over all of a tensor. */
export function mixesSamples(graph: Graph): boolean {
  return graph.nodes.some(({ op }) => op.startsWith('DynamicQuantize'))
}

/** The same function in floating point. Values get new names; nodes keep theirs. A graph without quantised operators comes back as it is. */
export function floatingPoint(graph: TypedGraph): TypedGraph {
  if (!hasQuantised(graph)) return graph
  const given = [...graph.inputs.map(input => input.name), ...graph.initializers.keys()]
  const types = new Map(given.map(name => [name, graph.types.get(name)!]))
  const b = new GraphBuilder({ ...graph, nodes: [], outputs: [], types })
  const walk = new Walk(b, graph)
  for (const node of graph.nodes) walk.take(node)
  for (const output of graph.outputs) b.output(walk.value(output.name))
  return { ...b.build(), opsets: graph.opsets }
}

/** Inputs that are places, by operator: these stay integers. */
const places: ReadonlyMap<string, number> = new Map([
  ['Gather', 1],
  ['GatherElements', 1],
  ['GatherND', 1],
  ['ScatterElements', 1],
  ['ScatterND', 1],
  ['OneHot', 0],
])

class Walk {
  readonly #b: GraphBuilder
  readonly #graph: TypedGraph
  /** What stands for the values of the old graph. */
  readonly #values = new Map<string, Value>()
  readonly #constants = new Map<string, Value>()
  /** Integers of the old graph that are floats now. */
  readonly #carried = new Set<string>()

  constructor(b: GraphBuilder, graph: TypedGraph) {
    this.#b = b
    this.#graph = graph
  }

  value(name: string): Value {
    return this.#values.get(name) ?? this.#b.value(name)
  }

  take(node: Node): void {
    if ([...node.attributes.values()].some(({ type }) => type === 'graph')) {
      throw new RobustlyError('model-unsupported', `node "${node.name}" (${node.op}): a branch in a quantised model`, {
        hint: 'Export the model without control flow.',
      })
    }
    const outputs = isQuantised(node) ? quantisedRules[node.op](this.#contextOf(node)) : this.#copied(node)
    const given = node.outputs.filter(name => name !== '')
    given.forEach((name, i) => {
      const output = outputs[i]!
      this.#values.set(name, output)
      if (output.dtype === 'float32' && this.#typeOf(name).dtype !== 'float32') this.#carried.add(name)
    })
  }

  #typeOf(name: string): ValueType {
    return this.#graph.types.get(name)!
  }

  #contextOf(node: Node): QuantisedContext {
    const has = (i: number) => (node.inputs[i] ?? '') !== ''
    const roundName = `${node.outputs[0]}/round`
    return {
      b: this.#b,
      node,
      roundName: this.#graph.types.has(roundName) ? undefined : roundName,
      has,
      number: i => {
        if (has(i)) return this.#number(node.inputs[i]!)
        throw new RobustlyError('model-invalid', `node "${node.name}" (${node.op}) lacks input ${i}`)
      },
      typeOf: i => this.#typeOf(node.inputs[i]!),
      outputType: (i = 0) => this.#typeOf(node.outputs[i]!),
    }
  }

  /** The value as float32. */
  #number(name: string): Value {
    const value = this.value(name)
    if (value.dtype === 'float32') return value
    const known = this.#constants.get(name)
    if (known !== undefined) return known
    const constant = this.#b.constantOf(value)
    const number =
      constant === undefined
        ? this.#b.cast(value, 'float32')
        : this.#b.constant(float32(toNumbers(constant), constant.shape))
    this.#constants.set(name, number)
    return number
  }

  /** Any other operator: its integers are floats where those that it works on together are. */
  #copied(node: Node): Value[] {
    const place = places.get(node.op)
    const isPlace = (i: number) => place === i || (node.op === 'Resize' && i > 0)
    const carried = node.inputs.find((name, i) => this.#carried.has(name) && !isPlace(i))
    const together = carried === undefined ? undefined : this.#typeOf(carried).dtype
    const inputs = node.inputs.map((name, i) => {
      if (name === '') return undefined
      const { dtype } = this.#typeOf(name)
      if (isPlace(i)) return this.#carried.has(name) ? this.#b.cast(this.value(name), dtype) : this.value(name)
      return dtype === together ? this.#number(name) : this.value(name)
    })
    if (node.op === 'Cast' && carried !== undefined && this.#staysCarried(node)) return [inputs[0]!]
    const types = node.outputs.map(name => (name === '' ? undefined : this.#outputType(node, name, inputs, together)))
    return this.#b.copy(node, inputs, types)
  }

  /** Whether a conversion gives a number again: to a float, or to integers that hold it. */
  #staysCarried(node: Node): boolean {
    const to = this.#typeOf(node.outputs[0]!).dtype
    return to === 'float32' || (to !== 'int64' && to !== 'uint64' && wholeRange(to) !== undefined)
  }

  #outputType(
    node: Node,
    name: string,
    inputs: readonly (Value | undefined)[],
    together: DataType | undefined,
  ): ValueType {
    const { dtype, shape } = this.#typeOf(name)
    const floats = dtype === together ? 'float32' : dtype
    // A scale that each sample has for itself is wider than the one that the old graph knew.
    if (!scaling.has(node.op)) return { dtype: floats, shape }
    return { dtype: floats, shape: broadcastShapes(...inputs.map(input => input!.shape)) }
  }
}

const scaling = new Set(['Add', 'Sub', 'Mul', 'Div'])
