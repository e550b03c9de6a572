/**
 * Keeps what stands between convolutions in their layout. ONNX Runtime's native convolutions hold a tensor in blocks of 8 or
 * 16 channels, and between them it knows sums and products of equal shapes, pools, resizing and some activations; anything
 * else takes the tensor out of the blocks and back, which costs more than most operators do. So here
 *
 *   a x + b with numbers or one number per channel   is a depthwise convolution of one tap with a bias,
 *   x - y                                            x + (-1) y,
 *   x g and x + g with one g per sample and channel  x by g resized to the nearest,
 *   the sum over all positions                       their mean, times their number,
 *   an activation of what is needed elsewhere too    the same with a convolution of one tap before, which takes it in.
 *
 * The function stays the same but for rounding, and the graph one of standard operators.
 */
import { float32, type Shape, sizeOf, toNumbers } from '../../tensor/tensor.js'
import type { Node, TypedGraph, ValueType } from '../graph.js'
import { Emitter } from './emitter.js'
import { Additions, attributeOf, intAttribute, intsAttribute, namesOf, textAttribute, withoutUnused } from './pass.js'

export function blockedLayout(graph: TypedGraph): TypedGraph {
  const w = new BlockedWriter(graph)
  const wanted = wantedInBlocks(graph)
  for (const node of graph.nodes) {
    const form = node.domain === '' && wanted.has(node.outputs[0]!) ? forms.get(node.op) : undefined
    if (form?.(node, w) !== true) w.keep(node)
  }
  return w.graph()
}

/** Values that go into a convolution or a pool, be it through what can be computed in blocks: only these are worth another form. */
function wantedInBlocks(graph: TypedGraph): Set<string> {
  const wanted = new Set<string>()
  for (const { op, domain, inputs, outputs } of graph.nodes.toReversed()) {
    const passes = activations.has(op) || fusedActivations.has(op) || joins.has(op) || forms.has(op)
    const asks = convolutions.has(op) || pools.has(op)
    if (domain === '' && (asks || (passes && wanted.has(outputs[0]!)))) for (const name of inputs) wanted.add(name)
  }
  return wanted
}

/** Writes a node in another way where its inputs are held in blocks; says whether it did. */
type Form = (node: Node, w: BlockedWriter) => boolean

const forms: ReadonlyMap<string, Form> = new Map<string, Form>([
  ['Neg', ({ inputs: [x], outputs: [y] }, w) => w.isHeld(x!) && w.affine(x!, [-1], [0], y!)],
  ['Add', (node, w) => shifted(node, w, 1) || spreadOver(node, w)],
  ['Sub', (node, w) => shifted(node, w, -1) || difference(node, w)],
  ['Mul', (node, w) => scaled(node, w) || spreadOver(node, w)],
  ['Expand', ({ inputs: [x], outputs: [y] }, w) => w.isPoint(x!) && w.sameMaps(x!, y!) && w.spread(x!, y!)],
  ['ReduceSum', summed],
  ['HardSwish', activated],
  ['Clip', activated],
  ['LeakyRelu', activated],
])

/** x c or c x */
function scaled({ inputs, outputs: [y] }: Node, w: BlockedWriter): boolean {
  const [x, c] = w.withConstant(inputs)
  return c !== undefined && w.affine(x, c, [0], y!)
}

/** x ± c or c ± x */
function shifted({ inputs, outputs: [y] }: Node, w: BlockedWriter, sign: 1 | -1): boolean {
  const [x, c] = w.withConstant(inputs)
  if (c === undefined) return false
  return x === inputs[0]
    ? w.affine(
        x,
        [1],
        [...c].map(value => sign * value),
        y!,
      )
    : w.affine(x, [sign], c, y!)
}

function difference({ inputs: [x, y], outputs: [z] }: Node, w: BlockedWriter): boolean {
  return w.isHeld(x!) && w.isHeld(y!) && w.sameShape(x!, y!) && w.join('Add', x!, w.multiple(y!, -1), z!)
}

/** x g or x + g with g [N, C, 1, 1] */
function spreadOver({ op, inputs: [a, b], outputs: [y] }: Node, w: BlockedWriter): boolean {
  const [x, g] = w.isPoint(a!) ? [b!, a!] : [a!, b!]
  if (!w.isHeld(x) || w.isPoint(x) || !w.isPoint(g) || !w.sameMaps(g, x)) return false
  return w.join(op, x, w.spreadLike(g, x), y!)
}

function summed(node: Node, w: BlockedWriter): boolean {
  const [x, y] = [node.inputs[0]!, node.outputs[0]!]
  const axes = w.integers(node.inputs[1])?.map(axis => (axis < 0 ? axis + 4 : axis))
  const kept = attributeOf(node, 'keepdims', 'int') !== 0
  return kept && w.isHeld(x) && axes?.toSorted().join() === '2,3' && w.sumOfPositions(x, y)
}

/** f(x) of an x that is needed elsewhere too, so that no convolution before can take the activation in: a copy's can. */
function activated(node: Node, w: BlockedWriter): boolean {
  const [x, ...rest] = node.inputs as [string, ...string[]]
  return w.isHeld(x) && w.isShared(x) && w.areConstant(rest) && w.activate(node)
}

/** Channels that fill blocks on every processor. */
const block = 16

/** Activations that are computed in blocks by themselves, and those that are only as part of the convolution before. */
const activations: ReadonlySet<string> = new Set(['Relu', 'Sigmoid', 'Tanh', 'HardSigmoid', 'HardSwish', 'Gelu'])
const fusedActivations: ReadonlySet<string> = new Set(['Clip', 'LeakyRelu'])
const pools: ReadonlySet<string> = new Set(['MaxPool', 'AveragePool', 'GlobalAveragePool', 'GlobalMaxPool'])
const convolutions: ReadonlySet<string> = new Set(['Conv', 'ConvTranspose'])
const joins: ReadonlySet<string> = new Set(['Add', 'Mul', 'Sum'])

/** The new nodes, and which values ONNX Runtime will hold in blocks. */
class BlockedWriter {
  readonly #base: TypedGraph
  readonly #additions: Additions
  readonly #types: Map<string, ValueType>
  readonly #nodes: Node[] = []
  readonly #held = new Set<string>()
  readonly #uses = new Map<string, number>()
  /** Values that are a x + b, and convolutions, whose activation may be computed with them. */
  readonly #affine = new Map<string, { x: string; scale: readonly number[]; bias: readonly number[] }>()
  readonly #convolved = new Set<string>()

  constructor(base: TypedGraph) {
    this.#base = base
    this.#additions = new Additions(namesOf(base))
    this.#types = new Map(base.types)
    for (const name of base.nodes.flatMap(node => node.inputs)) this.#uses.set(name, (this.#uses.get(name) ?? 0) + 1)
  }

  graph(): TypedGraph {
    const initializers = new Map([...this.#base.initializers, ...this.#additions.constants])
    return withoutUnused({ ...this.#base, nodes: this.#nodes, initializers, types: this.#types })
  }

  /** The node as it is. */
  keep(node: Node): void {
    this.#nodes.push(node)
    const [x, y] = [node.inputs[0]!, node.outputs[0]!]
    if (node.domain !== '' || !this.#fits(y)) return
    if (node.op === 'Conv' ? this.#isBlockedConv(node) : this.#staysHeld(node, x, y)) this.#held.add(y)
    if (node.op === 'Conv') this.#convolved.add(y)
  }

  isHeld = (name: string) => this.#held.has(name)

  isShared = (name: string) => this.#uses.get(name)! > 1

  /** One number per sample and channel: cheap to bring into blocks from anywhere. */
  isPoint(name: string): boolean {
    const [, , ...spatial] = this.#shape(name)
    return this.#fits(name) && sizeOf(spatial) === 1
  }

  sameShape = (a: string, b: string) => this.#shape(a).join() === this.#shape(b).join()

  /** Whether samples and channels are the same. */
  sameMaps(a: string, b: string): boolean {
    return this.#fits(b) && this.#shape(a).slice(0, 2).join() === this.#shape(b).slice(0, 2).join()
  }

  areConstant = (names: readonly string[]) => names.every(name => name === '' || this.#base.initializers.has(name))

  integers(name: string | undefined): number[] | undefined {
    const constant = name === undefined ? undefined : this.#base.initializers.get(name)
    return constant === undefined ? undefined : toNumbers(constant.load())
  }

  /** Of two inputs the one that is or may be held, and the other when it is one constant, or one per channel. */
  withConstant([a, b]: readonly string[]): [string, readonly number[] | undefined] {
    const [x, other] = this.#base.initializers.has(a!) ? [b!, a!] : [a!, b!]
    const constant = this.#base.initializers.get(other)
    if (constant === undefined || !(this.isHeld(x) || this.isPoint(x))) return [x, undefined]
    const channels = this.#shape(x)[1]
    const perChannel = constant.shape.length >= 3 && constant.shape.at(-3) === channels
    const fits = sizeOf(constant.shape) === (perChannel ? channels : 1) && constant.shape.length <= 4
    return [x, fits ? toNumbers(constant.load()) : undefined]
  }

  /** y = scale x + bias. */
  affine(x: string, scale: readonly number[], bias: readonly number[], y: string): true {
    const from = this.#affine.get(x) ?? { x, scale: [1], bias: [0] }
    const channels = this.#shape(x)[1]!
    const at = (values: readonly number[], c: number) => values[values.length === 1 ? 0 : c]!
    const all = Array.from({ length: channels }, (_, c) => c)
    const scales = all.map(c => at(scale, c) * at(from.scale, c))
    const biases = all.map(c => at(scale, c) * at(from.bias, c) + at(bias, c))
    this.#affine.set(y, { x: from.x, scale: scales, bias: biases })
    const inputs = [from.x, this.#constant(scales, [channels, 1, 1, 1])]
    if (biases.some(value => value !== 0)) inputs.push(this.#constant(biases, [channels]))
    const kernel = { kernel_shape: intsAttribute([1, 1]), group: intAttribute(channels) }
    this.#convolved.add(this.#emit('Conv', inputs, y, kernel))
    return true
  }

  /** scale x */
  multiple(x: string, scale: number): string {
    const y = this.#fresh(x, this.#shape(x))
    this.affine(x, [scale], [0], y)
    return y
  }

  /** y = f(x), with a convolution of its own */
  activate({ op, inputs: [x, ...rest], outputs: [y], attributes }: Node): true {
    this.#emit(op, [this.multiple(x!, 1), ...rest], y!, Object.fromEntries(attributes))
    return true
  }

  join(op: string, x: string, y: string, z: string): true {
    this.#emit(op, [x, y], z)
    return true
  }

  /** y = g [N, C, 1, 1] at every position. */
  spread(g: string, y: string): true {
    const from = this.isHeld(g) ? g : this.multiple(g, 1)
    const scales = this.#constant([1, 1, ...this.#shape(y).slice(2)], [4])
    this.#emit('Resize', [from, '', scales], y, {
      mode: textAttribute('nearest'),
      coordinate_transformation_mode: textAttribute('asymmetric'),
      nearest_mode: textAttribute('floor'),
    })
    return true
  }

  spreadLike(g: string, x: string): string {
    const y = this.#fresh(g, this.#shape(x))
    this.spread(g, y)
    return y
  }

  sumOfPositions(x: string, y: string): true {
    const mean = this.#fresh(x, this.#shape(y))
    this.#emit('GlobalAveragePool', [x], mean)
    return this.affine(mean, [sizeOf(this.#shape(x).slice(2))], [0], y)
  }

  #emit(op: string, inputs: readonly string[], y: string, attributes: Parameters<Emitter['op']>[2] = {}): string {
    const emitter = new Emitter(this.#additions, y)
    emitter.op(op, inputs, attributes, y)
    this.#nodes.push(...emitter.nodes)
    this.#held.add(y)
    return y
  }

  #fresh(stem: string, shape: Shape): string {
    const name = this.#additions.fresh(`${stem}/blocked`)
    this.#types.set(name, { dtype: 'float32', shape })
    return name
  }

  #constant(values: readonly number[], shape: Shape): string {
    return this.#additions.constant(float32(values, shape), 'blocked')
  }

  #shape(name: string): Shape {
    return this.#types.get(name)?.shape ?? []
  }

  /** Images in float32 whose channels fill blocks. */
  #fits(name: string): boolean {
    const type = this.#types.get(name)
    return type?.dtype === 'float32' && type.shape.length === 4 && type.shape[1]! % block === 0
  }

  #isBlockedConv({ inputs: [x, weights], outputs: [y], attributes }: Node): boolean {
    if (!this.#base.initializers.has(weights!)) return false
    const group = attributes.get('group')?.value ?? 1
    const [ins, outs] = [this.#shape(x!)[1]!, this.#shape(y!)[1]!]
    return group === 1 ? ins < block || ins % block === 0 : group === ins && group === outs
  }

  #staysHeld({ op, inputs, outputs }: Node, x: string, y: string): boolean {
    if (joins.has(op)) return inputs.every(name => this.isHeld(name) && this.sameShape(name, y))
    if (fusedActivations.has(op)) return this.isHeld(x) && this.#convolved.has(x) && this.#uses.get(x) === 1
    return (activations.has(op) || (pools.has(op) && outputs.length === 1)) && this.isHeld(x)
  }
}
