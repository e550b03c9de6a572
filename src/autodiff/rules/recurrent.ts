/**
 * Gradients of recurrent layers, by way of the layer unrolled over its fixed number of steps. The products with the
 * inputs of all steps are one product; each step adds the product with the state before.
 */
import { RobustlyError } from '../../errors.js'
import type { GraphBuilder, Value } from '../../onnx/build.js'
import type { Node } from '../../onnx/graph.js'
import type { AttributesOf } from '../../onnx/operators.js'
import { type Activation, type Recurrent, recurrenceOf } from '../../onnx/recurrence.js'
import { toNumbers } from '../../tensor/tensor.js'
import type { GradientRules, RuleContext } from '../rule.js'

interface State {
  readonly h: Value
  readonly c: Value
}

/** One direction of a layer: R [gates · H, H], the bias that must not join the inputs' one, and the activations. */
interface Direction {
  readonly b: GraphBuilder
  readonly r: Value
  readonly late: Value | undefined
  readonly activate: readonly ((x: Value) => Value)[]
}

/** The next state from x = W input + bias [B, gates · H] and the state before. */
type Cell = (direction: Direction, x: Value, state: State) => State

export const recurrent: GradientRules<Recurrent> = {
  LSTM: context => context.through(() => unrolled('LSTM', context as RuleContext<Recurrent>, lstm)),
  GRU: context =>
    context.through(() =>
      unrolled('GRU', context as RuleContext<Recurrent>, context.attributes.linear_before_reset === 1 ? gruAfter : gru),
    ),
  RNN: context => context.through(() => unrolled('RNN', context as RuleContext<Recurrent>, rnn)),
}

// i, o, f = f(x + Rh); c' = f c + i g(x + Rh); h' = o h(c')
function lstm({ b, r, activate: [f, g, last] }: Direction, x: Value, { h, c }: State): State {
  const size = h.shape[1]!
  const all = b.add(x, b.gemm(h, r, undefined, { transB: true }))
  const [i, o, forget] = parts(b, f!(columns(b, all, 0, 3 * size)), 3) as [Value, Value, Value]
  const next = b.add(b.mul(forget, c), b.mul(i, g!(columns(b, all, 3 * size, 4 * size))))
  return { h: b.mul(o, last!(next)), c: next }
}

// z, r = f(x + Rh); n = g(x + R(r h)); h' = n + z (h - n)
function gru({ b, r, activate: [f, g] }: Direction, x: Value, { h, c }: State): State {
  const { z, reset, size } = gruGates(b, r, f!, x, h)
  const recurrent = b.gemm(b.mul(reset, h), rows(b, r, 2 * size, 3 * size), undefined, { transB: true })
  const n = g!(b.add(columns(b, x, 2 * size, 3 * size), recurrent))
  return { h: b.add(n, b.mul(z, b.sub(h, n))), c }
}

// the same with n = g(x + r (Rh + b))
function gruAfter({ b, r, late, activate: [f, g] }: Direction, x: Value, { h, c }: State): State {
  const { z, reset, size } = gruGates(b, r, f!, x, h)
  const recurrent = b.gemm(h, rows(b, r, 2 * size, 3 * size), late, { transB: true })
  const n = g!(b.add(columns(b, x, 2 * size, 3 * size), b.mul(reset, recurrent)))
  return { h: b.add(n, b.mul(z, b.sub(h, n))), c }
}

function gruGates(b: GraphBuilder, r: Value, f: (x: Value) => Value, x: Value, h: Value) {
  const size = h.shape[1]!
  const product = b.gemm(h, rows(b, r, 0, 2 * size), undefined, { transB: true })
  const [z, reset] = parts(b, f(b.add(columns(b, x, 0, 2 * size), product)), 2) as [Value, Value]
  return { z, reset, size }
}

// h' = f(x + Rh)
function rnn({ b, r, activate: [f] }: Direction, x: Value, { h, c }: State): State {
  return { h: f!(b.add(x, b.gemm(h, r, undefined, { transB: true }))), c }
}

/** Y, Y_h and Y_c of a layer. */
function unrolled(op: Recurrent, context: RuleContext<Recurrent>, cell: Cell): Value[] {
  const { b, I, node, attributes } = context
  const { reversed, activations } = recurrenceOf(op, node, attributes)
  const batchFirst = attributes.layout === 1
  checkSteps(node, I(0).shape[batchFirst ? 1 : 0]!)
  const x = batchFirst ? b.transpose(I(0), [1, 0, 2]) : I(0)
  const runs = reversed.map((backwards, d) => {
    const activate = activations[d]!.map(name => activation(b, name))
    return runDirection(context, x, d, backwards, { cell, activate, late: lateBias(attributes) })
  })
  // [T, D, B, H] and [D, B, H], or with the batch first
  const y = b.concat(
    runs.map(run => b.unsqueeze(stacked(b, run.steps), [1])),
    1,
  )
  const ends = (['h', 'c'] as const).map(part =>
    stacked(
      b,
      runs.map(run => run.state[part]),
    ),
  )
  if (!batchFirst) return [y, ...ends]
  return [b.transpose(y, [2, 0, 1, 3]), ...ends.map(end => b.transpose(end, [1, 0, 2]))]
}

/** Unrolled, a step is a dozen nodes, and as many again for its gradient. */
const mostSteps = 2048

function checkSteps(node: Node, steps: number): void {
  if (steps <= mostSteps) return
  throw new RobustlyError(
    'model-unsupported',
    `node "${node.name}" (${node.op}): ${steps} steps, expected at most ${mostSteps} to be unrolled for the gradient`,
    { hint: 'Use shorter sequences, or attack this model with scores or labels only.' },
  )
}

function lateBias(attributes: AttributesOf<Recurrent>): boolean {
  return 'linear_before_reset' in attributes && attributes.linear_before_reset === 1
}

function runDirection(
  context: RuleContext<Recurrent>,
  x: Value,
  d: number,
  backwards: boolean,
  layer: { cell: Cell; activate: Direction['activate']; late: boolean },
): { steps: Value[]; state: State } {
  const { b, I, has, attributes } = context
  const [count, batch, width] = x.shape as [number, number, number]
  const of = (i: number) => b.reshape(b.slice(I(i), [0], [d], [d + 1]), I(i).shape.slice(1))
  const [w, r] = [of(1), of(2)]
  const size = r.shape[1]!
  const { joined, late } = biases(b, has(3) ? of(3) : undefined, size, layer.late)
  const product = b.gemm(b.reshape(x, [count * batch, width]), w, joined, { transB: true })
  const steps = parts(b, b.reshape(product, [count, batch, w.shape[0]!]), count, 0)
  const initial = (i: number) => {
    if (!has(i)) return b.full([batch, size], 0, x.dtype)
    const axis = attributes.layout === 1 ? 1 : 0
    return b.squeeze(b.slice(I(i), [axis], [d], [d + 1]), [axis])
  }
  const direction: Direction = { b, r, late, activate: layer.activate }
  const masks = masksOf(context, count)
  const outputs = new Array<Value>(count)
  let state: State = { h: initial(5), c: initial(6) }
  for (let step = 0; step < count; step++) {
    const time = backwards ? count - 1 - step : step
    const input = b.reshape(steps[time]!, [batch, w.shape[0]!])
    const next = layer.cell(direction, input, state)
    const mask = masks?.[time]
    outputs[time] = mask === undefined ? next.h : b.where(mask, next.h, b.scalar(0, x.dtype))
    state = mask === undefined ? next : { h: b.where(mask, next.h, state.h), c: b.where(mask, next.c, state.c) }
  }
  return { steps: outputs, state }
}

/** Both halves of the bias as one, but for the last block of the second when it is added after the reset gate. */
function biases(b: GraphBuilder, bias: Value | undefined, size: number, late: boolean) {
  if (bias === undefined) return { joined: undefined, late: undefined }
  const half = bias.shape[0]! / 2
  const [first, second] = [b.slice(bias, [0], [0], [half]), b.slice(bias, [0], [half], [2 * half])]
  if (!late) return { joined: b.add(first, second), late: undefined }
  const early = b.pad(b.slice(second, [0], [0], [half - size]), [0, size])
  return { joined: b.add(first, early), late: b.slice(second, [0], [half - size], [half]) }
}

/** For each step, which sequences still run [B, 1]; undefined when all run to the end. */
function masksOf({ b, I, has, constant }: RuleContext<Recurrent>, count: number): Value[] | undefined {
  const lengths = constant(4)
  if (!has(4) || (lengths !== undefined && toNumbers(lengths).every(length => length === count))) return undefined
  const column = b.reshape(b.cast(I(4), 'int64'), [I(4).shape[0]!, 1])
  return Array.from({ length: count }, (_, time) => b.greater(column, b.scalar(time, 'int64')))
}

function activation(b: GraphBuilder, name: Activation): (x: Value) => Value {
  return x => b.unary(name, x)
}

function stacked(b: GraphBuilder, values: readonly Value[]): Value {
  return b.concat(
    values.map(value => b.unsqueeze(value, [0])),
    0,
  )
}

function parts(b: GraphBuilder, x: Value, count: number, axis = 1): Value[] {
  const type = { dtype: x.dtype, shape: x.shape.with(axis, x.shape[axis]! / count) }
  if (count === 1) return [x]
  return b.emit('Split', [x], { axis, num_outputs: count }, new Array(count).fill(type))
}

function columns(b: GraphBuilder, x: Value, start: number, end: number): Value {
  return b.slice(x, [1], [start], [end])
}

function rows(b: GraphBuilder, x: Value, start: number, end: number): Value {
  return b.slice(x, [0], [start], [end])
}
