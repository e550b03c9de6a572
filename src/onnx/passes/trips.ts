/**
 * How often a Loop runs whose condition is computed: as exporters write `while i < n`, from values that are handed from trip to
 * trip and start as constants. What the condition needs is evaluated, trip by trip; the rest of the body is not looked at.
 */
import type { Tensor } from '../../tensor/tensor.js'
import type { Graph, Initializer, Node } from '../graph.js'
import { isOperator } from '../operators.js'
import { evaluate } from '../reference/evaluate.js'

export interface CountedLoop {
  readonly body: Graph
  /** Before the first trip, in the order of the body's inputs after the number of the trip and the condition. */
  readonly initial: readonly string[]
  /** Constants of the graph around. */
  readonly constants: ReadonlyMap<string, Initializer>
  /** The loop stops after so many. */
  readonly most: number
}

/** Trips of a loop whose condition holds at its start; undefined when it depends on more than constants. */
export function countTrips({ body, initial, constants, most }: CountedLoop): number | undefined {
  const known = new Map([...constants, ...body.initializers])
  const states = body.inputs.slice(2).map(({ name }, i) => ({ name, from: initial[i]!, to: body.outputs[i + 1]!.name }))
  const needed = neededFor(body, states)
  const own = states.filter(({ name }) => needed.has(name))
  const nodes = body.nodes.filter(node => node.outputs.some(name => needed.has(name)))
  const given = new Set([...body.inputs.map(({ name }) => name), ...nodes.flatMap(({ outputs }) => outputs), ''])
  const closed =
    nodes.every(node => isOperator(node) && node.inputs.every(name => given.has(name) || known.has(name))) &&
    own.every(({ from }) => constants.has(from)) &&
    !needed.has(body.inputs[1]!.name)
  if (!closed) return undefined
  const condition: Graph = { ...body, nodes, initializers: usedBy(nodes, known) }
  const trip = body.inputs[0]!.name
  let values = new Map<string, Tensor>(own.map(({ name, from }) => [name, constants.get(from)!.load()]))
  for (let count = 0; count < most; count++) {
    const number: Tensor = { dtype: 'int64', shape: [], data: BigInt64Array.of(BigInt(count)) }
    const found = evaluate(condition, new Map([...values, [trip, number]]))
    const read = (name: string) => found.get(name) ?? known.get(name)!.load()
    if (Number(read(body.outputs[0]!.name).data[0]) === 0) return count + 1
    values = new Map(own.map(({ name, to }) => [name, read(to)]))
  }
  return most
}

/** Names that the condition needs, and what is handed on to those of them that are states. */
function neededFor(body: Graph, states: readonly { readonly name: string; readonly to: string }[]): Set<string> {
  const makers = new Map(body.nodes.flatMap(node => node.outputs.map(name => [name, node] as const)))
  const handedOn = new Map(states.map(({ name, to }) => [name, to]))
  const needed = new Set<string>()
  const open = [body.outputs[0]!.name]
  for (let name = open.pop(); name !== undefined; name = open.pop()) {
    if (needed.has(name)) continue
    needed.add(name)
    const next = handedOn.get(name)
    open.push(...(makers.get(name)?.inputs ?? []), ...(next === undefined ? [] : [next]))
  }
  return needed
}

function usedBy(nodes: readonly Node[], constants: ReadonlyMap<string, Initializer>): Map<string, Initializer> {
  const names = nodes.flatMap(({ inputs }) => inputs)
  return new Map(names.flatMap(name => (constants.has(name) ? [[name, constants.get(name)!]] : [])))
}
