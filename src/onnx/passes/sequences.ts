/**
 * Sequences whose elements are known without running the model, such as those that unrolled loops collect, become the tensors
 * that they hold. Everything else is left in place.
 */
import type { Graph, Initializer, Node } from '../graph.js'
import { Emitter } from './emitter.js'
import { Additions, attributeOf, intAttribute, namesOf, withoutUnused } from './pass.js'

/** The same graph when there is nothing to do. */
export function withoutSequences(graph: Graph): Graph {
  const additions = new Additions(namesOf(graph))
  const sequences = new Map<string, readonly string[]>()
  let changed = false
  const nodes = graph.nodes.flatMap(node => {
    const rule = node.domain === '' ? rules.get(node.op) : undefined
    if (rule === undefined) return [node]
    const e = new Emitter(additions, node.outputs[0]!)
    const done = rule({ node, sequences, constants: graph.initializers, e })
    if (done === undefined) return [node]
    if ('elements' in done) sequences.set(node.outputs[0]!, done.elements)
    changed ||= !('elements' in done)
    // What makes a sequence stays, for readers that are not known here; it is dropped when there are none.
    return 'elements' in done ? [node] : e.nodes
  })
  if (!changed) return graph
  return withoutUnused({ ...graph, nodes, initializers: new Map([...graph.initializers, ...additions.constants]) })
}

interface Case {
  readonly node: Node
  readonly sequences: ReadonlyMap<string, readonly string[]>
  readonly constants: ReadonlyMap<string, Initializer>
  readonly e: Emitter
}

/** What the sequence holds, or 'written' when the emitter holds nodes for a tensor; undefined: nothing is known. */
type Done = { readonly elements: readonly string[] } | { readonly written: true } | undefined

const rules: ReadonlyMap<string, (given: Case) => Done> = new Map([
  ['SequenceEmpty', () => ({ elements: [] })],
  ['SequenceConstruct', ({ node }) => ({ elements: node.inputs })],
  ['SequenceInsert', inserted],
  ['SequenceAt', elementAt],
  ['ConcatFromSequence', joined],
])

function inserted({ node, sequences, constants }: Case): Done {
  const elements = sequences.get(node.inputs[0]!)
  if (elements === undefined) return undefined
  const at = placeIn(elements.length + 1, node.inputs[2], constants, elements.length)
  return at === undefined ? undefined : { elements: elements.toSpliced(at, 0, node.inputs[1]!) }
}

function elementAt({ node, sequences, constants, e }: Case): Done {
  const elements = sequences.get(node.inputs[0]!)
  const at = elements && placeIn(elements.length, node.inputs[1], constants, undefined)
  if (at === undefined) return undefined
  e.op('Identity', [elements![at]!], {}, node.outputs[0])
  return { written: true }
}

function joined({ node, sequences, e }: Case): Done {
  const elements = sequences.get(node.inputs[0]!)
  if (elements === undefined || elements.length === 0) return undefined
  const axis = attributeOf(node, 'axis', 'int') ?? 0
  const stacked = attributeOf(node, 'new_axis', 'int') === 1
  const parts = stacked ? elements.map(name => e.op('Unsqueeze', [name, e.integers(axis)])) : elements
  e.op('Concat', parts, { axis: intAttribute(axis) }, node.outputs[0])
  return { written: true }
}

/** A constant position, counted from the end when negative; undefined when it is computed or outside. */
function placeIn(
  length: number,
  name: string | undefined,
  constants: ReadonlyMap<string, Initializer>,
  otherwise: number | undefined,
): number | undefined {
  if ((name ?? '') === '') return otherwise
  const given = constants.get(name!)?.load().data[0]
  const at = Number(given)
  const place = at < 0 ? at + length : at
  return Number.isInteger(place) && place >= 0 && place < length ? place : undefined
}
