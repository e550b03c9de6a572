/**
 * Gradients of GridSample on images: bilinear and nearest sampling. Each output is a sum of image elements at the
 * corners around its coordinate, times weights that are linear in the coordinate.
 */
import { RobustlyError } from '../../errors.js'
import type { GraphBuilder, Value } from '../../onnx/build.js'
import type { RuleContext } from '../rule.js'

/** A corner's place along an axis [N, P], what it weighs, and the slope of its weight in the coordinate g. */
interface Tap {
  readonly place: Value
  readonly weight: Value
  readonly slope: Value | undefined
}

/** y[n, c, p] = Σ over corners of wy wx x[n, c, corner]: dx adds wy wx G there, dg = slope · Σ over c of G x. */
export function gridGradients(context: RuleContext<'GridSample'>): (Value | undefined)[] {
  const { b, I, G, needs } = context
  const [x, grid] = [I(0), I(1)]
  refuseOthers(context)
  const [batch, channels, height, width] = x.shape as [number, number, number, number]
  const count = grid.shape[1]! * grid.shape[2]!
  const column = (at: number) =>
    b.reshape(b.gather(b.reshape(grid, [batch, count, 2]), b.integers([at]), 2), [batch, count])
  const [columns, rows] = [tapsOf(context, column(0), width), tapsOf(context, column(1), height)]
  const g = b.reshape(G(), [batch, channels, count])
  const image = b.reshape(x, [batch, channels, height * width])
  const corners = rows.flatMap(row => columns.map(col => ({ row, col, at: flat(b, row.place, col.place, width, g) })))
  const perMap = (value: Value) => b.unsqueeze(value, [1])
  const toImage = () => {
    const updates = corners.map(({ row, col }) => b.mul(g, perMap(b.mul(row.weight, col.weight))))
    const indices = b.concat(
      corners.map(({ at }) => at),
      2,
    )
    const zeros = b.full(image.shape, 0, x.dtype)
    return b.reshape(b.scatterElements(zeros, indices, b.concat(updates, 2), 2, 'add'), x.shape)
  }
  const toGrid = () => {
    const sums = corners.map(({ at }) => {
      const seen = b.emit('GatherElements', [image, at], { axis: 2 }, [g])[0]!
      return b.reduceSum(b.mul(g, seen), [1])
    })
    const total = (slope: (row: Tap, col: Tap) => Value) =>
      b.unsqueeze(b.sum(...corners.map(({ row, col }, i) => b.mul(sums[i]!, slope(row, col)))), [2])
    const dx = total((row, col) => b.mul(row.weight, col.slope!))
    const dy = total((row, col) => b.mul(row.slope!, col.weight))
    return b.reshape(b.concat([dx, dy], 2), grid.shape)
  }
  return [needs(0) ? toImage() : undefined, needs(1) ? toGrid() : undefined]
}

function refuseOthers({ node, I, needs, attributes: { mode } }: RuleContext<'GridSample'>): void {
  const refuse = (what: string): never => {
    throw new RobustlyError('model-unsupported', `node "${node.name}" (GridSample): no gradient ${what}`, {
      hint: 'Supported: images [N, C, H, W], modes linear and nearest, and for linear also the gradient to the grid.',
    })
  }
  if (I(0).shape.length !== 4) refuse(`of an input of rank ${I(0).shape.length}`)
  if (mode !== 'linear' && mode !== 'nearest') refuse(`in mode "${mode}"`)
  if (mode === 'nearest' && needs(1)) refuse('to the grid in mode "nearest": it is zero almost everywhere')
}

/** Flat places of corners, for every channel [N, C, P]. */
function flat(b: GraphBuilder, row: Value, col: Value, width: number, like: Value): Value {
  const at = b.add(b.mul(row, b.scalar(width, 'int64')), col)
  return b.expand(b.unsqueeze(at, [1]), like.shape)
}

/** The elements of an axis of length `dim` that a coordinate g [N, P] in [-1, 1] sees. */
function tapsOf({ b, attributes }: RuleContext<'GridSample'>, g: Value, dim: number): Tap[] {
  const number = (value: number) => b.scalar(value, g.dtype)
  const corners = attributes.align_corners === 1
  const scale = corners ? (dim - 1) / 2 : dim / 2
  const raw = b.add(b.mul(b.add(g, number(1)), number(scale)), number(corners ? 0 : -0.5))
  const { at, slope } = broughtInside(b, raw, dim, corners, attributes.padding_mode)
  const perG = b.mul(slope, number(scale))
  if (attributes.mode === 'nearest') return [tap(b, b.round(at), b.full(at.shape, 1, g.dtype), undefined, dim)]
  const low = b.unary('Floor', at)
  const high = b.sub(at, low)
  return [tap(b, low, b.sub(number(1), high), b.neg(perG), dim), tap(b, b.add(low, number(1)), high, perG, dim)]
}

/** A place may lie outside: then it weighs nothing where padding is by zeros, and cannot weigh anything elsewhere. */
function tap(b: GraphBuilder, place: Value, weight: Value, slope: Value | undefined, dim: number): Tap {
  const zero = b.scalar(0, place.dtype)
  const last = b.scalar(dim - 1, place.dtype)
  const inside = b.and(b.greaterOrEqual(place, zero), b.lessOrEqual(place, last))
  return {
    place: b.cast(b.min(b.max(place, zero), last), 'int64'),
    weight: b.where(inside, weight, zero),
    slope: slope && b.where(inside, slope, zero),
  }
}

/** The coordinate after padding by the border or by reflection, and its slope in the coordinate before: 1, 0 or -1. */
function broughtInside(b: GraphBuilder, raw: Value, dim: number, corners: boolean, padding: string) {
  const number = (value: number) => b.scalar(value, raw.dtype)
  const ones = b.full(raw.shape, 1, raw.dtype)
  const clipped = (at: Value, slope: Value) => {
    const inside = b.min(b.max(at, number(0)), number(dim - 1))
    return { at: inside, slope: b.where(b.equal(inside, at), slope, number(0)) }
  }
  if (padding === 'zeros') return { at: raw, slope: ones }
  if (padding === 'border') return clipped(raw, ones)
  const [low, span] = corners ? [0, dim - 1] : [-0.5, dim]
  if (span === 0) return { at: b.full(raw.shape, 0, raw.dtype), slope: b.full(raw.shape, 0, raw.dtype) }
  const from = b.sub(raw, number(low))
  const far = b.emit('Mod', [b.abs(from), number(2 * span)], { fmod: 1 }, [raw])[0]!
  const back = b.greater(far, number(span))
  const at = b.add(b.where(back, b.sub(number(2 * span), far), far), number(low))
  const direction = b.mul(b.where(b.less(from, number(0)), number(-1), number(1)), b.where(back, number(-1), number(1)))
  return clipped(at, direction)
}
