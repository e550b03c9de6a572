/** What the inference engine itself does to graphs: constant folding and shape inference. */
import { RobustlyError } from '../../errors.js'
import { type Shape, sizeOf } from '../../tensor/tensor.js'
import type { ModelFunction } from '../codec/index.js'
import type { GraphEngine } from '../engine.js'
import type { Dim, Graph, TypedGraph, ValueInfo, ValueType } from '../graph.js'
import { canonical } from './canonical.js'
import { withoutSequences } from './sequences.js'
import { scanInputs, unroll } from './unroll.js'

/**
 * The same function with constants folded, batch norms fused, shape subgraphs and decided control flow gone, at the canonical opset. Give it a
 * graph with fixed shapes (`withBatch`), for the less is symbolic the more can be folded.
 * `functions` are the model's own functions, which the engine expands.
 */
export async function simplify(
  graph: Graph,
  engine: GraphEngine,
  functions: readonly ModelFunction[] = [],
): Promise<Graph> {
  let simple = await folded(graph, engine, functions)
  // What is folded decides how often loops run, and the other way round for loops within loops.
  for (let depth = 0; depth < deepestLoops; depth++) {
    const shapes = await shapesOf(simple, scanInputs(simple), engine)
    const unrolled = withoutSequences(unroll(simple, name => shapes.get(name)))
    if (unrolled === simple) break
    simple = await folded(unrolled, engine, functions)
  }
  return simple
}

const deepestLoops = 4

async function folded(graph: Graph, engine: GraphEngine, functions: readonly ModelFunction[]): Promise<Graph> {
  const simple = canonical(await engine.simplify({ graph, functions })).graph
  return { ...simple, name: graph.name, inputs: graph.inputs, outputs: graph.outputs, valueInfo: new Map() }
}

/** Fixed shapes of some values, by the engine's inference. */
async function shapesOf(graph: Graph, names: readonly string[], engine: GraphEngine): Promise<Map<string, Shape>> {
  const shapes = new Map<string, Shape>()
  if (names.length === 0) return shapes
  const asked = [...new Set(names)].filter(name => !graph.outputs.some(output => output.name === name))
  const outputs = asked.map((name): ValueInfo => ({ name, dtype: 'other', typeText: 'unknown', shape: undefined }))
  const known = await engine.outputTypes({ graph: { ...graph, outputs: [...graph.outputs, ...outputs] } })
  for (const name of names) {
    const shape = known.get(name)?.shape
    if (shape?.every(dim => typeof dim === 'number')) shapes.set(name, shape as Shape)
  }
  return shapes
}

/**
 * The graph with the fixed type of every value. Throws `model-unsupported` naming the values whose shape the engine
 * cannot infer.
 */
export async function typed(graph: Graph, engine: GraphEngine): Promise<TypedGraph> {
  const types = new Map<string, ValueType>()
  for (const [name, { dtype, shape }] of graph.initializers) types.set(name, { dtype, shape })
  for (const input of graph.inputs) types.set(input.name, fixed(input.name, input))
  const listed = new Set([...types.keys(), ...graph.outputs.map(output => output.name)])
  const more: ValueInfo[] = []
  for (const name of graph.nodes.flatMap(node => node.outputs)) {
    if (name === '' || listed.has(name)) continue
    listed.add(name)
    more.push({ name, dtype: 'other', typeText: 'unknown', shape: undefined })
  }
  // Some files state another shape of an output than it has: what is inferred counts, where anything is.
  const own = graph.outputs.map(output => ({ ...output, shape: undefined }))
  const known = await engine.outputTypes({ graph: withoutWeights({ ...graph, outputs: [...own, ...more] }) })
  for (const [name, type] of known) {
    if (types.has(name)) continue
    const stated = isFixed(type.shape) ? undefined : graph.outputs.find(output => output.name === name)
    types.set(name, fixed(name, { ...type, shape: stated?.shape ?? type.shape }))
  }
  return { ...graph, types }
}

/** Weights as inputs: shapes do not depend on what they hold, and they are most of a model's size. */
function withoutWeights(graph: Graph): Graph {
  const kept = new Set(graph.outputs.map(output => output.name))
  const weights = [...graph.initializers].filter(
    ([name, { dtype, shape }]) => dtype === 'float32' && sizeOf(shape) >= fewestElements && !kept.has(name),
  )
  const initializers = new Map(graph.initializers)
  for (const [name] of weights) initializers.delete(name)
  const inputs = weights.map(([name, { dtype, shape }]) => ({ name, dtype, shape }))
  return { ...graph, inputs: [...graph.inputs, ...inputs], initializers }
}

/** Fewer may be scales of a Resize and the like, which do decide shapes. */
const fewestElements = 1024

function isFixed(shape: readonly Dim[] | undefined): shape is Shape {
  return shape?.every(dim => typeof dim === 'number') === true
}

function fixed(name: string, type: { readonly dtype: string; readonly shape: readonly Dim[] | undefined }): ValueType {
  const { dtype, shape } = type
  if (dtype !== 'other' && isFixed(shape)) return { dtype, shape } as ValueType
  const got = dtype === 'other' ? 'it is no tensor' : `[${shape?.map(dim => dim ?? '?').join(', ') ?? 'unknown rank'}]`
  throw new RobustlyError('model-unsupported', `the shape of the value "${name}" is not fixed: ${got}`, {
    hint: 'export the model with fixed spatial dimensions, or state the shape of its input',
  })
}
