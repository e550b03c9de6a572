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
  /** Nodes beyond which the batch is lost, and why. */
  readonly doubts: string[] = []
  readonly additions: Additions
  readonly #graph: Graph
  readonly #batch: number
  readonly #shapes: Map<string, readonly Dim[]>
  /** Values of which the batch's axis is a multiple of the batch. */
  readonly #merged = new Set<string>()
  /** How many elements of that axis stand outside the batch, where it is not outermost: axes [17, batch] as one have 17. */
  readonly #outside = new Map<string, number>()
  #batchSize: string | undefined

  constructor(graph: Graph, batch: number | undefined) {
    this.#graph = graph
    this.#batch = batch ?? 1
    this.#shapes = statedShapes(graph)
    this.additions = new Additions(namesOf(graph))
    this.axes.set(graph.inputs[0]!.name, 0)
    for (const { name, shape } of graph.inputs) if (shape?.[0] === batch && batch !== undefined) this.axes.set(name, 0)
  }

  rewrite(node: Node): readonly Node[] {
    const carrier = [...node.inputs, ...outerNames(node)].find(name => this.axes.has(name))
    if (carrier === undefined || node.domain !== '') return [node]
    const axis = this.axes.get(carrier)!
    const rule = carrier === node.inputs[0] || anywhere.has(node.op) ? batchRules.get(node.op) : undefined
    if (rule !== undefined) return rule(this, node, axis)
    // Broadcasting puts dimensions in front.
    const [from, to] = [this.rankOf(carrier), this.rankOf(node.outputs[0]!)]
    this.carry(node, from !== undefined && to !== undefined && to > from ? axis + to - from : axis)
    return [node]
  }

  carry(node: Node, axis: number, outputs = node.outputs): void {
    for (const name of outputs) {
      if (name === '') continue
      this.axes.set(name, axis)
      if (node.inputs.some(input => this.#merged.has(input))) this.#merged.add(name)
      const outside = node.inputs.find(input => this.#outside.has(input))
      if (outside !== undefined) this.#outside.set(name, this.#outside.get(outside)!)
      if (node.inputs.some(input => this.gained.has(input))) this.gained.add(name)
    }
  }

  drop(node: Node, why: string): readonly Node[] {
    this.doubts.push(`Node "${node.name}" (${node.op}) ${why}`)
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

  shapeOf(name: string): readonly Dim[] | undefined {
    return this.#shapes.get(name)
  }

  rankOf(name: string): number | undefined {
    return this.shapeOf(name)?.length
  }

  /** Targets name the batch as a number; -1 or 0 in its place follow the batch. */
  reshape(node: Node, axis: number): readonly Node[] {
    const target = this.constantOf(node.inputs[1])
    if (target === undefined || target.length === 0) {
      this.carry(node, 0)
      return [node]
    }
    if (axis !== 0 || this.#outside.has(node.inputs[0]!)) return this.reshapeBehind(node, axis, target)
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
    if (!kept || target.length <= axis || this.#outside.has(node.inputs[0]!))
      return this.reshapeAround(node, axis, target)
    this.carry(node, axis)
    if (target[axis] === 0) return [node]
    const inputs = [node.inputs[0]!, this.constant(target.with(axis, 0), `${node.outputs[0]}/shape`)]
    return [changed(node, { inputs, attributes: { allowzero: undefined } })]
  }

  /**
   * Where the batch goes is decided by the elements that stand before it: as many as the dimensions before its new place
   * hold, or more, when it is joined to one of them. With a batch of 1 both may fit: rows of a matrix are joined to it, other
   * dimensions are split from what follows, as the attention of PyTorch does.
   */
  reshapeAround(node: Node, axis: number, target: readonly number[]): readonly Node[] {
    const [x, y] = [node.inputs[0]!, node.outputs[0]!]
    const stated = this.#shapes.get(x)
    if (stated === undefined || !stated.every(dim => typeof dim === 'number')) {
      return this.drop(node, 'reshapes a value of which the batch is not the first dimension')
    }
    const dims = resolved(target, stated as number[], attributeOf(node, 'allowzero', 'int') !== 1)
    const before = product(stated.slice(0, axis) as number[]) * (this.#outside.get(x) ?? 1)
    const place = placeOf(before, dims, this.#batch)
    if (place === undefined) return this.drop(node, 'reshapes across the batch')
    this.axes.set(y, place.axis)
    if (dims[place.axis] !== this.#batch) this.#merged.add(y)
    if (place.outside > 1) this.#outside.set(y, place.outside)
    const inputs = [x, this.constant(dims.with(place.axis, -1), `${y}/shape`)]
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

/** A target of Reshape in plain numbers. */
function resolved(target: readonly number[], shape: readonly number[], copies: boolean): number[] {
  const dims = target.map((dim, i) => (dim === 0 && copies ? shape[i]! : dim))
  const open = dims.indexOf(-1)
  return open < 0 ? dims : dims.with(open, product(shape) / product(dims.filter(dim => dim !== -1)))
}

/** The dimension that holds the batch when `before` elements stand before it, and how many of them are in that dimension. */
function placeOf(before: number, dims: readonly number[], batch: number) {
  const starts = dims.map((_, i) => product(dims.slice(0, i)))
  const alone = dims.findIndex((dim, i) => starts[i] === before && dim === batch)
  if (alone >= 0) return { axis: alone, outside: 1 }
  const joined = dims.findIndex((dim, i) => {
    const outside = before / starts[i]!
    return outside > 1 && Number.isInteger(outside) && dim % (outside * batch) === 0
  })
  const split = dims.findIndex((dim, i) => starts[i] === before && dim % batch === 0)
  const axis = split >= 0 && (dims.length > 2 || joined < 0) ? split : joined
  return axis < 0 ? undefined : { axis, outside: before / starts[axis]! }
}

function product(dims: readonly number[]): number {
  return dims.reduce((a, b) => a * b, 1)
}

/** What the bodies of control flow read, from outside among others. */
function outerNames(node: Node): Iterable<string> {
  const names = new Set<string>()
  for (const attribute of node.attributes.values()) if (attribute.type === 'graph') namesOf(attribute.value, names)
  return names
}
