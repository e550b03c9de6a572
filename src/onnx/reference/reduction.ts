/** Reductions along axes by their definition. */
import { int64, type Shape, sizeOf, type Tensor } from '../../tensor/tensor.js'
import type { OperatorName } from '../operators.js'
import { positive, reducedShape } from '../shapes.js'
import { flatOf, listed, numbersOf, placeOf, tensorOf } from './numbers.js'
import type { ReferenceContext, ReferenceRule, ReferenceRules } from './rule.js'

type Reduce = 'ReduceSum' | 'ReduceMean' | 'ReduceMax'

export const reduction: ReferenceRules<Reduce | 'ArgMax' | 'TopK'> = {
  ReduceSum: reduce(values => values.reduce((total, value) => total + value, 0)),
  ReduceMean: reduce(values => values.reduce((total, value) => total + value, 0) / values.length),
  ReduceMax: reduce(values => values.reduce((best, value) => Math.max(best, value), -Infinity)),

  ArgMax({ input, attributes: { axis, keepdims, select_last_index } }) {
    const lines = groups(input(0), [axis])
    const winners = lines.map(line => {
      const best = line.reduce((largest, value) => Math.max(largest, value), -Infinity)
      return select_last_index === 1 ? line.lastIndexOf(best) : line.indexOf(best)
    })
    return [int64(winners, reducedShape(input(0).shape, [axis], keepdims === 1))]
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

function reduce<O extends Reduce>(f: (values: number[]) => number): ReferenceRule<O> {
  return context => {
    const x = context.input(0)
    const { keepdims, noop_with_empty_axes } = (context as ReferenceContext<Reduce>).attributes
    const given = listed(context as ReferenceContext<OperatorName>, 1) ?? []
    const none = given.length === 0
    if (none && noop_with_empty_axes === 1) return [x]
    const axes = none ? x.shape.map((_, axis) => axis) : given
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
