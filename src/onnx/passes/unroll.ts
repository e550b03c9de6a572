/**
 * Control flow that is decided before the model runs: If with a constant condition becomes its branch, Loop with a constant
 * number of trips, stated or counted by its condition, and Scan over a fixed length become their bodies, once per trip. Everything else is left in place.
 */
import { bool, int64, type Shape } from '../../tensor/tensor.js'
import type { Attribute, Graph, Initializer, Node } from '../graph.js'
import { Emitter } from './emitter.js'
import { Additions, attributeOf, intAttribute, namesOf, withoutUnused } from './pass.js'
import { countTrips } from './trips.js'

/** A graph does not grow beyond so many nodes: a number of trips comes from a file. */
const mostNodes = 50_000

/** Values whose shape decides how often a Scan runs. */
export function scanInputs(graph: Graph): string[] {
  return graph.nodes.flatMap(node => (isControl(node, 'Scan') ? node.inputs.slice(-1) : []))
}

/** The graph with what is decided unrolled; the same graph when nothing is. `shapeOf` is asked for `scanInputs` only. */
export function unroll(graph: Graph, shapeOf: (name: string) => Shape | undefined): Graph {
  const additions = new Additions(namesOf(graph))
  const unroller = { additions, graph, room: mostNodes - graph.nodes.length, shapeOf }
  let changed = false
  const nodes = graph.nodes.flatMap(node => {
    const expanded = expansions.get(node.domain === '' ? node.op : '')?.(unroller, node)
    if (expanded === undefined) return [node]
    changed = true
    return expanded
  })
  if (!changed) return graph
  // Bodies collect what nobody reads, sequences among others.
  return withoutUnused({ ...graph, nodes, initializers: new Map([...graph.initializers, ...additions.constants]) })
}

interface Unroller {
  readonly additions: Additions
  readonly graph: Graph
  /** Nodes that may still be added. */
  room: number
  shapeOf(name: string): Shape | undefined
}

const expansions: ReadonlyMap<string, (unroller: Unroller, node: Node) => readonly Node[] | undefined> = new Map([
  ['If', inlineIf],
  ['Loop', unrollLoop],
  ['Scan', unrollScan],
])

function isControl(node: Node, op: string): boolean {
  return node.domain === '' && node.op === op
}

function inlineIf(unroller: Unroller, node: Node): readonly Node[] | undefined {
  const condition = constantNumber(unroller.graph.initializers.get(node.inputs[0]!))
  const branch =
    condition === undefined ? undefined : attributeOf(node, condition ? 'then_branch' : 'else_branch', 'graph')
  if (branch === undefined) return undefined
  const { nodes, outputs } = copyOf(unroller, branch, hoisted(unroller, branch))
  return [...nodes, ...named(unroller, outputs, node.outputs)]
}

/** Inputs: trips, condition, state; the body gives on the condition and the state, then what is collected. */
function unrollLoop(unroller: Unroller, node: Node): readonly Node[] | undefined {
  const body = attributeOf(node, 'body', 'graph')
  const { initializers } = unroller.graph
  const trips = node.inputs[0] === '' ? Number.POSITIVE_INFINITY : constantNumber(initializers.get(node.inputs[0]!))
  const first = node.inputs[1] === '' ? 1 : constantNumber(initializers.get(node.inputs[1]!))
  if (body === undefined || trips === undefined || first === undefined) return undefined
  const most = first === 0 ? 0 : trips
  const count = staysTrue(body, initializers)
    ? most
    : countTrips({ body, initial: node.inputs.slice(2), constants: initializers, most: Math.min(most, unroller.room) })
  if (count === undefined) return undefined
  const carried = body.inputs.length - 2
  const collected = body.outputs.length - 1 - carried
  if ((count === 0 && collected > 0) || !fits(unroller, body, count)) return undefined
  const truth = unroller.additions.constant(bool([true], []), `${node.outputs[0]}/goes_on`)
  return repeated(unroller, node, { body, count, carried, collected }, node.inputs.slice(2), (trip, e) => [
    e.op('Identity', [unroller.additions.constant(int64([trip], []), `${node.outputs[0]}/trip`)]),
    truth,
  ])
}

/** Inputs: state, then sequences, of which the body sees one element per trip. */
function unrollScan(unroller: Unroller, node: Node): readonly Node[] | undefined {
  const body = attributeOf(node, 'body', 'graph')
  const sequences = attributeOf(node, 'num_scan_inputs', 'int')
  if (body === undefined || sequences === undefined) return undefined
  const carried = node.inputs.length - sequences
  const axes = attributeOf(node, 'scan_input_axes', 'ints')
  const backwards = attributeOf(node, 'scan_input_directions', 'ints')
  const shape = unroller.shapeOf(node.inputs.at(-1)!)
  const count = shape?.at(axes?.at(-1) ?? 0)
  const collected = body.outputs.length - carried
  const turned = ['scan_output_axes', 'scan_output_directions'].some(name =>
    attributeOf(node, name, 'ints')?.some(value => value !== 0),
  )
  if (count === undefined || count === 0 || turned || !fits(unroller, body, count)) return undefined
  const e = new Emitter(unroller.additions, node.outputs.find(name => name !== '') ?? 'scan')
  const elements = node.inputs.slice(carried).map((name, i) => {
    const axis = axes?.[i] ?? 0
    const attributes = { axis: intAttribute(axis), num_outputs: intAttribute(count) }
    const parts = count === 1 ? [name] : e.split('Split', [name], count, attributes)
    const squeezed = parts.map(part => e.op('Squeeze', [part, e.integers(axis)]))
    return backwards?.[i] === 1 ? squeezed.reverse() : squeezed
  })
  const shown = (trip: number) => elements.map(parts => parts[trip]!)
  const rolled = repeated(
    unroller,
    node,
    { body, count, carried, collected },
    node.inputs.slice(0, carried),
    shown,
    true,
  )
  return [...e.nodes, ...rolled]
}

interface Repetition {
  readonly body: Graph
  readonly count: number
  /** Values handed from trip to trip. */
  readonly carried: number
  /** Values of all trips that are stacked up. */
  readonly collected: number
}

/**
 * The body once per trip. `shown` gives what a trip sees besides the state: before it, as in Loop, or with `after` behind
 * it, as in Scan. Loop's first output is its condition.
 */
function repeated(
  unroller: Unroller,
  node: Node,
  { body, count, carried, collected }: Repetition,
  initial: readonly string[],
  shown: (trip: number, e: Emitter) => readonly string[],
  after = false,
): readonly Node[] {
  const stem = node.outputs.find(name => name !== '') ?? 'loop'
  const nodes: Node[] = []
  const stacks = Array.from({ length: collected }, (): string[] => [])
  const constants = hoisted(unroller, body)
  let state = initial
  for (let trip = 0; trip < count; trip++) {
    const [before, behind] = [new Emitter(unroller.additions, stem), new Emitter(unroller.additions, stem)]
    const seen = shown(trip, before)
    const given = after ? [...state, ...seen] : [...seen, ...state]
    const inputs = body.inputs.map((input, i) => [input.name, given[i]!] as const)
    const copy = copyOf(unroller, body, new Map([...constants, ...inputs]))
    const outputs = after ? copy.outputs : copy.outputs.slice(1)
    state = outputs.slice(0, carried)
    outputs.slice(carried).forEach((name, i) => {
      stacks[i]!.push(behind.op('Unsqueeze', [name, behind.integers(0)]))
    })
    nodes.push(...before.nodes, ...copy.nodes, ...behind.nodes)
  }
  const e = new Emitter(unroller.additions, stem)
  const joined = stacks.map(parts => e.op('Concat', parts, { axis: intAttribute(0) }))
  return [...nodes, ...e.nodes, ...named(unroller, [...state, ...joined], node.outputs)]
}

/** The outputs under the names that the rest of the graph knows. */
function named({ additions }: Unroller, from: readonly string[], to: readonly string[]): Node[] {
  const e = new Emitter(additions, 'named')
  from.forEach((name, i) => {
    if ((to[i] ?? '') !== '') e.op('Identity', [name], {}, to[i])
  })
  return e.nodes
}

/** Whether the body's condition cannot become false. */
function staysTrue(body: Graph, outer: ReadonlyMap<string, Initializer>): boolean {
  let name = body.outputs[0]?.name
  for (;;) {
    if (name === body.inputs[1]?.name) return true
    const constant = constantNumber(body.initializers.get(name ?? '') ?? outer.get(name ?? ''))
    if (constant !== undefined) return constant !== 0
    const maker = body.nodes.find(node => node.outputs.includes(name ?? ''))
    if (maker?.op !== 'Identity') return false
    name = maker.inputs[0]
  }
}

function fits(unroller: Unroller, body: Graph, count: number): boolean {
  const needed = count * (body.nodes.length + body.outputs.length + 2)
  if (!(needed <= unroller.room)) return false
  unroller.room -= needed
  return true
}

function constantNumber(constant: Initializer | undefined): number | undefined {
  if (constant === undefined || constant.shape.some(dim => dim !== 1)) return undefined
  const [value] = constant.load().data
  return typeof value === 'string' ? undefined : Number(value)
}

/** A body's constants as constants of the graph: once for all trips. Gives their new names. */
function hoisted({ additions }: Unroller, body: Graph): Map<string, string> {
  const names = new Map<string, string>()
  for (const [name, constant] of body.initializers) {
    const own = additions.fresh(name)
    additions.constants.set(own, constant)
    names.set(name, own)
  }
  return names
}

/** The nodes of a body with names of their own; `bindings` says what stands for its inputs and constants. */
function copyOf({ additions }: Unroller, body: Graph, bindings: ReadonlyMap<string, string>) {
  const names = new Map(bindings)
  const known = (name: string) => names.get(name) ?? name
  const nodes = body.nodes.flatMap((node): Node[] => {
    const e = new Emitter(additions, node.outputs[0]!)
    // Within a body nobody checks that what Range is given has no dimensions; in the graph the engine does.
    const inputs = node.inputs.map(known).map(name => (isControl(node, 'Range') ? e.op('Squeeze', [name]) : name))
    const attributes = renamedAttributes(node, names)
    const outputs = node.outputs.map(name => {
      if (name === '') return ''
      const own = additions.fresh(name)
      names.set(name, own)
      return own
    })
    return [...e.nodes, { ...node, inputs, outputs, attributes }]
  })
  return { nodes, outputs: body.outputs.map(output => known(output.name)) }
}

function renamedAttributes(node: Node, names: ReadonlyMap<string, string>): ReadonlyMap<string, Attribute> {
  if (![...node.attributes.values()].some(attribute => attribute.type === 'graph')) return node.attributes
  return new Map(
    Array.from(node.attributes, ([key, attribute]): [string, Attribute] => [
      key,
      attribute.type === 'graph' ? { type: 'graph', value: renamed(attribute.value, names) } : attribute,
    ]),
  )
}

/** A graph within a body: what it takes from outside is renamed, what it defines itself is not. */
function renamed(graph: Graph, names: ReadonlyMap<string, string>): Graph {
  const own = new Set([
    ...graph.inputs.map(input => input.name),
    ...graph.initializers.keys(),
    ...graph.nodes.flatMap(node => node.outputs),
  ])
  const free = new Map([...names].filter(([name]) => !own.has(name)))
  const nodes = graph.nodes.map(node => ({
    ...node,
    inputs: node.inputs.map(name => free.get(name) ?? name),
    attributes: renamedAttributes(node, free),
  }))
  const outputs = graph.outputs.map(output => ({ ...output, name: free.get(output.name) ?? output.name }))
  return { ...graph, nodes, outputs }
}
