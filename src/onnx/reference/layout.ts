/** Operators that repeat, mask, rearrange and count, by their definition. */
import { type DataType, int64, sizeOf } from '../../tensor/tensor.js'
import { elementTypes } from '../operators.js'
import { keptAs, listed, numbersOf, pick, placeOf, tensorOf } from './numbers.js'
import type { ReferenceRules } from './rule.js'

type Layout = 'Tile' | 'Trilu' | 'DepthToSpace' | 'SpaceToDepth' | 'Range' | 'Size' | 'EyeLike'

export const layout: ReferenceRules<Layout> = {
  Tile({ input }) {
    const [x, repeats] = [input(0), numbersOf(input(1))]
    const shape = x.shape.map((dim, axis) => dim * repeats[axis]!)
    return [pick(x, shape, place => place.map((at, axis) => at % x.shape[axis]!))]
  },

  // the upper or lower triangle of the last two axes, from diagonal k on
  Trilu(context) {
    const x = context.input(0)
    const k = listed(context, 1)?.[0] ?? 0
    const keeps = (row: number, column: number) =>
      context.attributes.upper === 1 ? column - row >= k : column - row <= k
    return [pick(x, x.shape, place => (keeps(place.at(-2)!, place.at(-1)!) ? place : undefined))]
  },

  // DCR: channel (i, j, c) goes to row i, column j of the block; CRD: channel (c, i, j)
  DepthToSpace({ input, attributes: { blocksize, mode } }) {
    const x = input(0)
    const size = blocksize!
    const [batch, channels, height, width] = x.shape as [number, number, number, number]
    const depth = channels / (size * size)
    return [
      pick(x, [batch, depth, height * size, width * size], ([n, c, row, column]) => {
        const offset = (row! % size) * size + (column! % size)
        const channel = mode === 'CRD' ? c! * size * size + offset : offset * depth + c!
        return [n!, channel, Math.floor(row! / size), Math.floor(column! / size)]
      }),
    ]
  },

  SpaceToDepth({ input, attributes: { blocksize } }) {
    const x = input(0)
    const size = blocksize!
    const [batch, depth, height, width] = x.shape as [number, number, number, number]
    return [
      pick(x, [batch, depth * size * size, height / size, width / size], ([n, channel, row, column]) => {
        const offset = Math.floor(channel! / depth)
        return [n!, channel! % depth, row! * size + Math.floor(offset / size), column! * size + (offset % size)]
      }),
    ]
  },

  Range({ input }) {
    const [start, limit, delta] = [0, 1, 2].map(i => numbersOf(input(i))[0]!) as [number, number, number]
    const count = Math.max(0, Math.ceil((limit - start) / delta))
    const values = Array.from({ length: count }, (_, i) => start + i * delta)
    return [tensorOf(input(0).dtype, values, [count])]
  },

  Size: ({ input }) => [int64([sizeOf(input(0).shape)], [])],

  EyeLike({ input, attributes: { dtype, k } }) {
    const { shape, dtype: own } = input(0)
    const named = Object.entries(elementTypes).find(([, number]) => number === dtype)?.[0] as DataType | undefined
    const ones = Array.from({ length: sizeOf(shape) }, (_, flat) => {
      const [row, column] = placeOf(flat, shape)
      return Number(column! - row! === k)
    })
    return [tensorOf(keptAs(named ?? own), ones, shape)]
  },
}
