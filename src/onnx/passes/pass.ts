/** What passes share: their result, names that are free, and short ways to make nodes. */
import type { Tensor } from '../../tensor/tensor.js'
import { type Attribute, type Dim, type Graph, type Initializer, initializer, type Node } from '../graph.js'

/** A rewritten graph and what was done, in sentences for people; no sentence when nothing was. */
export interface Rewritten<G extends Graph = Graph> {
  readonly graph: G
  readonly notes: readonly string[]
}

/** Every name that a graph uses for a value, in its subgraphs too. */
export function namesOf(graph: Graph, names: Set<string> = new Set()): Set<string> {
  for (const info of [...graph.inputs, ...graph.outputs]) names.add(info.name)
  for (const name of graph.initializers.keys()) names.add(name)
  for (const node of graph.nodes) {
    for (const name of node.inputs) names.add(name)
    for (const name of node.outputs) names.add(name)
    for (const attribute of node.attributes.values()) if (attribute.type === 'graph') namesOf(attribute.value, names)
  }
  return names
}

/** Collects new constants and gives out names that are not in use. */
export class Additions {
  readonly constants = new Map<string, Initializer>()
  readonly #used: Set<string>
  /** The number to try next for a wish: unrolled loops wish for one name thousands of times. */
  readonly #tried = new Map<string, number>()

  constructor(used: Set<string>) {
    this.#used = used
  }

  fresh(wish: string): string {
    let name = wish
    let i = this.#tried.get(wish) ?? 1
    for (; name === '' || this.#used.has(name); i++) name = `${wish}_${i}`
    this.#tried.set(wish, i)
    this.#used.add(name)
    return name
  }

  constant(tensor: Tensor, wish: string): string {
    const name = this.fresh(wish)
    this.constants.set(name, initializer(tensor))
    return name
  }
}

export function makeNode(
  op: string,
  inputs: readonly string[],
  outputs: readonly string[],
  attributes: Readonly<Record<string, Attribute>> = {},
): Node {
  return { name: outputs[0] ?? '', op, domain: '', inputs, outputs, attributes: new Map(Object.entries(attributes)) }
}

/** The node with other inputs, and attributes changed or (undefined) taken away. */
export function changed(
  node: Node,
  change: {
    readonly inputs?: readonly string[]
    readonly attributes?: Readonly<Record<string, Attribute | undefined>>
  },
): Node {
  const attributes = new Map(node.attributes)
  for (const [name, value] of Object.entries(change.attributes ?? {})) {
    if (value === undefined) attributes.delete(name)
    else attributes.set(name, value)
  }
  const inputs = [...(change.inputs ?? node.inputs)]
  while (inputs.at(-1) === '') inputs.pop()
  return { ...node, inputs, attributes }
}

export const intAttribute = (value: number): Attribute => ({ type: 'int', value })
export const textAttribute = (value: string): Attribute => ({ type: 'string', value })
export const intsAttribute = (value: readonly number[]): Attribute => ({ type: 'ints', value })

type ValuesByType = { [A in Attribute as A['type']]: A['value'] }

/** An attribute's value when it is there and of that type. */
export function attributeOf<T extends Attribute['type']>(
  node: Node,
  name: string,
  type: T,
): ValuesByType[T] | undefined {
  const attribute = node.attributes.get(name)
  return attribute?.type === type ? (attribute.value as ValuesByType[T]) : undefined
}

/** Shapes as far as the file states them. */
export function statedShapes(graph: Graph): Map<string, readonly Dim[]> {
  const shapes = new Map<string, readonly Dim[]>()
  for (const info of [...graph.valueInfo.values(), ...graph.outputs, ...graph.inputs]) {
    if (info.shape !== undefined) shapes.set(info.name, info.shape)
  }
  for (const [name, constant] of graph.initializers) shapes.set(name, constant.shape)
  return shapes
}

/** Drops nodes that no output needs, and constants that nothing uses. */
export function withoutUnused<G extends Graph>(graph: G): G {
  const needed = new Set(graph.outputs.map(output => output.name))
  const nodes: Node[] = []
  for (const node of graph.nodes.toReversed()) {
    if (!node.outputs.some(name => needed.has(name))) continue
    nodes.push(node)
    for (const name of node.inputs) needed.add(name)
    for (const attribute of node.attributes.values()) {
      if (attribute.type === 'graph') namesOf(attribute.value, needed)
    }
  }
  const initializers = new Map([...graph.initializers].filter(([name]) => needed.has(name)))
  return { ...graph, nodes: nodes.reverse(), initializers }
}

/** 'Conv, Relu and 3 more' */
export function listed(names: readonly string[], most = 8): string {
  const shown = names.slice(0, most).map(name => `"${name}"`)
  return names.length > most ? `${shown.join(', ')} and ${names.length - most} more` : shown.join(', ')
}
