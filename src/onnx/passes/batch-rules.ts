/** Where operators take the batch dimension, and which of their constants must follow it. */
import { parseEinsum } from '../einsum.js'
import type { Node } from '../graph.js'
import type { BatchWalk } from './batch-walk.js'
import { attributeOf, changed, intAttribute } from './pass.js'

export type BatchRule = (walk: BatchWalk, node: Node, axis: number) => readonly Node[]

/** Operators that move or remove dimensions. All others leave the batch where it is. */
export const batchRules: ReadonlyMap<string, BatchRule> = new Map<string, BatchRule>([
  ['Reshape', (walk, node, axis) => walk.reshape(node, axis)],
  ['Squeeze', (walk, node, axis) => walk.squeeze(node, axis)],
  ['Concat', (walk, node) => walk.concat(node)],
  // The shape follows the batch by itself.
  ['Shape', (_, node) => [node]],
  ['Flatten', flatten],
  ['Transpose', transpose],
  ['Unsqueeze', unsqueeze],
  ['Expand', expand],
  ['Tile', tile],
  ['Slice', slice],
  ['Split', split],
  ['Gather', gather],
  ['GatherND', gatherND],
  ['ScatterND', scatterND],
  ['ArgMax', argument],
  ['ArgMin', argument],
  ['OneHot', oneHot],
  ['Einsum', einsum],
  ['GatherElements', withRepeated(1)],
  ['ReverseSequence', withRepeated(1)],
  ['Resize', resize],
  ...['LSTM', 'GRU', 'RNN'].map(name => [name, recurrent] as const),
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

/** A 1 in the target keeps the dimension as it is. */
function expand(walk: BatchWalk, node: Node, axis: number): readonly Node[] {
  const target = walk.constantOf(node.inputs[1])
  const rank = walk.rankOf(node.inputs[0]!)
  if (target === undefined || rank === undefined) {
    walk.carry(node, axis)
    return [node]
  }
  const to = axis + Math.max(0, target.length - rank)
  const place = to - Math.max(0, rank - target.length)
  walk.carry(node, to)
  if (place < 0 || target[place] === 1) return [node]
  const dim = walk.shapeOf(node.inputs[0]!)?.[axis]
  if (target[place] !== dim && !walk.isBatch(target[place])) return walk.drop(node, 'repeats the batch')
  const inputs = [node.inputs[0]!, walk.constant(target.with(place, 1), `${node.outputs[0]}/shape`)]
  return [changed(node, { inputs })]
}

/** Copies stand before the samples of a batch, what exporters join to it behind them. */
function tile(walk: BatchWalk, node: Node, axis: number): readonly Node[] {
  if (walk.constantOf(node.inputs[1])?.[axis] !== 1) return walk.drop(node, 'repeats the batch')
  walk.carry(node, axis)
  return [node]
}

/** All samples of the file's batch are all samples. */
function slice(walk: BatchWalk, node: Node, axis: number): readonly Node[] {
  const [starts, ends, axes, steps] = node.inputs.slice(1).map(name => walk.constantOf(name))
  const shape = walk.shapeOf(node.inputs[0]!) ?? []
  const listed = axes ?? starts?.map((_, i) => i)
  const at = listed?.findIndex(each => (each < 0 ? each + shape.length : each) === axis) ?? -1
  walk.carry(node, axis)
  if (at < 0) return [node]
  const [start, end, step = 1, dim] = [starts?.[at], ends?.[at], steps?.[at], shape[axis]]
  const whole = start === 0 && step === 1 && end !== undefined && typeof dim === 'number' && end >= dim
  if (!whole) return walk.drop(node, 'picks samples out of the batch')
  const open = walk.constant(ends!.with(at, Number.MAX_SAFE_INTEGER), `${node.outputs[0]}/ends`)
  return [changed(node, { inputs: node.inputs.with(2, open) })]
}

function split(walk: BatchWalk, node: Node, axis: number): readonly Node[] {
  const given = attributeOf(node, 'axis', 'int') ?? 0
  const along = given < 0 ? given + (walk.rankOf(node.inputs[0]!) ?? 0) : given
  if (along === axis) return walk.drop(node, 'splits the batch')
  walk.carry(node, axis)
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
  const given = attributeOf(node, 'axis', 'int') ?? 0
  const along = given < 0 ? given + (walk.rankOf(node.inputs[0]!) ?? 0) : given
  if (along === axis) return walk.drop(node, 'picks samples out of the batch')
  // The dimensions of the indices take the place of the axis.
  walk.carry(node, along < axis ? axis - 1 + (walk.rankOf(node.inputs[1]!) ?? 1) : axis)
  return [node]
}

/**
 * Positions name samples where they reach the batch. Dimensions before them stay, those behind them follow the dimensions of the
 * indices, of which the last is as long as a position.
 */
function gatherND(walk: BatchWalk, node: Node, axis: number): readonly Node[] {
  const shared = attributeOf(node, 'batch_dims', 'int') ?? 0
  const indices = walk.shapeOf(node.inputs[1]!)
  const length = indices?.at(-1)
  const behind = typeof length === 'number' ? axis - shared - length : -1
  if (axis >= shared && behind < 0) return walk.drop(node, 'picks samples out of the batch')
  walk.carry(node, axis < shared ? axis : indices!.length - 1 + behind)
  return [node]
}

function scatterND(walk: BatchWalk, node: Node, axis: number): readonly Node[] {
  // A position is as long as the last dimension of the indices.
  const length = walk.shapeOf(node.inputs[1]!)?.at(-1)
  if (typeof length !== 'number' || axis < length) return walk.drop(node, 'writes to single samples of the batch')
  walk.carry(node, axis)
  return [node]
}

function argument(walk: BatchWalk, node: Node, axis: number): readonly Node[] {
  const given = attributeOf(node, 'axis', 'int') ?? 0
  const along = given < 0 ? given + (walk.rankOf(node.inputs[0]!) ?? 0) : given
  if (along === axis) return walk.drop(node, 'reduces over the batch')
  walk.carry(node, attributeOf(node, 'keepdims', 'int') === 0 && along >= 0 && along < axis ? axis - 1 : axis)
  return [node]
}

function oneHot(walk: BatchWalk, node: Node, axis: number): readonly Node[] {
  const added = attributeOf(node, 'axis', 'int') ?? -1
  walk.carry(node, added >= 0 && added <= axis ? axis + 1 : axis)
  return [node]
}

/** The batch keeps its label. */
function einsum(walk: BatchWalk, node: Node): readonly Node[] {
  const carrier = node.inputs.findIndex(name => walk.axes.has(name))
  const shapes = node.inputs.map(name => new Array<number>(walk.rankOf(name) ?? 0).fill(1))
  const text = attributeOf(node, 'equation', 'string') ?? ''
  // Ranks matter to an ellipsis only.
  const ranked = text.replaceAll(' ', '').split('->')[0]!.split(',')
  const known = text.includes('...') ? shapes : ranked.map(term => new Array<number>(term.length).fill(1))
  const { operands, output } = parseEinsum(text, known)
  const label = operands[carrier]?.[walk.axes.get(node.inputs[carrier]!)!]
  const at = label === undefined ? -1 : output.indexOf(label)
  if (at < 0) return walk.drop(node, 'sums over the batch')
  walk.carry(node, at)
  return [node]
}

/** Input i belongs to one sample, and is repeated for all of them when it is a constant. */
function withRepeated(i: number): BatchRule {
  return (walk, node, axis) => {
    const nodes: Node[] = []
    const name = node.inputs[i]!
    const along = walk.rankOf(name) === 1 ? 0 : axis
    const inputs = node.inputs.with(i, walk.repeated(nodes, name, along))
    walk.carry(node, axis)
    return [...nodes, changed(node, { inputs })]
  }
}

/** Sizes that name the batch follow it. */
function resize(walk: BatchWalk, node: Node, axis: number): readonly Node[] {
  walk.carry(node, axis)
  const sizes = walk.constantOf(node.inputs[3])
  if (sizes === undefined || node.attributes.has('axes') || !walk.isBatch(sizes[axis])) return [node]
  const nodes: Node[] = []
  const followed = walk.withBatch(nodes, sizes, axis, node.outputs[0]!)
  return [...nodes, changed(node, { inputs: node.inputs.with(3, followed) })]
}

/** Sequences carry the batch second (or first, by layout), states too; Y has the direction in between. */
function recurrent(walk: BatchWalk, node: Node, axis: number): readonly Node[] {
  const first = attributeOf(node, 'layout', 'int') === 1
  if (axis !== (first ? 0 : 1)) return walk.drop(node, 'takes the batch for time')
  const nodes: Node[] = []
  const inputs = node.inputs.map((name, i) => {
    if (i < 4 || i > 6) return name
    return walk.repeated(nodes, name, i === 4 || first ? 0 : 1)
  })
  walk.carry(node, first ? 0 : 2, node.outputs.slice(0, 1))
  walk.carry(node, first ? 0 : 1, node.outputs.slice(1))
  return [...nodes, changed(node, { inputs })]
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

/** Operators of which any input may carry the batch. */
export const anywhere: ReadonlySet<string> = new Set(['Concat', 'Einsum'])
