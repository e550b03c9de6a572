/**
 * The batch dimension: symbolic for models exported for one sample, and any fixed number afterwards.
 * Nothing in an ONNX file says which dimension is the batch, and with a batch of 1 constants hide it. So this follows the
 * batch from the input through the graph and rewrites the constants in its way, by rules that fit what exporters write.
 * That is a guess: whoever uses the result must compare one run of B samples with B runs of the original file.
 */
import { RobustlyError } from '../../errors.js'
import { int64, type Shape } from '../../tensor/tensor.js'
import type { Dim, Graph, Node, ValueInfo } from '../graph.js'
import {
  Additions,
  attributeOf,
  changed,
  intAttribute,
  makeNode,
  namesOf,
  type Rewritten,
  statedShapes,
} from './pass.js'

/** Name of the batch dimension in graphs made by `symbolicBatch`. */
export const batchDimension = 'batch'

export interface SymbolicBatch extends Rewritten {
  /** The batch size that the file fixed; undefined when it left it open. Then, nothing had to be rewritten. */
  readonly fixedBatch: number | undefined
  /** What to compare: outputs that carry the batch. A run of B samples must give the rows of B runs of the original. */
  readonly check: { readonly input: string; readonly outputs: readonly string[] }
}

/** Expects the canonical opset. The batch is the first dimension of the first input. */
export function symbolicBatch(graph: Graph): SymbolicBatch {
  const input = graph.inputs[0]!
  const first = input.shape?.[0]
  if (input.shape !== undefined && input.shape.length === 0) {
    throw new RobustlyError('model-unsupported', `input "${input.name}" is a single number: it has no batch dimension`)
  }
  const fixedBatch = typeof first === 'number' ? first : undefined
  const walk = new BatchWalk(graph, fixedBatch)
  const nodes = fixedBatch === undefined ? graph.nodes : graph.nodes.flatMap(node => walk.rewrite(node))
  const carries = (info: ValueInfo) =>
    fixedBatch === undefined
      ? info.shape === undefined || sameBatch(info.shape[0], first)
      : walk.axes.get(info.name) === 0
  const carried = graph.outputs.filter(carries)
  const outputs = graph.outputs.map(info => {
    if (!carries(info) || info.shape === undefined) return info
    const rest = walk.gained.has(info.name) ? info.shape : info.shape.slice(1)
    return { ...info, shape: [batchDimension, ...rest] }
  })
  const shape = input.shape === undefined ? undefined : [batchDimension, ...input.shape.slice(1)]
  const notes = fixedBatch === undefined ? [] : [`The batch dimension, ${fixedBatch} in the file, was made variable.`]
  return {
    graph: {
      ...graph,
      nodes,
      outputs,
      inputs: graph.inputs.with(0, { ...input, shape }),
      initializers: new Map([...graph.initializers, ...walk.additions.constants]),
      valueInfo: new Map(),
    },
    notes: [...notes, ...walk.notes],
    fixedBatch,
    check: { input: input.name, outputs: carried.map(info => info.name) },
  }
}

/**
 * Fixes the batch dimension to `size`. `sample` is the shape of one sample, for models that leave more than the batch
 * open. Throws `model-unsupported` when a dimension of an input stays open.
 */
export function withBatch(graph: Graph, size: number, sample?: Shape): Graph {
  const input = graph.inputs[0]!
  const stated = input.shape ?? (sample === undefined ? undefined : [batchDimension, ...sample.map(() => undefined)])
  if (sample !== undefined && !fits(stated?.slice(1), sample)) {
    throw new RobustlyError(
      'model-unsupported',
      `samples of shape [${sample}] do not fit the input "${input.name}" of shape [${stated?.map(dim => dim ?? '?')}]`,
    )
  }
  const symbol = stated?.[0]
  const shape = stated === undefined ? undefined : [size, ...(sample ?? stated.slice(1))]
  const inputs = graph.inputs.with(0, { ...input, shape }).map(info => withDim(info, symbol, size))
  const open = inputs.find(info => !info.shape?.every(dim => typeof dim === 'number'))
  if (open !== undefined) {
    throw new RobustlyError(
      'model-unsupported',
      `input "${open.name}" leaves its shape open: [${open.shape?.map(dim => dim ?? '?').join(', ') ?? 'unknown rank'}]`,
      { hint: 'state the shape of one sample, or export the model with fixed dimensions' },
    )
  }
  // Other symbols are left to shape inference: a stale one would contradict it.
  const outputs = graph.outputs.map(info => {
    const fixed = withDim(info, symbol, size)
    return { ...fixed, shape: fixed.shape?.map(dim => (typeof dim === 'number' ? dim : undefined)) }
  })
  return { ...graph, inputs, outputs, valueInfo: new Map() }
}

function withDim(info: ValueInfo, symbol: Dim, size: number): ValueInfo {
  if (typeof symbol !== 'string') return info
  return { ...info, shape: info.shape?.map(dim => (dim === symbol ? size : dim)) }
}

function fits(stated: readonly Dim[] | undefined, sample: Shape): boolean {
  return (
    stated?.length === sample.length && sample.every((dim, i) => typeof stated[i] !== 'number' || stated[i] === dim)
  )
}

/** An output belongs to the batch when its first dimension is not a number: exporters name it differently now and then. */
function sameBatch(dim: Dim, batch: Dim): boolean {
  return dim === batch || typeof dim !== 'number'
}

/** Follows the batch through the nodes. */
class BatchWalk {
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
    const carrier = node.inputs.find(name => this.axes.has(name))
    if (carrier === undefined || node.domain !== '') return [node]
    const axis = this.axes.get(carrier)!
    const rule = carrier === node.inputs[0] || node.op === 'Concat' ? rules.get(node.op) : undefined
    if (rule !== undefined) return rule(this, node, axis)
    this.carry(node, axis)
    return [node]
  }

  carry(node: Node, axis: number): void {
    for (const name of node.outputs) {
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
    if (axis !== 0) return this.drop(node, 'reshapes a value of which the batch is not the first dimension')
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
    const inputs = node.inputs.map(name => {
      const constant = this.#graph.initializers.get(name)
      if (constant === undefined || constant.shape[0] !== 1 || this.#batch !== 1) return name
      const size = this.#sizeOfBatch(nodes)
      const [ones, shape, repeated] = ['ones', 'shape', 'repeated'].map(wish => this.additions.fresh(`${name}/${wish}`))
      const rest = this.constant(new Array<number>(constant.shape.length - 1).fill(1), ones!)
      nodes.push(makeNode('Concat', [size, rest], [shape!], { axis: intAttribute(0) }))
      nodes.push(makeNode('Expand', [name, shape!], [repeated!]))
      return repeated!
    })
    return [...nodes, changed(node, { inputs })]
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

type BatchRule = (walk: BatchWalk, node: Node, axis: number) => readonly Node[]

/** Operators that move or remove dimensions. All others leave the batch where it is. */
const rules: ReadonlyMap<string, BatchRule> = new Map<string, BatchRule>([
  ['Reshape', (walk, node, axis) => walk.reshape(node, axis)],
  ['Squeeze', (walk, node, axis) => walk.squeeze(node, axis)],
  ['Concat', (walk, node) => walk.concat(node)],
  // The shape follows the batch by itself.
  ['Shape', (_, node) => [node]],
  ['Size', (_, node) => [node]],
  ['Flatten', flatten],
  ['Transpose', transpose],
  ['Unsqueeze', unsqueeze],
  ['Gather', gather],
  ...['Sum', 'Mean', 'Max', 'Min', 'Prod', 'L1', 'L2', 'LogSum', 'LogSumExp', 'SumSquare'].map(
    name => [`Reduce${name}`, reduce] as const,
  ),
])

function flatten(walk: BatchWalk, node: Node, axis: number): readonly Node[] {
  if (axis !== 0) return walk.drop(node, 'flattens a value of which the batch is not the first dimension')
  walk.carry(node, 0)
  if (attributeOf(node, 'axis', 'int') !== 0) return [node]
  return [changed(node, { attributes: { axis: intAttribute(1) } })]
}

function transpose(walk: BatchWalk, node: Node, axis: number): readonly Node[] {
  const perm = attributeOf(node, 'perm', 'ints')
  const rank = walk.rankOf(node.inputs[0]!)
  const to = perm === undefined ? (rank === undefined ? -1 : rank - 1 - axis) : perm.indexOf(axis)
  if (to < 0) return walk.drop(node, 'transposes a value of unknown rank')
  walk.carry(node, to)
  return [node]
}

function unsqueeze(walk: BatchWalk, node: Node, axis: number): readonly Node[] {
  const axes = walk.constantOf(node.inputs[1]) ?? []
  let to = axis
  for (const at of axes.toSorted((a, b) => a - b)) if (at >= 0 && at <= to) to++
  walk.carry(node, to)
  return [node]
}

function gather(walk: BatchWalk, node: Node, axis: number): readonly Node[] {
  const along = attributeOf(node, 'axis', 'int') ?? 0
  if (along === axis) return walk.drop(node, 'picks samples out of the batch')
  walk.carry(node, axis)
  return [node]
}

function reduce(walk: BatchWalk, node: Node, axis: number): readonly Node[] {
  const axes = walk.constantOf(node.inputs[1])
  const rank = walk.rankOf(node.inputs[0]!)
  const all =
    axes === undefined && (node.inputs[1] ?? '') === '' && attributeOf(node, 'noop_with_empty_axes', 'int') !== 1
  const positive = axes?.map(at => (at < 0 && rank !== undefined ? at + rank : at))
  if (all || positive?.includes(axis)) return walk.drop(node, 'reduces over the batch')
  const gone =
    attributeOf(node, 'keepdims', 'int') === 0 ? (positive ?? []).filter(at => at >= 0 && at < axis).length : 0
  walk.carry(node, axis - gone)
  return [node]
}
