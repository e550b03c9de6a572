/** Recurrent layers by their definition, one sequence and one step at a time. */
import type { Shape, Tensor, TensorOf } from '../../tensor/tensor.js'
import type { AttributesOf } from '../operators.js'
import { type Activation, type Recurrent, recurrenceOf } from '../recurrence.js'
import { asFloats, zeros } from './floats.js'
import { flatOf, numbersOf } from './numbers.js'
import type { ReferenceContext, ReferenceRule, ReferenceRules } from './rule.js'

type Row = readonly number[]
type Function1 = (x: number) => number

interface State {
  readonly h: Row
  readonly c: Row
}

/** Weights of one direction: rows of W and R, and both halves of the bias. */
interface Weights {
  readonly w: readonly Row[]
  readonly r: readonly Row[]
  readonly wb: Row
  readonly rb: Row
  readonly functions: readonly Function1[]
}

type Cell = (weights: Weights, x: Row, state: State, attributes: AttributesOf<Recurrent>) => State

const functions: Readonly<Record<Activation, Function1>> = {
  Sigmoid: x => 1 / (1 + Math.exp(-x)),
  Tanh: Math.tanh,
  Relu: x => Math.max(x, 0),
  Softsign: x => x / (1 + Math.abs(x)),
}

export const recurrent: ReferenceRules<Recurrent> = {
  // i, o, f = f(Wx + Rh + b); c' = f c + i g(Wx + Rh + b); h' = o h(c')
  LSTM: layer('LSTM', 4, ({ w, r, wb, rb, functions: [f, g, last] }, x, { h, c }) => {
    const size = h.length
    const gate = (k: number, activate: Function1) =>
      h.map((_, j) =>
        activate(dot(w[k * size + j]!, x) + dot(r[k * size + j]!, h) + wb[k * size + j]! + rb[k * size + j]!),
      )
    const [i, o, forget, candidate] = [gate(0, f!), gate(1, f!), gate(2, f!), gate(3, g!)] as const
    const next = c.map((value, j) => forget[j]! * value + i[j]! * candidate[j]!)
    return { c: next, h: next.map((value, j) => o[j]! * last!(value)) }
  }),

  // z, r = f(Wx + Rh + b); n = g(Wx + R(r h) + b), or g(Wx + r (Rh + b) + b); h' = (1 - z) n + z h
  GRU: layer('GRU', 3, ({ w, r, wb, rb, functions: [f, g] }, x, { h, c }, attributes) => {
    const size = h.length
    const after = 'linear_before_reset' in attributes && attributes.linear_before_reset === 1
    const gate = (k: number) =>
      h.map((_, j) => f!(dot(w[k * size + j]!, x) + dot(r[k * size + j]!, h) + wb[k * size + j]! + rb[k * size + j]!))
    const [z, reset] = [gate(0), gate(1)]
    const held = h.map((value, j) => reset[j]! * value)
    const next = h.map((value, j) => {
      const at = 2 * size + j
      const recurrent = after ? reset[j]! * (dot(r[at]!, h) + rb[at]!) : dot(r[at]!, held) + rb[at]!
      return (1 - z[j]!) * g!(dot(w[at]!, x) + wb[at]! + recurrent) + z[j]! * value
    })
    return { h: next, c }
  }),

  // h' = f(Wx + Rh + b)
  RNN: layer('RNN', 1, ({ w, r, wb, rb, functions: [f] }, x, { h, c }) => ({
    h: h.map((_, j) => f!(dot(w[j]!, x) + dot(r[j]!, h) + wb[j]! + rb[j]!)),
    c,
  })),
}

/** Runs a cell over every sequence in every direction; `gates` is the number of blocks in the weights. */
function layer<O extends Recurrent>(op: O, gates: number, cell: Cell): ReferenceRule<O> {
  return context => {
    const { node, inputs, input, outputs } = context
    const attributes = context.attributes as AttributesOf<Recurrent>
    const { reversed, activations } = recurrenceOf(op, node, attributes)
    const batchFirst = attributes.layout === 1
    const x = asFloats(input(0))
    const [steps, batch] = (batchFirst ? [x.shape[1]!, x.shape[0]!] : [x.shape[0]!, x.shape[1]!]) as [number, number]
    const size = input(2).shape[2]!
    const lengths = inputs[4] === undefined ? undefined : numbersOf(inputs[4])
    const arranged = (time: number | undefined, d: number, n: number): number[] =>
      batchFirst ? [n, ...(time === undefined ? [] : [time]), d] : [...(time === undefined ? [] : [time]), d, n]
    const whole: Shape = batchFirst ? [batch, steps, reversed.length, size] : [steps, reversed.length, batch, size]
    const end: Shape = batchFirst ? [batch, reversed.length, size] : [reversed.length, batch, size]
    const [y, yh, yc] = [zeros(whole), zeros(end), zeros(end)]
    reversed.forEach((backwards, d) => {
      const weights = weightsOf(context as ReferenceContext<Recurrent>, d, gates * size, activations[d]!)
      for (let n = 0; n < batch; n++) {
        const first = (i: number) =>
          inputs[i] === undefined ? new Array<number>(size).fill(0) : rowAt(inputs[i], arranged(undefined, d, n))
        let state: State = { h: first(5), c: first(6) }
        const length = lengths?.[n] ?? steps
        for (let step = 0; step < length; step++) {
          const time = backwards ? length - 1 - step : step
          state = cell(weights, rowAt(x, batchFirst ? [n, time] : [time, n]), state, attributes)
          put(y, arranged(time, d, n), state.h)
        }
        put(yh, arranged(undefined, d, n), state.h)
        put(yc, arranged(undefined, d, n), state.c)
      }
    })
    return [y, yh, yc].slice(0, outputs)
  }
}

function weightsOf(
  { inputs, input }: ReferenceContext<Recurrent>,
  d: number,
  rows: number,
  names: readonly Activation[],
): Weights {
  const matrix = (i: number) => Array.from({ length: rows }, (_, row) => rowAt(input(i), [d, row]))
  const bias = inputs[3] === undefined ? new Array<number>(2 * rows).fill(0) : rowAt(inputs[3], [d])
  return {
    w: matrix(1),
    r: matrix(2),
    wb: bias.slice(0, rows),
    rb: bias.slice(rows),
    functions: names.map(name => functions[name]),
  }
}

function dot(a: Row, b: Row): number {
  return a.reduce((sum, value, i) => sum + value * b[i]!, 0)
}

/** The last axis at a place of the others. */
function rowAt(tensor: Tensor, place: readonly number[]): number[] {
  const { data, shape } = asFloats(tensor)
  const size = shape.at(-1)!
  const start = flatOf(place, shape.slice(0, -1)) * size
  return Array.from(data.subarray(start, start + size))
}

function put(tensor: TensorOf<'float64'>, place: readonly number[], row: Row): void {
  tensor.data.set(row, flatOf(place, tensor.shape.slice(0, -1)) * row.length)
}
