/** Checks that the names of a graph make sense together, and puts its nodes in topological order. */
import { RobustlyError } from '../../errors.js'
import type { Node } from '../graph.js'

/** A node with every name it needs: its inputs and what its subgraphs take from outside. */
export interface Consumer {
  readonly node: Node
  readonly needs: readonly string[]
}

/**
 * Nodes in topological order, the file's own where that is one.
 * Throws `model-invalid`, naming node and value, for a value defined twice, a cycle, and a value that nothing defines.
 * In a `nested` graph, names that nothing here defines are left to the enclosing graph and returned as `free`.
 */
export function sorted(
  given: ReadonlySet<string>,
  consumers: readonly Consumer[],
  nested: boolean,
): { nodes: Node[]; free: Set<string> } {
  const producers = producersOf(given, consumers)
  const free = new Set<string>()
  for (const { node, needs } of consumers) {
    for (const name of needs) {
      if (given.has(name) || producers.has(name)) continue
      if (!nested) throw invalid(`${describe(node)} uses the value "${name}", which nothing defines`)
      free.add(name)
    }
  }
  const ready = new Set([...given, ...free])
  const nodes: Node[] = []
  // Files are nearly always in order, so this takes everything.
  const waiting = consumers.filter(({ node, needs }) => {
    if (needs.some(name => !ready.has(name))) return true
    nodes.push(node)
    for (const name of node.outputs) ready.add(name)
    return false
  })
  return { nodes: [...nodes, ...byKahn(waiting, ready, producers)], free }
}

export function describe(node: { readonly name: string; readonly op: string }): string {
  return `node "${node.name}" (${node.op})`
}

function producersOf(given: ReadonlySet<string>, consumers: readonly Consumer[]): Map<string, Node> {
  const producers = new Map<string, Node>()
  for (const { node } of consumers) {
    for (const name of node.outputs) {
      if (name === '') continue
      const other = producers.get(name)
      if (other === undefined && !given.has(name)) {
        producers.set(name, node)
        continue
      }
      const first = other === undefined ? 'an input or initializer' : describe(other)
      throw invalid(`the value "${name}" is defined twice: by ${first} and by ${describe(node)}`)
    }
  }
  return producers
}

/** Kahn's algorithm, linear in nodes and edges, for files whose nodes are shuffled. */
function byKahn(
  waiting: readonly Consumer[],
  ready: ReadonlySet<string>,
  producers: ReadonlyMap<string, Node>,
): Node[] {
  const missing = new Map<Node, number>()
  const users = new Map<Node, Consumer[]>()
  for (const consumer of waiting) {
    const sources = new Set(consumer.needs.filter(name => !ready.has(name)).map(name => producers.get(name)!))
    missing.set(consumer.node, sources.size)
    for (const source of sources) {
      const list = users.get(source)
      if (list === undefined) users.set(source, [consumer])
      else list.push(consumer)
    }
  }
  const queue = waiting.filter(({ node }) => missing.get(node) === 0).map(({ node }) => node)
  for (let at = 0; at < queue.length; at++) {
    for (const { node } of users.get(queue[at]!) ?? []) {
      const left = missing.get(node)! - 1
      missing.set(node, left)
      if (left === 0) queue.push(node)
    }
  }
  if (queue.length === waiting.length) return queue
  const done = new Set(queue)
  throw cycle(
    waiting.filter(({ node }) => !done.has(node)),
    producers,
  )
}

/** Walks backwards from any stuck node until one comes again: that one lies on a cycle. */
function cycle(stuck: readonly Consumer[], producers: ReadonlyMap<string, Node>): RobustlyError {
  const left = new Map(stuck.map(consumer => [consumer.node, consumer]))
  const seen = new Set<Node>()
  let at = stuck[0]!
  let through = ''
  while (!seen.has(at.node)) {
    seen.add(at.node)
    through = at.needs.find(name => left.has(producers.get(name)!))!
    at = left.get(producers.get(through)!)!
  }
  return invalid(`the nodes form a cycle through ${describe(at.node)} and its output "${through}"`)
}

function invalid(message: string): RobustlyError {
  return new RobustlyError('model-invalid', message, { hint: 'the file breaks the ONNX standard: export it again' })
}
