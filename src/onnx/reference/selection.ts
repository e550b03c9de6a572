/** Operators that select values, convert them or pass them on, by their definition. */
import { RobustlyError } from '../../errors.js'
import { broadcastShapes, type DataType, sizeOf, type Tensor } from '../../tensor/tensor.js'
import { elementTypes } from '../operators.js'
import { positive } from '../shapes.js'
import { scatterReductions, within } from './indexing.js'
import { broadcastTo, elementsOf, flatOf, keptAs, numbersOf, pick, placeOf, tensorOf } from './numbers.js'
import type { ReferenceRules } from './rule.js'

type Selection = 'Where' | 'Gather' | 'ScatterElements' | 'Cast' | 'CastLike' | 'Identity' | 'Dropout'

export const selection: ReferenceRules<Selection> = {
  Where({ input }) {
    const shape = broadcastShapes(input(0).shape, input(1).shape, input(2).shape)
    const [condition, a, b] = [0, 1, 2].map(i => elementsOf(broadcastTo(input(i), shape))) as [
      (number | bigint)[],
      (number | bigint)[],
      (number | bigint)[],
    ]
    return [
      tensorOf(
        input(1).dtype,
        condition.map((holds, i) => (holds ? a[i]! : b[i]!)),
        shape,
      ),
    ]
  },

  Gather({ input, attributes }) {
    const [x, indices] = [input(0), numbersOf(input(1))]
    const axis = positive(attributes.axis, x.shape.length)
    const rank = input(1).shape.length
    const shape = [...x.shape.slice(0, axis), ...input(1).shape, ...x.shape.slice(axis + 1)]
    return [
      pick(x, shape, place => {
        const index = indices[flatOf(place.slice(axis, axis + rank), input(1).shape)]!
        return [...place.slice(0, axis), within(index, x.shape[axis]!), ...place.slice(axis + rank)]
      }),
    ]
  },

  ScatterElements({ input, attributes: { axis, reduction } }) {
    const [x, indices, updates] = [input(0), numbersOf(input(1)), numbersOf(input(2))]
    const at = positive(axis, x.shape.length)
    const combine = scatterReductions[reduction]
    if (combine === undefined)
      throw new RobustlyError('model-invalid', `ScatterElements has no reduction "${reduction}"`)
    const values = numbersOf(x)
    updates.forEach((update, i) => {
      const place = placeOf(i, input(1).shape).with(at, within(indices[i]!, x.shape[at]!))
      const target = flatOf(place, x.shape)
      values[target] = combine(values[target]!, update)
    })
    return [tensorOf(x.dtype, values, x.shape)]
  },

  Cast({ input, attributes: { to } }) {
    const found = Object.entries(elementTypes).find(([, number]) => number === to)?.[0] as DataType | undefined
    if (found === undefined) throw new RobustlyError('model-unsupported', `Cast to element type ${to}`)
    const x = input(0)
    return [cast(x, keptAs(found))]
  },

  CastLike: ({ input }) => [cast(input(0), keptAs(input(1).dtype))],

  Identity: ({ input }) => [input(0)],

  // at inference: the input, and a mask that drops nothing
  Dropout({ node, input, inputs, outputs }) {
    if (inputs[2] !== undefined && numbersOf(inputs[2])[0] !== 0) {
      throw new RobustlyError(
        'model-unsupported',
        `node "${node.name}" (Dropout) is in training mode: it draws at random`,
      )
    }
    const { shape } = input(0)
    return [input(0), tensorOf('bool', new Array<number>(sizeOf(shape)).fill(1), shape)].slice(0, outputs)
  },
}

function cast(x: Tensor, dtype: DataType): Tensor {
  if (x.dtype === dtype) return x
  const elements = elementsOf(x)
  if (dtype === 'bool')
    return tensorOf(
      dtype,
      elements.map(element => (Number(element) === 0 ? 0 : 1)),
      x.shape,
    )
  return tensorOf(dtype, elements, x.shape)
}
