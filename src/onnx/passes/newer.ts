/**
 * Operators that are newer than the canonical opset, and three that hide shapes from inference engines, written with
 * operators of the canonical opset as their definitions say. Source: the function bodies of the ONNX operator specification, opset 24.
 */
import { RobustlyError } from '../../errors.js'
import { float32 } from '../../tensor/tensor.js'
import { withOutput } from '../einsum.js'
import type { Attribute, Node } from '../graph.js'
import { Emitter } from './emitter.js'
import { attributeOf, changed, intAttribute, intsAttribute, textAttribute } from './pass.js'
import type { StepContext } from './versions.js'

export interface NewerOperator {
  readonly since: number
  rewrite(node: Node, context: StepContext): readonly Node[]
}

export const newerOperators: ReadonlyMap<string, NewerOperator> = new Map([
  ['Einsum', { since: 12, rewrite: writtenOut }],
  ['Size', { since: 1, rewrite: productOfSides }],
  ['GroupNormalization', { since: 21, rewrite: groupNormalization('per channel') }],
  ['Attention', { since: 23, rewrite: attention }],
  ['RMSNormalization', { since: 23, rewrite: rmsNormalization }],
  ['RotaryEmbedding', { since: 23, rewrite: rotaryEmbedding }],
  ['Swish', { since: 24, rewrite: swish }],
])

const last = intAttribute(-1)
const swapHeads: Attribute = intsAttribute([0, 2, 1, 3])

/** An equation that leaves its output to be implied hides the shape from engines. */
function writtenOut(node: Node): readonly Node[] {
  const equation = attributeOf(node, 'equation', 'string') ?? ''
  return [changed(node, { attributes: { equation: textAttribute(withOutput(equation)) } })]
}

/** Engines fold the shape of a value where it is fixed, and what is computed from it, but not its size. */
function productOfSides(node: Node, { additions }: StepContext): readonly Node[] {
  const y = node.outputs[0]!
  const e = new Emitter(additions, y)
  e.op('ReduceProd', [e.shape(node.inputs[0]!, 0)], { keepdims: intAttribute(0) }, y)
  return e.nodes
}

/** y = x sigmoid(α x) */
function swish(node: Node, context: StepContext): readonly Node[] {
  const [x, y] = [node.inputs[0]!, node.outputs[0]!]
  const e = new Emitter(context.additions, y)
  const alpha = attributeOf(node, 'alpha', 'float') ?? 1
  const scaled = alpha === 1 ? x : e.op('Mul', [x, e.number(alpha, context.dtypeOf(x))])
  e.op('Mul', [x, e.op('Sigmoid', [scaled])], {}, y)
  return e.nodes
}

/** y = scale x / √(mean(x²) + ε) over the axes from `axis` on */
function rmsNormalization(node: Node, context: StepContext): readonly Node[] {
  const [x, scale] = node.inputs as [string, string]
  const y = node.outputs[0]!
  const e = new Emitter(context.additions, y)
  const axis = attributeOf(node, 'axis', 'int') ?? -1
  const epsilon = e.number(attributeOf(node, 'epsilon', 'float') ?? 1e-5, context.dtypeOf(x))
  const mean = e.op('ReduceMean', [e.op('Mul', [x, x]), axesFrom(e, x, axis)])
  const deviation = e.op('Sqrt', [e.op('Add', [mean, epsilon])])
  e.op('Mul', [e.op('Div', [x, deviation]), scale], {}, y)
  return e.nodes
}

/**
 * Statistics per sample and group of channels; scale and bias were per group before opset 21 and are per channel since.
 * Engines expand this operator themselves, but in a way that hides the shapes.
 */
export function groupNormalization(factors: 'per group' | 'per channel'): NewerOperator['rewrite'] {
  return (node, { additions }) => {
    const [x, scale, bias] = node.inputs as [string, string, string]
    const y = node.outputs[0]!
    const e = new Emitter(additions, y)
    const groups = attributeOf(node, 'num_groups', 'int') ?? 1
    const [ones, zeros] = [1, 0].map(value =>
      additions.constant(float32(new Float32Array(groups).fill(value)), `${y}/factors`),
    ) as [string, string]
    const epsilon: Attribute = { type: 'float', value: attributeOf(node, 'epsilon', 'float') ?? 1e-5 }
    const grouped = e.op('Reshape', [x, e.integers(0, groups, -1)])
    const normal = e.op('InstanceNormalization', [grouped, ones, zeros], { epsilon })
    const shape = () => e.op('Concat', [e.integers(0), e.shape(scale, 0), e.integers(-1)], { axis: intAttribute(0) })
    const lined = factors === 'per group' ? normal : e.op('Reshape', [normal, shape()])
    const [a, b] = [scale, bias].map(factor => e.op('Unsqueeze', [factor, e.integers(1)])) as [string, string]
    e.op('Reshape', [e.op('Add', [e.op('Mul', [lined, a]), b]), e.shape(x, 0)], {}, y)
    return e.nodes
  }
}

function axesFrom(e: Emitter, x: string, axis: number): string {
  if (axis < 0) return e.integers(...Array.from({ length: -axis }, (_, i) => axis + i))
  const rank = e.op('Size', [e.shape(x, 0)])
  const [start, step] = [axis, 1].map(value => e.op('Squeeze', [e.integers(value)])) as [string, string]
  return e.op('Range', [start, rank, step])
}

/** The first `rotary_embedding_dim` numbers of every head, in pairs, turned by the angles of their position. */
function rotaryEmbedding(node: Node, context: StepContext): readonly Node[] {
  const [x, cosines, sines, positions = ''] = node.inputs as [string, string, string, string?]
  const y = node.outputs[0]!
  const e = new Emitter(context.additions, y)
  const heads = attributeOf(node, 'num_heads', 'int') ?? 0
  const dim = attributeOf(node, 'rotary_embedding_dim', 'int') ?? 0
  const pairs = attributeOf(node, 'interleaved', 'int') === 1
  // [batch, position, head, number]
  const arranged =
    heads > 0 ? e.op('Reshape', [x, e.integers(0, 0, heads, -1)]) : e.op('Transpose', [x], { perm: swapHeads })
  const turned = dim === 0 ? arranged : e.op('Slice', [arranged, e.integers(0), e.integers(dim), e.integers(-1)])
  const angles = (cache: string) => {
    const picked = positions === '' ? cache : e.op('Gather', [cache, positions])
    const used = dim === 0 ? picked : e.op('Slice', [picked, e.integers(0), e.integers(dim / 2), e.integers(-1)])
    return e.op('Unsqueeze', [used, e.integers(2)])
  }
  const [cos, sin] = [angles(cosines), angles(sines)]
  const [first, second] = pairs ? everySecond(e, turned) : halves(e, turned)
  const real = e.op('Sub', [e.op('Mul', [cos, first]), e.op('Mul', [sin, second])])
  const imaginary = e.op('Add', [e.op('Mul', [sin, first]), e.op('Mul', [cos, second])])
  const joined = pairs ? interleaved(e, [real, imaginary], turned) : e.op('Concat', [real, imaginary], { axis: last })
  const rest = () => e.op('Slice', [arranged, e.integers(dim), e.integers(Number.MAX_SAFE_INTEGER), e.integers(-1)])
  const whole = dim === 0 ? joined : e.op('Concat', [joined, rest()], { axis: last })
  if (heads > 0) e.op('Reshape', [whole, e.integers(0, 0, -1)], {}, y)
  else e.op('Transpose', [whole], { perm: swapHeads }, y)
  return e.nodes
}

function everySecond(e: Emitter, x: string): [string, string] {
  const from = (start: number) =>
    e.op('Slice', [x, e.integers(start), e.integers(Number.MAX_SAFE_INTEGER), e.integers(-1), e.integers(2)])
  return [from(0), from(1)]
}

function halves(e: Emitter, x: string): [string, string] {
  return e.split('Split', [x], 2, { axis: last, num_outputs: intAttribute(2) }) as [string, string]
}

function interleaved(e: Emitter, parts: readonly string[], like: string): string {
  const columns = parts.map(part => e.op('Unsqueeze', [part, e.integers(-1)]))
  return e.op('Reshape', [e.op('Concat', columns, { axis: last }), e.shape(like, 0)])
}

/**
 * Y = softmax(softcap(scale Q Kᵀ) + mask) V, per head, with cached keys and values in front. As ONNX Runtime does it: the
 * function body of opset 24 takes the cap after the mask, and gives each head of queries another head of keys.
 */
function attention(node: Node, context: StepContext): readonly Node[] {
  const [q, k, v, mask = '', pastKey = '', pastValue = '', lengths = ''] = node.inputs as string[]
  const [y, presentKey = '', presentValue = '', scores = ''] = node.outputs as string[]
  const e = new Emitter(context.additions, y!)
  const dtype = context.dtypeOf(q!)
  const heads = { q: attributeOf(node, 'q_num_heads', 'int') ?? 0, kv: attributeOf(node, 'kv_num_heads', 'int') ?? 0 }
  const split = (x: string, count: number) =>
    count === 0 ? x : e.op('Transpose', [e.op('Reshape', [x, e.integers(0, 0, count, -1)])], { perm: swapHeads })
  const joined = (past: string, now: string, present: string) => {
    const all = past === '' ? now : e.op('Concat', [past, now], { axis: intAttribute(2) })
    if (present !== '') e.op('Identity', [all], {}, present)
    return all
  }
  const queries = split(q!, heads.q)
  const keys = joined(pastKey, split(k!, heads.kv), presentKey)
  const values = joined(pastValue, split(v!, heads.kv), presentValue)
  const shares = queriesPerKey(node, context, heads)
  const turned = e.op('Transpose', [shared(e, keys, shares)], { perm: intsAttribute([0, 1, 3, 2]) })
  const scale = attributeOf(node, 'scale', 'float')
  const factor = scale === undefined ? rootOfHeadSize(e, queries, dtype) : e.number(scale, dtype)
  const raw = e.op('MatMul', [e.op('Mul', [queries, factor]), turned])
  const cap = attributeOf(node, 'softcap', 'float') ?? 0
  const limit = cap === 0 ? '' : e.number(cap, dtype)
  const capped = cap === 0 ? raw : e.op('Mul', [e.op('Tanh', [e.op('Div', [raw, limit])]), limit])
  const biases = maskBiases(e, node, { mask, lengths, pastKey, queries, keys }, context)
  const biased = biases.reduce((sum, bias) => e.op('Add', [sum, bias]), capped)
  const weights = e.op('Softmax', [biased], { axis: last })
  const shown = [raw, capped, biased, weights][attributeOf(node, 'qk_matmul_output_mode', 'int') ?? 0]
  if (scores !== '') e.op('Identity', [shown!], {}, scores)
  const mixed = [weights, shared(e, values, shares)]
  if (heads.q === 0) e.op('MatMul', mixed, {}, y)
  else {
    const lined = e.op('Transpose', [e.op('MatMul', mixed)], { perm: swapHeads })
    e.op('Reshape', [lined, e.integers(0, 0, -1)], {}, y)
  }
  return e.nodes
}

/** How many heads of queries look at each head of keys. Unknown numbers are taken as equal: others then do not multiply. */
function queriesPerKey(node: Node, { shapeOf }: StepContext, heads: { q: number; kv: number }): number {
  const count = (given: number, name: string) => (given > 0 ? given : shapeOf(name)?.[1])
  const [q, kv] = [count(heads.q, node.inputs[0]!), count(heads.kv, node.inputs[1]!)]
  if (typeof q !== 'number' || typeof kv !== 'number' || q === kv) return 1
  if (q % kv === 0) return q / kv
  throw new RobustlyError(
    'model-invalid',
    `node "${node.name}" (Attention): ${q} heads of queries cannot share ${kv} heads of keys`,
  )
}

/** Every head `times` in a row. */
function shared(e: Emitter, x: string, times: number): string {
  if (times === 1) return x
  const apart = e.op('Tile', [e.op('Unsqueeze', [x, e.integers(2)]), e.integers(1, 1, times, 1, 1)])
  const shape = e.op('Concat', [e.integers(0, -1), e.shape(x, 2)], { axis: intAttribute(0) })
  return e.op('Reshape', [apart, shape])
}

function rootOfHeadSize(e: Emitter, queries: string, dtype: ReturnType<StepContext['dtypeOf']>): string {
  return e.op('Reciprocal', [e.op('Sqrt', [e.cast(e.shape(queries, 3, 4), dtype)])])
}

/** What is added to the scores: 0 where a query may look at a key, -∞ (or the mask's own number) elsewhere. */
function maskBiases(
  e: Emitter,
  node: Node,
  {
    mask,
    lengths,
    pastKey,
    queries,
    keys,
  }: Readonly<Record<'mask' | 'lengths' | 'pastKey' | 'queries' | 'keys', string>>,
  context: StepContext,
): string[] {
  const dtype = context.dtypeOf(node.inputs[0]!)
  const bias = (allowed: string) =>
    e.op('Where', [allowed, e.number(0, dtype), e.number(Number.NEGATIVE_INFINITY, dtype)])
  const biases: string[] = []
  const count = e.shape(keys, 2, 3)
  if (mask !== '') {
    const numbers = context.dtypeOf(mask) === 'bool' ? bias(mask) : mask
    // Keys that the mask does not reach are not looked at.
    const missing = e.op('Sub', [count, e.shape(mask, -1)])
    const pads = e.op('Concat', [e.integers(0), missing], { axis: intAttribute(0) })
    const fill = e.number(Number.NEGATIVE_INFINITY, dtype)
    biases.push(e.op('Pad', [numbers, pads, fill, e.integers(-1)]))
  }
  if (attributeOf(node, 'is_causal', 'int') === 1) {
    const square = e.op('Concat', [e.shape(queries, 2, 3), count], { axis: intAttribute(0) })
    const ones = e.op('Expand', [e.op('Cast', [e.integers(1)], { to: intAttribute(9) }), square])
    // The queries follow the cached keys.
    const past = pastKey === '' ? [] : [e.op('Squeeze', [e.shape(pastKey, 2, 3)])]
    biases.push(bias(e.op('Trilu', [ones, ...past], { upper: intAttribute(0) })))
  }
  if (lengths !== '') {
    const [start, step] = [0, 1].map(value => e.op('Squeeze', [e.integers(value)])) as [string, string]
    const places = e.op('Range', [start, e.op('Squeeze', [count]), step])
    biases.push(bias(e.op('Less', [places, e.op('Unsqueeze', [lengths, e.integers(1, 2, 3)])])))
  }
  return biases
}
