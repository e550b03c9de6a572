/**
 * Several models as one, whose logits are the mean of theirs: what an attack that should transfer searches on. Liu, Chen, Liu, Song,
 * "Delving into transferable adversarial examples and black-box attacks" (ICLR 2017); the mean of logits, not of probabilities, as in Dong et al. (CVPR 2018).
 */
import { RobustlyError } from '../errors.js'
import { GraphBuilder } from '../onnx/build.js'
import type { TypedGraph } from '../onnx/graph.js'
import type { Engine } from '../runtime/engine.js'
import { sizeOf } from '../tensor/tensor.js'
import { type CompiledModel, type CompileOptions, compileGraph, type PreparedModel, specialise } from './compile.js'

/** Throws what `compile` throws, and `config` when the models differ in their number of classes. */
export async function compileMean(
  models: readonly PreparedModel[],
  engine: Engine,
  options: CompileOptions,
): Promise<CompiledModel> {
  const graphs: TypedGraph[] = []
  for (const model of models) graphs.push(await specialise(model, engine, options.batch))
  return compileGraph(graphs.length === 1 ? graphs[0] : meanOf(graphs, options.batch), engine, {
    ...options,
    example: models[0].space.bound?.example,
  })
}

/** One graph from the shared input `data`, and `bound` where there are other inputs, to the mean of the graphs' outputs [batch, classes]. */
export function meanOf(graphs: readonly TypedGraph[], batch: number): TypedGraph {
  const classes = graphs.map(graph => sizeOf(graph.types.get(graph.outputs[0].name)!.shape) / batch)
  if (new Set(classes).size > 1) {
    throw new RobustlyError('config', `the models have ${classes.join(' and ')} classes, expected the same number`)
  }
  const parts = graphs.map((graph, at) => renamed(graph, `model${at}/`))
  const b = new GraphBuilder({
    ...parts[0],
    name: 'mean',
    outputs: [],
    nodes: parts.flatMap(part => part.nodes),
    initializers: new Map(parts.flatMap(part => [...part.initializers])),
    types: new Map(parts.flatMap(part => [...part.types])),
  })
  const logits = parts.map(part => b.reshape(b.value(part.outputs[0].name), [batch, classes[0]]))
  b.output(b.mul(b.sum(...logits), b.scalar(1 / parts.length, logits[0].dtype)), 'logits')
  return b.build()
}

/** The graph with its inputs called `data` and `bound`, and a prefix before every other name. */
function renamed(graph: TypedGraph, prefix: string): TypedGraph {
  const shared = new Map(graph.inputs.map(({ name }, at) => [name, ['data', 'bound'][at]]))
  const rename = (name: string) => (name === '' ? '' : (shared.get(name) ?? `${prefix}${name}`))
  const entries = <V>(map: ReadonlyMap<string, V>) => new Map([...map].map(([name, value]) => [rename(name), value]))
  return {
    ...graph,
    inputs: graph.inputs.map(each => ({ ...each, name: rename(each.name) })),
    outputs: graph.outputs.map(each => ({ ...each, name: rename(each.name) })),
    nodes: graph.nodes.map(node => ({
      ...node,
      inputs: node.inputs.map(rename),
      outputs: node.outputs.map(rename),
    })),
    initializers: entries(graph.initializers),
    valueInfo: new Map(),
    types: entries(graph.types),
  }
}
