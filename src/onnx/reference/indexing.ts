/** Operators that pick and place by indices, by their definition. */
import { RobustlyError } from '../../errors.js'
import { int64, type Shape, sizeOf } from '../../tensor/tensor.js'
import { positive } from '../shapes.js'
import { elementsOf, flatOf, numbersOf, pick, placeOf, tensorOf } from './numbers.js'
import type { ReferenceRules } from './rule.js'

type Indexing = ('GatherElements' | 'GatherND' | 'ScatterND' | 'OneHot') | ('NonZero' | 'Compress' | 'ReverseSequence')

/** How updates meet what stands at their place. */
export const scatterReductions: Readonly<Record<string, (old: number, update: number) => number>> = {
  none: (_, update) => update,
  add: (old, update) => old + update,
  mul: (old, update) => old * update,
  max: Math.max,
  min: Math.min,
}

export const indexing: ReferenceRules<Indexing> = {
  // y[…, i, …] = x[…, indices[…, i, …], …]
  GatherElements({ input, attributes }) {
    const [x, indices] = [input(0), numbersOf(input(1))]
    const axis = positive(attributes.axis, x.shape.length)
    const { shape } = input(1)
    return [pick(x, shape, place => place.with(axis, within(indices[flatOf(place, shape)]!, x.shape[axis]!)))]
  },

  // y[p, …] = x[b, indices[p], …], where b is the first `batch_dims` of p
  GatherND({ input, attributes: { batch_dims } }) {
    const [x, indices] = [input(0), numbersOf(input(1))]
    const outer = input(1).shape.slice(0, -1)
    const depth = input(1).shape.at(-1)!
    const shape = [...outer, ...x.shape.slice(batch_dims + depth)]
    return [
      pick(x, shape, place => {
        const row = flatOf(place.slice(0, outer.length), outer) * depth
        const index = Array.from({ length: depth }, (_, i) => within(indices[row + i]!, x.shape[batch_dims + i]!))
        return [...place.slice(0, batch_dims), ...index, ...place.slice(outer.length)]
      }),
    ]
  },

  // x with updates[p, …] written (or combined) at indices[p]
  ScatterND({ input, attributes: { reduction } }) {
    const combine = scatterReductions[reduction]
    if (combine === undefined) throw new RobustlyError('model-invalid', `ScatterND has no reduction "${reduction}"`)
    const [x, indices, updates] = [input(0), numbersOf(input(1)), numbersOf(input(2))]
    const depth = input(1).shape.at(-1)!
    const inner = sizeOf(x.shape.slice(depth))
    const outer = x.shape.slice(0, depth)
    const values = numbersOf(x)
    updates.forEach((update, i) => {
      const row = Math.floor(i / inner) * depth
      const place = outer.map((dim, axis) => within(indices[row + axis]!, dim))
      const target = flatOf(place, outer) * inner + (i % inner)
      values[target] = combine(values[target]!, update)
    })
    return [tensorOf(x.dtype, values, x.shape)]
  },

  // values = [off, on]; indices beyond the depth are off everywhere
  OneHot({ input, attributes }) {
    const indices = numbersOf(input(0))
    const depth = numbersOf(input(1))[0]!
    const [off, on] = elementsOf(input(2))
    const { shape } = input(0)
    const axis = attributes.axis < 0 ? attributes.axis + shape.length + 1 : attributes.axis
    const wide: Shape = [...shape.slice(0, axis), depth, ...shape.slice(axis)]
    const elements = Array.from({ length: sizeOf(wide) }, (_, flat) => {
      const place = placeOf(flat, wide)
      const index = Math.trunc(indices[flatOf(place.toSpliced(axis, 1), shape)]!)
      const inside = index >= -depth && index < depth
      return inside && (index + depth) % depth === place[axis] ? on! : off!
    })
    return [tensorOf(input(2).dtype, elements, wide)]
  },

  // the places of what is not 0: one row per axis, one column per place
  NonZero({ input }) {
    const x = input(0)
    const places = numbersOf(x).flatMap((value, flat) => (value === 0 ? [] : [placeOf(flat, x.shape)]))
    const rank = Math.max(1, x.shape.length)
    const rows = Array.from({ length: rank }, (_, axis) => places.map(place => place[axis] ?? 0))
    return [int64(rows.flat(), [rank, places.length])]
  },

  // what the condition keeps, of the axis or of the flattened input
  Compress({ input, attributes }) {
    const flat = attributes.axis === undefined
    const x = flat ? { ...input(0), shape: [sizeOf(input(0).shape)] } : input(0)
    const axis = positive(attributes.axis ?? 0, x.shape.length)
    const kept = numbersOf(input(1)).flatMap((holds, i) => (holds !== 0 ? [i] : []))
    return [pick(x, x.shape.with(axis, kept.length), place => place.with(axis, kept[place[axis]!]!))]
  },

  // the first lengths[b] steps of each sequence in reverse order
  ReverseSequence({ input, attributes: { batch_axis, time_axis } }) {
    const [x, lengths] = [input(0), numbersOf(input(1))]
    return [
      pick(x, x.shape, place => {
        const [time, length] = [place[time_axis]!, lengths[place[batch_axis]!]!]
        return time < length ? place.with(time_axis, length - 1 - time) : place
      }),
    ]
  },
}

/** An index into an axis of length `dim`; negative ones count from the end. */
export function within(index: number, dim: number): number {
  const at = index < 0 ? index + dim : index
  if (at < 0 || at >= dim) throw new RobustlyError('model-invalid', `index ${index} of an axis of length ${dim}`)
  return at
}
