/** Gradients of pools. Among equal maxima the first of a window takes the whole gradient, as in the forward pass. */
import type { GraphBuilder, Value } from '../../onnx/build.js'
import { type SlidingWindow, slidingWindow } from '../../onnx/window.js'
import { type Shape, sizeOf, stridesOf } from '../../tensor/tensor.js'
import type { GradientRules, RuleContext } from '../rule.js'
import { floatsOf } from './constants.js'
import { adjoint } from './convolution.js'

type Pooling =
  | ('AveragePool' | 'GlobalAveragePool' | 'GlobalMaxPool' | 'MaxPool')
  | ('LpPool' | 'GlobalLpPool' | 'MaxUnpool')

export const pooling: GradientRules<Pooling> = {
  // A depthwise convolution by ones, divided by the number of elements that each window counts.
  AveragePool(context) {
    const { b, I, G, attributes } = context
    const [channels, spatial] = [I(0).shape[1]!, I(0).shape.slice(2)]
    const window = slidingWindow(attributes, spatial, attributes.kernel_shape ?? [])
    const positions = G().shape.slice(2)
    const shares = countsOf(window, spatial, positions, attributes.count_include_pad === 1).map(count => 1 / count)
    const even = shares.every(share => share === shares[0])
    const g = even ? G() : b.mul(G(), b.constant(floatsOf(shares, G().dtype, [1, 1, ...positions])))
    const kernel = b.full([channels, 1, ...window.kernel], even ? (shares[0] ?? 1) : 1, g.dtype)
    return [adjoint(b, g, kernel, I(0).shape, window, channels)]
  },

  // dx = G / (number of elements), at every element.
  GlobalAveragePool({ b, I, G }) {
    const spatial = I(0).shape.slice(2)
    return [b.expand(b.mul(G(), b.scalar(1 / sizeOf(spatial), G().dtype)), I(0).shape)]
  },

  // dx = G at the first maximum of each channel.
  GlobalMaxPool({ b, I, G }) {
    const x = I(0)
    const maps = sizeOf(x.shape.slice(0, 2))
    const flat = b.reshape(x, [maps, sizeOf(x.shape.slice(2))])
    const placed = b.scatterElements(zeros(b, flat), b.argMax(flat, 1, true), b.reshape(G(), [maps, 1]), 1)
    return [b.reshape(placed, x.shape)]
  },

  // The root of a depthwise convolution of |x|^p by ones.
  LpPool: ({ b, I, O, attributes, through }) =>
    through(() => {
      const x = I(0)
      const [channels, spatial] = [x.shape[1]!, x.shape.slice(2)]
      const { kernel, strides, dilations, begins, extents } = slidingWindow(
        attributes,
        spatial,
        attributes.kernel_shape!,
      )
      const ends = O()
        .shape.slice(2)
        .map((count, i) => (count - 1) * strides[i]! + extents[i]! - begins[i]! - spatial[i]!)
      // Windows may end before the input does: a negative padding, which only Pad knows.
      const crops = ends.map(end => Math.min(0, end))
      const none = crops.map(() => 0)
      const inner = b.pad(powered(b, x, attributes.p), [0, 0, ...none, 0, 0, ...crops])
      const ones = b.full([channels, 1, ...kernel], 1, x.dtype)
      const pads = [...begins, ...ends.map(end => Math.max(0, end))]
      return [rooted(b, b.conv(inner, ones, undefined, { strides, dilations, pads, group: channels }), attributes.p)]
    }),

  GlobalLpPool: ({ b, I, attributes: { p }, through }) =>
    through(() => {
      const axes = I(0).shape.flatMap((_, axis) => (axis < 2 ? [] : [axis]))
      return [rooted(b, b.reduceSum(powered(b, I(0), p), axes, true), p)]
    }),

  // y = x at the indices, 0 elsewhere: G at the indices
  MaxUnpool: ({ b, I, G }) => [b.gather(b.reshape(G(), [sizeOf(G().shape)]), I(1))],

  MaxPool(context) {
    const { I, G, attributes } = context
    const spatial = I(0).shape.slice(2)
    const window = slidingWindow(attributes, spatial, attributes.kernel_shape ?? [])
    return [tiles(window, spatial, G().shape.slice(2)) ? handDown(context, window) : scatter(context)]
  },
}

/** |x|^p */
function powered(b: GraphBuilder, x: Value, p: number): Value {
  if (p === 1) return b.abs(x)
  return p === 2 ? b.mul(x, x) : b.pow(b.abs(x), b.scalar(p, x.dtype))
}

/** x^(1/p) for x ≥ 0 */
function rooted(b: GraphBuilder, x: Value, p: number): Value {
  if (p === 1) return x
  return p === 2 ? b.sqrt(x) : b.pow(x, b.scalar(1 / p, x.dtype))
}

/** More taps than this are not worth a comparison each. */
const mostTaps = 9

/** Whether the windows lie side by side inside the input. */
function tiles({ kernel, strides, begins, extents }: SlidingWindow, input: Shape, positions: Shape): boolean {
  return (
    sizeOf(kernel) <= mostTaps &&
    kernel.every(
      (taps, i) => taps === strides[i] && taps === extents[i] && begins[i] === 0 && positions[i]! * taps <= input[i]!,
    )
  )
}

/**
 * Windows side by side: tap by tap, hand the gradient down to the first element that equals the maximum, then interleave
 * the taps. Twice as fast as indices, whose computation takes ONNX Runtime's forward pool off its fast path.
 */
function handDown({ b, I, O, G }: RuleContext<'MaxPool'>, { kernel }: SlidingWindow): Value {
  const [x, positions] = [I(0), G().shape.slice(2)]
  const zero = b.scalar(0, x.dtype)
  const axes = kernel.map((_, i) => i + 2)
  const [size, strides] = [sizeOf(kernel), stridesOf(kernel)]
  let rest = G()
  const parts = Array.from({ length: size }, (_, tap) => {
    if (tap === size - 1) return rest
    const starts = kernel.map((dim, i) => Math.floor(tap / strides[i]!) % dim)
    const ends = starts.map((start, i) => start + (positions[i]! - 1) * kernel[i]! + 1)
    const wins = b.equal(b.slice(x, axes, starts, ends, kernel), O())
    const part = b.where(wins, rest, zero)
    rest = b.where(wins, zero, rest)
    return part
  })
  const placed = interleaved(b, parts, kernel)
  const ends = x.shape.map((dim, axis) => dim - placed.shape[axis]!)
  return b.pad(placed, [...x.shape.map(() => 0), ...ends])
}

/** Puts element p of part k at p * kernel + k along the spatial axes; parts in row-major order of k. */
function interleaved(b: GraphBuilder, parts: readonly Value[], kernel: Shape): Value {
  const last = kernel.length - 1
  const [taps, axis] = [kernel[last]!, last + 2]
  const lines = Array.from({ length: parts.length / taps }, (_, line) => {
    const group = parts.slice(line * taps, (line + 1) * taps)
    const joined = b.concat(
      group.map(part => b.unsqueeze(part, [axis + 1])),
      axis + 1,
    )
    return b.reshape(joined, group[0]!.shape.with(axis, group[0]!.shape[axis]! * taps))
  })
  return last === 0 ? lines[0]! : interleaved(b, lines, kernel.slice(0, last))
}

/** Any windows: add each gradient at the index of its maximum. */
function scatter({ b, I, G, attributes }: RuleContext<'MaxPool'>): Value {
  const [x, g] = [I(0), G()]
  const types = [g, { dtype: 'int64', shape: g.shape }] as const
  const indices = b.emit('MaxPool', [x], { ...attributes, storage_order: 0 }, types)[1]!
  const flat = (value: Value) => b.reshape(value, [sizeOf(value.shape)])
  return b.reshape(b.scatterElements(zeros(b, flat(x)), flat(indices), flat(g), 0, 'add'), x.shape)
}

function zeros(b: GraphBuilder, { shape, dtype }: Value): Value {
  return b.cast(b.emit('ConstantOfShape', [b.integers(shape)], {}, [{ dtype: 'float32', shape }])[0]!, dtype)
}

/** Number of elements that the average of each window position divides by. */
function countsOf(window: SlidingWindow, input: Shape, positions: Shape, withPadding: boolean): number[] {
  const perAxis = positions.map((count, i) => {
    const [low, high] = withPadding ? [-window.begins[i]!, input[i]! + window.ends[i]!] : [0, input[i]!]
    return Array.from({ length: count }, (_, position) => {
      const first = position * window.strides[i]! - window.begins[i]!
      const seen = Array.from({ length: window.kernel[i]! }, (_, tap) => first + tap * window.dilations[i]!)
      return seen.filter(at => at >= low && at < high).length
    })
  })
  return perAxis.reduce((counts, axis) => counts.flatMap(count => axis.map(taps => count * taps)), [1])
}
