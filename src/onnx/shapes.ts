/** Shapes that operators give: shared by the node builder, the rules and the reference. */
import { broadcastShapes, type Shape } from '../tensor/tensor.js'

/** Spatial attributes of convolutions and pools, per spatial axis; `pads` lists all starts, then all ends. */
export interface Window {
  readonly strides?: readonly number[]
  readonly pads?: readonly number[]
  readonly dilations?: readonly number[]
}

/** Negative axes count from the end. */
export function positive(axis: number, rank: number): number {
  const at = axis < 0 ? axis + rank : axis
  if (at < 0 || at >= rank) throw new RangeError(`axis ${axis} of a value of rank ${rank}`)
  return at
}

export function reducedShape(shape: Shape, axes: readonly number[], keepdims: boolean): number[] {
  const reduced = new Set(axes.map(axis => positive(axis, shape.length)))
  return shape.flatMap((dim, axis) => (reduced.has(axis) ? (keepdims ? [1] : []) : [dim]))
}

/** Shape of a numpy-style product: batch dimensions broadcast, rank-1 operands gain and lose a dimension. */
export function matMulShape(a: Shape, b: Shape): number[] {
  const left = a.length === 1 ? [1, ...a] : a
  const right = b.length === 1 ? [...b, 1] : b
  if (left.at(-1) !== right.at(-2)) throw new RangeError(`cannot multiply [${a}] and [${b}]`)
  const batch = broadcastShapes(left.slice(0, -2), right.slice(0, -2))
  return [...batch, ...(a.length === 1 ? [] : [left.at(-2)!]), ...(b.length === 1 ? [] : [right.at(-1)!])]
}

/** Number of elements that a slice of an axis of length `dim` takes, by the standard's clamping. */
export function sliceLength(dim: number, start: number, end: number, step: number): number {
  const [low, high] = step > 0 ? [0, dim] : [-1, dim - 1]
  const clamp = (at: number) => Math.min(high, Math.max(low, at < 0 ? at + dim : at))
  const from = Math.min(step > 0 ? dim : dim - 1, Math.max(0, start < 0 ? start + dim : start))
  return Math.max(0, Math.ceil((clamp(end) - from) / step))
}

/** Length of a convolution's or pool's output along spatial axis i. */
export function windowedLength(dim: number, kernel: number, window: Required<Window>, i: number): number {
  const padded = dim + window.pads[i]! + window.pads[i + window.strides.length]!
  return Math.floor((padded - (kernel - 1) * window.dilations[i]! - 1) / window.strides[i]!) + 1
}

/** Every part of a window, with the standard's defaults. */
export function filledWindow(
  kernel: readonly number[],
  window: Window,
): { strides: readonly number[]; pads: readonly number[]; dilations: readonly number[] } {
  return {
    strides: window.strides ?? kernel.map(() => 1),
    pads: window.pads ?? kernel.flatMap(() => [0, 0]),
    dilations: window.dilations ?? kernel.map(() => 1),
  }
}
