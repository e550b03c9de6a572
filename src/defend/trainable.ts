/** What training starts from: a graph with a free batch dimension, and the names of the constants that it may change. */
import { RobustlyError } from '../errors.js'
import { type DecodeOptions, decodeModel } from '../onnx/codec/index.js'
import { type Graph, initializer, type Node, type TypedGraph } from '../onnx/graph.js'
import type { OperatorName } from '../onnx/operators.js'
import {
  canonical,
  explicitPads,
  simplify,
  splitSoftmax,
  symbolicBatch,
  typed,
  withBatch,
} from '../onnx/passes/index.js'
import { Additions, namesOf } from '../onnx/passes/pass.js'
import { printable } from '../printable.js'
import type { Random } from '../random.js'
import type { Engine } from '../runtime/engine.js'
import { float32, type Shape } from '../tensor/tensor.js'
import { type Architecture, buildArchitecture } from './architectures.js'

export interface Trainable {
  /** Canonical operators; one input [batch, …sample], the first output logits [batch, classes]. */
  readonly graph: Graph
  /** Names of float32 initializers, in the order of the graph. */
  readonly weights: readonly string[]
  /** What was done to a file's graph, one sentence each. */
  readonly notes: readonly string[]
}

/** Which inputs of an operator are weights where they are constants. */
const weightInputs: { readonly [O in OperatorName]?: readonly number[] } = {
  BatchNormalization: [1, 2],
  Conv: [1, 2],
  ConvTranspose: [1, 2],
  Gemm: [1, 2],
  MatMul: [0, 1],
  PRelu: [1],
}

/** Operators after which the addition of a constant is a bias. */
const biased: ReadonlySet<string> = new Set(['Conv', 'ConvTranspose', 'Gemm', 'MatMul'])

/** A freshly initialised built-in network. */
export function startFromArchitecture(
  architecture: Architecture,
  sampleShape: Shape,
  classes: number,
  random: Random,
): Trainable {
  const graph = buildArchitecture(architecture, sampleShape, classes, random)
  return { graph, weights: weightsOf(graph), notes: [] }
}

/**
 * The network of an ONNX file with its weights. Batch norms keep the file's statistics: the engine fuses them into the
 * layers before them, and what it cannot fuse stays frozen but for scale and bias; `notes` say so.
 * Throws what `decodeModel` throws, and `model-unsupported` for a model without float32 weights or with several inputs.
 */
export async function startFromFile(
  bytes: Uint8Array,
  engine: Engine,
  options: DecodeOptions = {},
): Promise<Trainable> {
  const model = decodeModel(bytes, options)
  const notes: string[] = []
  let graph = model.graph
  if (graph.inputs.length !== 1) {
    const names = graph.inputs.map(input => `"${printable(input.name)}"`).join(', ')
    throw new RobustlyError('model-unsupported', `the model has ${graph.inputs.length} inputs (${names}), expected one`)
  }
  for (const pass of [canonical, symbolicBatch, splitSoftmax]) {
    const done = pass(graph)
    graph = done.graph
    notes.push(...done.notes)
  }
  const norms = count(graph, 'BatchNormalization')
  const single = { ...graph, outputs: [graph.outputs[0]!] }
  graph = unshared(single, await simplify(single, engine, model.functions))
  if (norms > 0) notes.push(normNote(norms, count(graph, 'BatchNormalization')))
  const weights = weightsOf(graph)
  if (weights.length === 0) throw withoutWeights(graph)
  return { graph, weights, notes }
}

/**
 * The graph for a fixed number of rows, with the type of every value. `sample` is the shape of one sample. The weights are
 * inputs after the first one: the engine can neither fold nor share what it does not know.
 */
export async function trainableAt(start: Trainable, rows: number, sample: Shape, engine: Engine): Promise<TypedGraph> {
  const fixed = withBatch(start.graph, rows, sample)
  const initializers = new Map(fixed.initializers)
  const inputs = [...fixed.inputs]
  for (const name of start.weights) {
    inputs.push({ name, dtype: 'float32', shape: initializers.get(name)!.shape })
    initializers.delete(name)
  }
  const simple = await simplify({ ...fixed, inputs, initializers }, engine)
  return explicitPads(await typed(simple, engine))
}

/** The same graph with other values for its weights, in the order of `start.weights`. */
export function withWeights(start: Trainable, values: readonly Float32Array[]): Graph {
  const initializers = new Map(start.graph.initializers)
  start.weights.forEach((name, i) => {
    initializers.set(name, initializer(float32(values[i]!.slice(), initializers.get(name)!.shape)))
  })
  return { ...start.graph, initializers }
}

function weightsOf(graph: Graph): string[] {
  const producers = new Map(graph.nodes.flatMap(node => node.outputs.map(name => [name, node.op] as const)))
  const found = new Set(graph.nodes.flatMap(node => weightPlaces(node, producers).map(i => node.inputs[i])))
  return [...graph.initializers].flatMap(([name, { dtype }]) => (found.has(name) && dtype === 'float32' ? [name] : []))
}

function weightPlaces(node: Node, producers: ReadonlyMap<string, string>): readonly number[] {
  if (node.domain !== '') return []
  if (node.op === 'Add') return [0, 1].filter(i => biased.has(producers.get(node.inputs[1 - i]!) ?? ''))
  return Object.hasOwn(weightInputs, node.op) ? weightInputs[node.op as OperatorName]! : []
}

/**
 * Undoes that the engine lets equal constants share one initializer: two biases that start at zero are two weights. What
 * the file itself uses twice stays one.
 */
function unshared(before: Graph, after: Graph): Graph {
  const usesBefore = usesOf(before)
  const usesAfter = usesOf(after)
  const names = namesOf(after)
  const additions = new Additions(names)
  const seen = new Set<string>()
  const own = (name: string): string => {
    const constant = after.initializers.get(name)
    if (constant?.dtype !== 'float32' || usesAfter.get(name) === usesBefore.get(name)) return name
    if (!seen.has(name)) {
      seen.add(name)
      return name
    }
    return additions.constant(constant.load(), name)
  }
  const nodes = after.nodes.map(node => ({ ...node, inputs: node.inputs.map(own) }))
  return { ...after, nodes, initializers: new Map([...after.initializers, ...additions.constants]) }
}

function usesOf(graph: Graph): Map<string, number> {
  const uses = new Map<string, number>()
  for (const name of graph.nodes.flatMap(node => node.inputs)) uses.set(name, (uses.get(name) ?? 0) + 1)
  return uses
}

function withoutWeights(graph: Graph): RobustlyError {
  const floats = [...new Set([...graph.initializers.values()].map(({ dtype }) => dtype))].join(', ') || 'none'
  const operators = [...new Set(graph.nodes.map(node => printable(node.op)))].join(', ')
  return new RobustlyError(
    'model-unsupported',
    `the model has no float32 weights that can be trained; its constants are ${floats}, its operators ${operators}`,
    { hint: `Weights are constants of ${Object.keys(weightInputs).join(', ')}.` },
  )
}

function count(graph: Graph, op: string): number {
  return graph.nodes.filter(node => node.op === op).length
}

function normNote(before: number, after: number): string {
  const fused = before - after
  const parts = [
    ...(fused > 0 ? [`${fused} fused into the layers before them`] : []),
    ...(after > 0 ? [`${after} kept, of which only scale and bias are trained`] : []),
  ]
  return `Batch normalisations keep the statistics of the file while training: ${parts.join(', ')}.`
}
