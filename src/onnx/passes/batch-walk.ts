/** The walk that follows the batch from the input through the nodes; what each operator does to it is a table's business. */
import { int64 } from '../../tensor/tensor.js'
import type { Dim, Graph, Node } from '../graph.js'
import { anywhere, batchRules } from './batch-rules.js'
import { Additions, attributeOf, changed, intAttribute, makeNode, namesOf, statedShapes } from './pass.js'

/** Follows the batch through the nodes. */
export class BatchWalk {
  /** Axis of the batch, for every value that carries it. Axis 0 may hold a multiple of it, the batch outermost. */
  readonly axes = new Map<string, number>()
  /** Values that had no batch dimension in the file, because it was squeezed away, and have one now. */
  readonly gained = new Set<string>()
  readonly notes: string[] = []
  readonly additions: Additions
  readonly #graph: Graph
  readonly #batch: number
  readonly #shapes: Map<string, readonly Dim[]>
  /** Values of which axis 0 is a multiple of the batch. */
  readonly #merged = new Set<string>()
  #batchSize: string | undefined

  constructor(graph: Graph, batch: number | undefined) {
    this.#graph = graph
    this.#batch = batch ?? 1
    this.#shapes = statedShapes(graph)
    this.additions = new Additions(namesOf(graph))
    this.axes.set(graph.inputs[0]!.name, 0)
  }

  rewrite(node: Node): readonly Node[] {
    const carrier = [...node.inputs, ...outerNames(node)].find(name => this.axes.has(name))
    if (carrier === undefined || node.domain !== '') return [node]
    const axis = this.axes.get(carrier)!
    const rule = carrier === node.inputs[0] || anywhere.has(node.op) ? batchRules.get(node.op) : undefined
    if (rule !== undefined) return rule(this, node, axis)
    this.carry(node, axis)
    return [node]
  }

  carry(node: Node, axis: number, outputs = node.outputs): void {
    for (const name of outputs) {
      if (name === '') continue
      this.axes.set(name, axis)
      if (axis === 0 && node.inputs.some(input => this.#merged.has(input))) this.#merged.add(name)
      if (node.inputs.some(input => this.gained.has(input))) this.gained.add(name)
    }
  }

  drop(node: Node, why: string): readonly Node[] {
    this.notes.push(`Node "${node.name}" (${node.op}) ${why}; results for batches may be wrong from there on.`)
    return [node]
  }

  constantOf(name: string | undefined): number[] | undefined {
    const constant = this.#graph.initializers.get(name ?? '')
    if (constant?.dtype !== 'int64' || constant.shape.length > 1) return undefined
    const numbers = Array.from(constant.load().data as BigInt64Array, Number)
    return numbers.every(Number.isSafeInteger) ? numbers : undefined
  }

  constant(values: readonly number[], wish: string): string {
    return this.additions.constant(int64(values), wish)
  }

  rankOf(name: string): number | undefined {
    return this.#shapes.get(name)?.length
  }

  /** Targets name the batch as a number; -1 or 0 in its place follow the batch. */
  reshape(node: Node, axis: number): readonly Node[] {
    const target = this.constantOf(node.inputs[1])
    if (target === undefined || target.length === 0) {
      this.carry(node, 0)
      return [node]
    }
    if (axis !== 0) return this.reshapeBehind(node, axis, target)
    const pure = !this.#merged.has(node.inputs[0]!)
    const [first, ...rest] = target
    this.carry(node, 0)
    if (first === -1 || (first === 0 && attributeOf(node, 'allowzero', 'int') !== 1)) return [node]
    const y = node.outputs[0]!
    if (first !== this.#batch) this.#merged.add(y)
    else this.#merged.delete(y)
    if (rest.includes(-1) && !(pure && first === this.#batch)) {
      return this.drop(node, 'reshapes to two dimensions of unknown size')
    }
    const zeroMeansZero = rest.includes(0) && attributeOf(node, 'allowzero', 'int') === 1
    const followed = rest.includes(-1) && !zeroMeansZero ? 0 : -1
    const inputs = [node.inputs[0]!, this.constant([followed, ...rest], `${y}/shape`)]
    return [changed(node, { inputs, ...(followed === 0 && { attributes: { allowzero: undefined } }) })]
  }

  /** The batch stays where it is when the dimensions up to it do, as far as they are stated. */
  reshapeBehind(node: Node, axis: number, target: readonly number[]): readonly Node[] {
    const stated = this.#shapes.get(node.inputs[0]!)
    const zeros = attributeOf(node, 'allowzero', 'int') !== 1
    const kept = target.slice(0, axis + 1).every((dim, i) => {
      if (dim === 0) return zeros
      return dim === (i === axis ? this.#batch : (stated?.[i] ?? dim))
    })
    if (!kept || target.length <= axis) {
      return this.drop(node, 'reshapes a value of which the batch is not the first dimension')
    }
    this.carry(node, axis)
    if (target[axis] === 0) return [node]
    const inputs = [node.inputs[0]!, this.constant(target.with(axis, 0), `${node.outputs[0]}/shape`)]
    return [changed(node, { inputs, attributes: { allowzero: undefined } })]
  }

  squeeze(node: Node, axis: number): readonly Node[] {
    const rank = this.rankOf(node.inputs[0]!)
    const axes = this.constantOf(node.inputs[1])?.map(at => (at < 0 && rank !== undefined ? at + rank : at))
    const shape = this.#shapes.get(node.inputs[0]!)
    const wanted = axes ?? shape?.flatMap((dim, i) => (dim === 1 ? [i] : []))
    if (wanted === undefined) return this.drop(node, 'squeezes a value of unknown shape')
    const kept = wanted.filter(at => at !== axis)
    const before = kept.filter(at => at >= 0 && at < axis).length
    this.carry(node, axis - before)
    if (kept.length === wanted.length && axes !== undefined) return [node]
    if (kept.length < wanted.length) this.gained.add(node.outputs[0]!)
    if (kept.length === 0) return [makeNode('Identity', [node.inputs[0]!], [node.outputs[0]!])]
    const inputs = [node.inputs[0]!, this.constant(kept, `${node.outputs[0]}/axes`)]
    return [changed(node, { inputs })]
  }

  /** Constants joined to the batch along another axis, such as a class token, are repeated for every sample. */
  concat(node: Node): readonly Node[] {
    const carrier = node.inputs.find(name => this.axes.has(name))!
    const axis = this.axes.get(carrier)!
    const along = attributeOf(node, 'axis', 'int') ?? 0
    this.carry(node, axis)
    if (axis !== 0 || along === 0) return along === axis ? this.drop(node, 'joins values along the batch') : [node]
    const nodes: Node[] = []
    const inputs = node.inputs.map(name => this.repeated(nodes, name, 0))
    return [...nodes, changed(node, { inputs })]
  }

  /** A constant that has one element along the axis, once for every sample; anything else as it is. */
  repeated(nodes: Node[], name: string, axis: number): string {
    const constant = this.#graph.initializers.get(name)
    if (constant === undefined || constant.shape[axis] !== 1 || this.#batch !== 1) return name
    const shape = this.withBatch(
      nodes,
      constant.shape.map(() => 1),
      axis,
      name,
    )
    const repeated = this.additions.fresh(`${name}/repeated`)
    nodes.push(makeNode('Expand', [name, shape], [repeated]))
    return repeated
  }

  /** The list of numbers with the size of the batch in the place `at`. */
  withBatch(nodes: Node[], list: readonly number[], at: number, stem: string): string {
    const size = this.#sizeOfBatch(nodes)
    const part = (from: number, to: number) =>
      from === to ? [] : [this.constant(list.slice(from, to), `${stem}/shape`)]
    const parts = [...part(0, at), size, ...part(at + 1, list.length)]
    if (parts.length === 1) return size
    const shape = this.additions.fresh(`${stem}/shape`)
    nodes.push(makeNode('Concat', parts, [shape], { axis: intAttribute(0) }))
    return shape
  }

  isBatch(dim: number | undefined): boolean {
    return dim === this.#batch
  }

  #sizeOfBatch(nodes: Node[]): string {
    if (this.#batchSize === undefined) {
      this.#batchSize = this.additions.fresh('batch/size')
      const attributes = { start: intAttribute(0), end: intAttribute(1) }
      nodes.push(makeNode('Shape', [this.#graph.inputs[0]!.name], [this.#batchSize], attributes))
    }
    return this.#batchSize
  }
}

/** What the bodies of control flow read, from outside among others. */
function outerNames(node: Node): Iterable<string> {
  const names = new Set<string>()
  for (const attribute of node.attributes.values()) if (attribute.type === 'graph') namesOf(attribute.value, names)
  return names
}
