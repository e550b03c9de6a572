/** Brings a graph to the canonical opset, so that every table over operators sees one version of each. */
import { RobustlyError } from '../../errors.js'
import type { DataType } from '../../tensor/tensor.js'
import { newestOpset } from '../codec/index.js'
import type { Attribute, Graph, Node } from '../graph.js'
import { canonicalOpset, isOperator, operators } from '../operators.js'
import { newerOperators } from './newer.js'
import { Additions, listed, namesOf, type Rewritten, statedShapes } from './pass.js'
import { type StepContext, versionSteps } from './versions.js'

/** The oldest opset that is understood: element-wise operators broadcast as numpy does since then. */
export const oldestOpset = 7

/**
 * The same function with ai.onnx operators of the canonical opset. Operators that are not known are left alone, and so
 * are those of other domains. Versions 22 to 26 only allow more types for the operators of the table, so they pass.
 * Throws `model-unsupported` for opsets before 7 and after 26, for operators newer than the canonical opset, and for old
 * versions without an exact counterpart.
 */
export function canonical(graph: Graph): Rewritten {
  const opset = graph.opsets.get('') ?? (usesStandard(graph) ? 1 : canonicalOpset)
  if (opset < oldestOpset || opset > newestOpset) {
    throw new RobustlyError(
      'model-unsupported',
      `the model uses opset ${opset}; opsets ${oldestOpset} to ${newestOpset} are understood`,
      {
        hint:
          opset > newestOpset
            ? `re-export with opset <= ${newestOpset}`
            : `re-export with opset ${canonicalOpset}, or convert it: onnx.version_converter.convert_version(model, ${canonicalOpset})`,
      },
    )
  }
  refuseNewer(graph, opset)
  const names = namesOf(graph)
  const upgraded = upgrade(graph, opset, names)
  for (const node of upgraded.nodes) if (isOperator(node)) checkCounts(node, operators[node.op].inputs)
  const domains = new Set([''])
  collectDomains(upgraded, domains)
  const opsets = new Map([...graph.opsets].filter(([domain]) => domains.has(domain)).concat([['', canonicalOpset]]))
  const notes =
    opset === canonicalOpset ? [] : [`Operators were brought from opset ${opset} to opset ${canonicalOpset}.`]
  return { graph: withOpsets(upgraded, opsets), notes }
}

/** So that nobody later meets an input that is not there. */
function checkCounts(node: Node, [least, most]: readonly [number, number]): void {
  const enough = node.inputs.length >= least && !node.inputs.slice(0, least).includes('')
  if (enough && node.inputs.length <= most && node.outputs.some(name => name !== '')) return
  const expected = least === most ? `${least}` : `${least} to ${most}`
  throw new RobustlyError(
    'model-invalid',
    `node "${node.name}" (${node.op}) has the inputs [${node.inputs}] and the outputs [${node.outputs}]; ${expected} inputs and an output are needed`,
  )
}

/** Operators that came after the canonical opset and are not rewritten: the versions after it are only otherwise harmless. */
const withoutCounterpart: ReadonlyMap<string, number> = new Map([
  ['BitCast', 26],
  ['CumProd', 26],
  ['TensorScatter', 24],
])

function refuseNewer(graph: Graph, opset: number): void {
  const newer = graph.nodes.filter(
    node => node.domain === '' && (withoutCounterpart.get(node.op) ?? opset + 1) <= opset,
  )
  if (newer.length === 0) return
  const names = newer.map(node => `${node.name} (${node.op})`)
  throw new RobustlyError(
    'model-unsupported',
    `operators that are newer than opset ${canonicalOpset} are not supported: ${listed(names)}`,
    { hint: `re-export with opset ${canonicalOpset}: exporters then write them with older operators` },
  )
}

function upgrade(graph: Graph, opset: number, names: Set<string>): Graph {
  const additions = new Additions(names)
  const shapes = statedShapes(graph)
  const dtypes = statedTypes(graph)
  const used = usedNames(graph)
  const fallback = graph.inputs.find(input => /float/.test(input.dtype))?.dtype
  const context: StepContext = {
    additions,
    shapeOf: name => shapes.get(name),
    dtypeOf: name => dtypes.get(name) ?? (fallback === undefined || fallback === 'other' ? 'float32' : fallback),
    isUsed: name => used.has(name),
  }
  const nodes = graph.nodes.flatMap(node => {
    const inner = withSubgraphs(node, subgraph => upgrade(subgraph, opset, names))
    if (node.domain !== '') return [inner]
    return upgradeNode(inner, opset, context)
  })
  return { ...graph, nodes, initializers: new Map([...graph.initializers, ...additions.constants]) }
}

/** A step may yield several nodes; only the one of the operator at hand has further steps to take. */
function upgradeNode(node: Node, opset: number, context: StepContext): readonly Node[] {
  const newer = newerOperators.get(node.op)
  if (newer !== undefined && newer.since <= opset) return newer.rewrite(node, context)
  let nodes: readonly Node[] = [node]
  for (const step of versionSteps.get(node.op) ?? []) {
    if (step.since <= opset) continue
    if (node.inputs.length === 0 || node.outputs.length === 0) checkCounts(node, [1, Number.POSITIVE_INFINITY])
    nodes = nodes.flatMap(each => (each.op === node.op ? step.upgrade(each, context) : [each]))
  }
  return nodes
}

function withSubgraphs(node: Node, change: (graph: Graph) => Graph): Node {
  if (![...node.attributes.values()].some(attribute => attribute.type === 'graph')) return node
  const attributes = Array.from(node.attributes, ([name, attribute]): [string, Attribute] => [
    name,
    attribute.type === 'graph' ? { type: 'graph', value: change(attribute.value) } : attribute,
  ])
  return { ...node, attributes: new Map(attributes) }
}

function withOpsets(graph: Graph, opsets: ReadonlyMap<string, number>): Graph {
  return { ...graph, opsets, nodes: graph.nodes.map(node => withSubgraphs(node, inner => withOpsets(inner, opsets))) }
}

function collectDomains(graph: Graph, domains: Set<string>): void {
  for (const node of graph.nodes) {
    domains.add(node.domain)
    for (const attribute of node.attributes.values()) {
      if (attribute.type === 'graph') collectDomains(attribute.value, domains)
    }
  }
}

function usesStandard(graph: Graph): boolean {
  return graph.nodes.some(node => node.domain === '')
}

function statedTypes(graph: Graph): Map<string, DataType> {
  const types = new Map<string, DataType>()
  for (const info of [...graph.valueInfo.values(), ...graph.outputs, ...graph.inputs]) {
    if (info.dtype !== 'other') types.set(info.name, info.dtype)
  }
  for (const [name, constant] of graph.initializers) types.set(name, constant.dtype)
  return types
}

function usedNames(graph: Graph): Set<string> {
  const used = new Set(graph.outputs.map(output => output.name))
  for (const node of graph.nodes) {
    for (const name of node.inputs) used.add(name)
    for (const attribute of node.attributes.values()) {
      if (attribute.type === 'graph') namesOf(attribute.value, used)
    }
  }
  return used
}
