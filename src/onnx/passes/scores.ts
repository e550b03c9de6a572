/**
 * Which output of a model tells the classes: the scores where there are any, also behind ZipMap, else the labels alone.
 * Classifiers of scikit-learn, XGBoost and LightGBM give the label first and the probabilities second, as a tensor or as
 * one dictionary per sample.
 */
import { RobustlyError } from '../../errors.js'
import { wholeRange } from '../../tensor/convert.js'
import type { Graph, Node, ValueInfo } from '../graph.js'
import { attributeOf, withoutUnused } from './pass.js'

/** What stands for the classes when a model gives nothing but labels, in the order of the classes. */
export type ClassLabels = readonly (string | number)[]

export interface ScoredGraph {
  /** The graph with one output, `output`. The same object when it was like that already. */
  readonly graph: Graph
  readonly output: ValueInfo
  /** For outputs that are labels: class i has labels[i]. */
  readonly labels: ClassLabels | undefined
  readonly notes: readonly string[]
}

/** Throws `model-unsupported` when no output tells the classes. */
export function scoresOf(graph: Graph): ScoredGraph {
  const found = scoreTensor(graph) ?? zippedScores(graph)
  if (found !== undefined) return { ...withOutput(graph, found), labels: undefined }
  const label = graph.outputs.find(({ dtype }) => dtype === 'string' || wholeRange(dtype) !== undefined)
  const labels = label === undefined ? undefined : labelsBehind(graph, label.name)
  if (label !== undefined && labels !== undefined) {
    const { graph: alone, notes } = withOutput(graph, label)
    const says = `The model gives labels without scores ("${label.name}"): attacks by scores see no more than attacks by labels.`
    return { graph: alone, output: label, labels, notes: [...notes, says] }
  }
  const first = graph.outputs[0]
  if (first === undefined) throw new RobustlyError('model-invalid', 'the model has no output')
  throw new RobustlyError(
    'model-unsupported',
    `no output of the model holds scores: "${first.name}" is ${first.typeText ?? first.dtype}`,
    {
      hint: 'Export the scores (logits or probabilities) as an output, as a tensor: for scikit-learn models with zipmap=False.',
    },
  )
}

const floats: ReadonlySet<string> = new Set(['float32', 'float16', 'float64'])

/** What exporters and people call scores: features may stand before them. */
const scoreNames = /^(logits?|scores?|prob(s|a|abilit(y|ies))?)$/i

/**
 * The output of floats that is named as scores are, else the first with a dimension for classes; small integers are scores that were
 * quantised.
 */
function scoreTensor(graph: Graph): ValueInfo | undefined {
  const wide = ({ shape }: ValueInfo) => shape === undefined || shape.length !== 1
  const [first] = graph.outputs
  const named = graph.outputs.find(output => floats.has(output.dtype) && wide(output) && scoreNames.test(output.name))
  if (named !== undefined) return named
  if (first !== undefined && floats.has(first.dtype)) return first
  const float = graph.outputs.find(output => floats.has(output.dtype) && wide(output))
  if (float !== undefined) return float
  const small = first?.dtype === 'uint8' || first?.dtype === 'int8'
  return small && first.shape !== undefined && first.shape.length >= 2 ? first : undefined
}

/** What goes into the ZipMap that makes an output. */
function zippedScores(graph: Graph): ValueInfo | undefined {
  for (const output of graph.outputs) {
    const maker = graph.nodes.find(node => node.outputs.includes(output.name))
    if (maker?.op !== 'ZipMap' || maker.domain !== 'ai.onnx.ml') continue
    const name = maker.inputs[0]!
    return graph.valueInfo.get(name) ?? { name, dtype: 'float32', shape: undefined }
  }
  return undefined
}

function withOutput(graph: Graph, output: ValueInfo): Pick<ScoredGraph, 'graph' | 'output' | 'notes'> {
  if (graph.outputs.length === 1 && graph.outputs[0] === output) return { graph, output, notes: [] }
  const notes = graph.outputs.includes(output)
    ? [`The scores are the output "${output.name}"; the others are not looked at.`]
    : [`The scores are taken from "${output.name}", before ZipMap makes dictionaries of them.`]
  return { graph: withoutUnused({ ...graph, outputs: [output] }), output, notes }
}

/** Nodes that hand labels on as they are, by their first input. */
const handOn = new Set(['Cast', 'Identity', 'Reshape', 'Flatten', 'Squeeze', 'Unsqueeze'])

/** The labels that the node behind an output chooses from, in the order of the classes. */
function labelsBehind(graph: Graph, name: string): ClassLabels | undefined {
  const makers = new Map(graph.nodes.flatMap(node => node.outputs.map(output => [output, node] as const)))
  let node = makers.get(name)
  while (node !== undefined && handOn.has(node.op)) node = makers.get(node.inputs[0]!)
  if (node === undefined) return undefined
  if (node.op === 'ArgMax') return placesOf(graph, node)
  return node.op === 'ArrayFeatureExtractor' ? constantLabels(graph, node) : statedLabels(node)
}

function statedLabels(node: Node): ClassLabels | undefined {
  for (const name of ['classlabels_strings', 'classlabels_int64s', 'classlabels_ints']) {
    const labels = attributeOf(node, name, 'strings') ?? attributeOf(node, name, 'ints')
    if (labels !== undefined && labels.length > 0) return labels
  }
  return undefined
}

/** ArgMax gives places among as many scores as the file states. */
function placesOf(graph: Graph, node: Node): ClassLabels | undefined {
  const shape = graph.valueInfo.get(node.inputs[0]!)?.shape
  const count = shape?.at(attributeOf(node, 'axis', 'int') ?? 0)
  return typeof count === 'number' && count > 1 ? Array.from({ length: count }, (_, i) => i) : undefined
}

/** ArrayFeatureExtractor picks labels from a constant. */
function constantLabels(graph: Graph, node: Node): ClassLabels | undefined {
  const tensor = graph.initializers.get(node.inputs[0]!)?.load()
  if (tensor === undefined) return undefined
  if (tensor.dtype === 'string') return tensor.data
  return wholeRange(tensor.dtype) === undefined ? undefined : Array.from(tensor.data as Int32Array, Number)
}
