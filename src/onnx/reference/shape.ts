/** Operators that move, cut and repeat values, by their definition. */
import { RobustlyError } from '../../errors.js'
import { broadcastShapes, float64, int64, type Shape, sizeOf, type Tensor } from '../../tensor/tensor.js'
import type { Node } from '../graph.js'
import { positive } from '../shapes.js'
import { broadcastTo, elementsOf, flatOf, keptAs, listed, numbersOf, pick, placeOf, tensorOf } from './numbers.js'
import type { ReferenceContext, ReferenceRules } from './rule.js'

type Move =
  | ('Reshape' | 'Flatten' | 'Squeeze' | 'Unsqueeze' | 'Transpose' | 'Concat' | 'Split' | 'Slice' | 'Pad')
  | ('Expand' | 'Shape' | 'Constant' | 'ConstantOfShape')

export const shape: ReferenceRules<Move> = {
  Reshape({ input, attributes }) {
    const wanted = numbersOf(input(1)).map((dim, axis) =>
      dim === 0 && attributes.allowzero === 0 ? input(0).shape[axis]! : dim,
    )
    const rest = wanted.reduce((product, dim) => (dim === -1 ? product : product * dim), 1)
    return [
      reshaped(
        input(0),
        wanted.map(dim => (dim === -1 ? sizeOf(input(0).shape) / rest : dim)),
      ),
    ]
  },

  Flatten({ input, attributes }) {
    const { shape } = input(0)
    const axis = attributes.axis < 0 ? attributes.axis + shape.length : attributes.axis
    return [reshaped(input(0), [sizeOf(shape.slice(0, axis)), sizeOf(shape.slice(axis))])]
  },

  Squeeze(context) {
    const x = context.input(0)
    const axes = listed(context, 1)?.map(axis => positive(axis, x.shape.length))
    return [
      reshaped(
        x,
        x.shape.filter((dim, axis) => (axes === undefined ? dim !== 1 : !axes.includes(axis))),
      ),
    ]
  },

  Unsqueeze({ input }) {
    const axes = numbersOf(input(1))
    const rank = input(0).shape.length + axes.length
    const added = new Set(axes.map(axis => positive(axis, rank)))
    const rest = [...input(0).shape]
    return [
      reshaped(
        input(0),
        Array.from({ length: rank }, (_, axis) => (added.has(axis) ? 1 : rest.shift()!)),
      ),
    ]
  },

  Transpose({ input, attributes }) {
    const x = input(0)
    const perm = attributes.perm ?? x.shape.map((_, axis) => x.shape.length - 1 - axis)
    return [
      pick(
        x,
        perm.map(axis => x.shape[axis]!),
        place => x.shape.map((_, axis) => place[perm.indexOf(axis)]!),
      ),
    ]
  },

  Concat({ node, input, attributes }) {
    const parts = node.inputs.map((_, i) => input(i))
    const first = parts[0]!.shape
    const axis = positive(attributes.axis ?? 0, first.length)
    const owners = parts.flatMap((part, i) => Array.from({ length: part.shape[axis]! }, (_, at) => ({ i, at })))
    const columns = parts.map(elementsOf)
    const places = pickPlaces(first.with(axis, owners.length))
    const elements = places.map(place => {
      const { i, at } = owners[place[axis]!]!
      return columns[i]![flatOf(place.with(axis, at), parts[i]!.shape)]!
    })
    return [tensorOf(parts[0]!.dtype, elements, first.with(axis, owners.length))]
  },

  Split(context) {
    const x = context.input(0)
    const axis = positive(context.attributes.axis, x.shape.length)
    const dim = x.shape[axis]!
    const count = context.attributes.num_outputs ?? context.outputs
    const chunk = Math.ceil(dim / count)
    const sizes =
      listed(context, 1) ?? Array.from({ length: count }, (_, i) => Math.max(0, Math.min(chunk, dim - i * chunk)))
    let start = 0
    return sizes.map(size => {
      const from = start
      start += size
      return pick(x, x.shape.with(axis, size), place => place.with(axis, place[axis]! + from))
    })
  },

  Slice(context) {
    const x = context.input(0)
    const [starts, ends] = [numbersOf(context.input(1)), numbersOf(context.input(2))]
    const axes = listed(context, 3) ?? starts.map((_, axis) => axis)
    const steps = listed(context, 4) ?? starts.map(() => 1)
    const kept = x.shape.map(dim => Array.from({ length: dim }, (_, at) => at))
    axes.forEach((axis, i) => {
      const at = positive(axis, x.shape.length)
      kept[at] = sliced(x.shape[at]!, starts[i]!, ends[i]!, steps[i]!)
    })
    return [
      pick(
        x,
        kept.map(places => places.length),
        place => place.map((at, axis) => kept[axis]![at]!),
      ),
    ]
  },

  Pad: context => [padded(context)],

  Expand({ input }) {
    return [broadcastTo(input(0), broadcastShapes(input(0).shape, numbersOf(input(1))))]
  },

  Shape({ input, attributes }) {
    return [int64(input(0).shape.slice(attributes.start, attributes.end))]
  },

  Constant: ({ node }) => [constantOf(node)],

  ConstantOfShape({ node, input }) {
    const value = node.attributes.get('value')
    const wanted = numbersOf(input(0))
    if (value?.type !== 'tensor') return [tensorOf('float64', new Array<number>(sizeOf(wanted)).fill(0), wanted)]
    const element = elementsOf(value.value)[0]!
    return [tensorOf(keptAs(value.value.dtype), new Array(sizeOf(wanted)).fill(element), wanted)]
  },
}

function reshaped(x: Tensor, shape: Shape): Tensor {
  if (sizeOf(shape) !== sizeOf(x.shape)) throw new RangeError(`cannot reshape [${x.shape}] to [${shape}]`)
  return { ...x, shape }
}

function pickPlaces(shape: Shape): number[][] {
  return Array.from({ length: sizeOf(shape) }, (_, i) => placeOf(i, shape))
}

/** The indices that a slice of an axis of length `dim` takes, as numpy does. */
function sliced(dim: number, start: number, end: number, step: number): number[] {
  const forward = step > 0
  const clamp = (at: number) => Math.min(forward ? dim : dim - 1, Math.max(forward ? 0 : -1, at < 0 ? at + dim : at))
  const indices: number[] = []
  const [from, to] = [forward ? clamp(start) : Math.max(0, clamp(start)), clamp(end)]
  for (let at = from; forward ? at < to : at > to; at += step) indices.push(at)
  return dim === 0 ? [] : indices
}

function padded(context: ReferenceContext<'Pad'>): Tensor {
  const x = context.input(0)
  const { mode } = context.attributes
  const pads = numbersOf(context.input(1))
  const axes = (listed(context, 3) ?? x.shape.map((_, axis) => axis)).map(axis => positive(axis, x.shape.length))
  const before = x.shape.map(() => 0)
  const shape = [...x.shape]
  axes.forEach((axis, i) => {
    before[axis] = pads[i]!
    shape[axis]! += pads[i]! + pads[i + axes.length]!
  })
  const source = (place: readonly number[]) => {
    const from = place.map((at, axis) => inside(mode, at - before[axis]!, x.shape[axis]!))
    return from.every(at => at !== undefined) ? from : undefined
  }
  const fill = context.inputs[2]
  return pick(x, shape, source, fill === undefined ? 0 : elementsOf(fill)[0]!)
}

/** The place within an axis of length `dim` that a place outside repeats; undefined where the fill value stands. */
function inside(mode: string, at: number, dim: number): number | undefined {
  switch (mode) {
    case 'constant':
      return at >= 0 && at < dim ? at : undefined
    case 'edge':
      return at < 0 ? 0 : at >= dim ? dim - 1 : at
    case 'wrap':
      return at - Math.floor(at / dim) * dim
    case 'reflect':
      if (dim === 1) return 0
      while (at < 0 || at >= dim) at = at < 0 ? -at : 2 * (dim - 1) - at
      return at
    default:
      throw new RobustlyError('model-unsupported', `Pad: the standard has no mode "${mode}"`)
  }
}

/** A Constant node carries its value in one of several attributes. */
function constantOf(node: Node): Tensor {
  for (const attribute of node.attributes.values()) {
    switch (attribute.type) {
      case 'tensor':
        return tensorOf(keptAs(attribute.value.dtype), elementsOf(attribute.value), attribute.value.shape)
      case 'float':
        return float64([attribute.value], [])
      case 'int':
        return int64([attribute.value], [])
      case 'floats':
        return float64(attribute.value)
      case 'ints':
        return int64(attribute.value)
    }
  }
  throw new RobustlyError('model-unsupported', `node "${node.name}" (Constant) holds no numbers`)
}
