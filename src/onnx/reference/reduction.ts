/** Reductions along axes by their definition. */
import { int64, type Shape, sizeOf, type Tensor } from '../../tensor/tensor.js'
import type { OperatorName } from '../operators.js'
import { positive, reducedShape } from '../shapes.js'
import { flatOf, listed, numbersOf, placeOf, tensorOf } from './numbers.js'
import type { ReferenceContext, ReferenceRule, ReferenceRules } from './rule.js'

type Reduce =
  | ('ReduceSum' | 'ReduceMean' | 'ReduceMax' | 'ReduceMin' | 'ReduceProd')
  | ('ReduceL1' | 'ReduceL2' | 'ReduceLogSum' | 'ReduceLogSumExp' | 'ReduceSumSquare')

export const reduction: ReferenceRules<Reduce | 'ArgMax' | 'ArgMin' | 'CumSum' | 'TopK'> = {
  ReduceSum: reduce(sum),
  ReduceMean: reduce(values => sum(values) / values.length),
  ReduceMax: reduce(largest),
  ReduceMin: reduce(values => -largest(values.map(value => -value))),
  ReduceProd: reduce(values => values.reduce((product, value) => product * value, 1)),
  ReduceL1: reduce(values => sum(values.map(Math.abs))),
  ReduceL2: reduce(values => Math.sqrt(sum(values.map(value => value ** 2)))),
  ReduceLogSum: reduce(values => Math.log(sum(values))),
  ReduceLogSumExp: reduce(values => {
    const most = largest(values)
    if (most === -Infinity) return most
    return most + Math.log(sum(values.map(value => Math.exp(value - most))))
  }),
  ReduceSumSquare: reduce(values => sum(values.map(value => value ** 2))),

  ArgMax: argument(1),
  ArgMin: argument(-1),

  // y[i] = x[0] + … + x[i], without x[i] itself when exclusive, from the end when reverse
  CumSum({ input, attributes: { exclusive, reverse } }) {
    const x = input(0)
    const at = positive(numbersOf(input(1))[0]!, x.shape.length)
    const y = numbersOf(x)
    const [dim, inner] = [x.shape[at]!, sizeOf(x.shape.slice(at + 1))]
    for (let line = 0; line < y.length / dim; line++) {
      const base = Math.floor(line / inner) * dim * inner + (line % inner)
      let total = 0
      for (let i = 0; i < dim; i++) {
        const place = base + (reverse === 1 ? dim - 1 - i : i) * inner
        const value = y[place]!
        y[place] = exclusive === 1 ? total : total + value
        total += value
      }
    }
    return [tensorOf(x.dtype, y, x.shape)]
  },

  // equal values: the lower index first
  TopK({ input, attributes: { axis, largest } }) {
    const x = input(0)
    const [at, k] = [positive(axis, x.shape.length), numbersOf(input(1))[0]!]
    const sign = largest === 1 ? -1 : 1
    const lines = groups(x, [at]).map(line => {
      const order = line.map((_, i) => i).sort((i, j) => sign * (line[i]! - line[j]!) || i - j)
      return order.slice(0, k).map(i => ({ i, value: line[i]! }))
    })
    const shape = x.shape.with(at, k)
    const rest = reducedShape(x.shape, [at], false)
    const winners = Array.from({ length: sizeOf(shape) }, (_, flat) => {
      const place = placeOf(flat, shape)
      return lines[flatOf(place.toSpliced(at, 1), rest)]![place[at]!]!
    })
    return [
      tensorOf(
        x.dtype,
        winners.map(({ value }) => value),
        shape,
      ),
      int64(
        winners.map(({ i }) => i),
        shape,
      ),
    ]
  },
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}

function largest(values: readonly number[]): number {
  return values.reduce((best, value) => Math.max(best, value), -Infinity)
}

/** Index of the largest (sign 1) or smallest (sign -1) along an axis. */
function argument(sign: 1 | -1): ReferenceRule<'ArgMax' | 'ArgMin'> {
  return ({ input, attributes: { axis, keepdims, select_last_index } }) => {
    const winners = groups(input(0), [axis]).map(line => {
      const values = line.map(value => sign * value)
      const best = largest(values)
      return select_last_index === 1 ? values.lastIndexOf(best) : values.indexOf(best)
    })
    return [int64(winners, reducedShape(input(0).shape, [axis], keepdims === 1))]
  }
}

function reduce<O extends Reduce>(f: (values: number[]) => number): ReferenceRule<O> {
  return context => {
    const x = context.input(0)
    const { keepdims, noop_with_empty_axes } = (context as ReferenceContext<Reduce>).attributes
    const given = listed(context as ReferenceContext<OperatorName>, 1) ?? []
    // An empty list means all axes or none; none leaves each value in a group of its own.
    const axes = given.length === 0 && noop_with_empty_axes === 0 ? x.shape.map((_, axis) => axis) : given
    return [tensorOf(x.dtype, groups(x, axes).map(f), reducedShape(x.shape, axes, keepdims === 1))]
  }
}

/** The values that fall together when the axes vanish, in row-major order of what is left. */
function groups(x: Tensor, axes: readonly number[]): number[][] {
  const gone = new Set(axes.map(axis => positive(axis, x.shape.length)))
  const rest: Shape = x.shape.filter((_, axis) => !gone.has(axis))
  const result = Array.from({ length: sizeOf(rest) }, (): number[] => [])
  numbersOf(x).forEach((value, flat) => {
    const place = placeOf(flat, x.shape).filter((_, axis) => !gone.has(axis))
    result[flatOf(place, rest)]!.push(value)
  })
  return result
}
