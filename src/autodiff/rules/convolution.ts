/**
 * Gradients of convolutions. Conv and ConvTranspose are each other's adjoints, so both rules are made of the same two
 * pieces; forms were chosen by measurement on ONNX Runtime's CPU kernels (bench/).
 */
import type { GraphBuilder, Value } from '../../onnx/build.js'
import { type SlidingWindow, slidingWindow, transposedWindow } from '../../onnx/window.js'
import { type Shape, sizeOf, stridesOf, type Tensor } from '../../tensor/tensor.js'
import type { GradientRules } from '../rule.js'
import { floatsOf } from './constants.js'

export const convolution: Pick<GradientRules, 'Conv' | 'ConvTranspose' | 'Col2Im'> = {
  // y = x * w + bias: dx is the transposed convolution of G by w, dbias the sum of G per channel.
  Conv({ b, I, G, needs, attributes }) {
    const [x, w, g] = [I(0), I(1), G()]
    const window = slidingWindow(attributes, x.shape.slice(2), w.shape.slice(2))
    return [
      needs(0) ? adjoint(b, g, w, x.shape, window, attributes.group) : undefined,
      needs(1) ? kernelGradient(b, x, g, w.shape, window, attributes.group) : undefined,
      needs(2) ? channelSum(b, g) : undefined,
    ]
  },

  // The adjoint of a Conv with the same weights: dx is that Conv of G, dw its kernel gradient with G as input.
  ConvTranspose({ b, I, G, needs, attributes }) {
    const [x, w] = [I(0), I(1)]
    const { window } = transposedWindow(attributes, x.shape.slice(2), w.shape.slice(2))
    const { strides, dilations } = window
    const g = cover(b, G(), window, x.shape.slice(2))
    return [
      needs(0)
        ? b.conv(g.inside, w, undefined, { strides, dilations, pads: g.pads, group: attributes.group })
        : undefined,
      needs(1) ? kernelGradient(b, G(), x, w.shape, window, attributes.group) : undefined,
      needs(2) ? channelSum(b, G()) : undefined,
    ]
  },

  // y = blocks added up where they lie: each tap of each block takes the G that it lies on, as a kernel of a single 1 does.
  Col2Im({ b, I, G, attributes, integers }) {
    const { dtype, shape } = I(0)
    const block = integers(2)
    const channels = G().shape[1]!
    const taps = sizeOf(block)
    const ones = Array.from({ length: channels * taps * taps }, (_, i) =>
      Number(Math.floor(i / taps) % taps === i % taps),
    )
    const kernels = b.constant(floatsOf(ones, dtype, [channels * taps, 1, ...block]))
    const { strides, pads, dilations } = attributes
    return [b.reshape(b.conv(G(), kernels, undefined, { strides, pads, dilations, group: channels }), shape)]
  },
}

/** Gradient to the input, of shape `like`, of a convolution by w whose output has gradient g. */
export function adjoint(b: GraphBuilder, g: Value, w: Value, like: Shape, window: SlidingWindow, group: number): Value {
  const flips = window.strides.every(stride => stride === 1) && (group > 1 || like[1]! > fewChannels)
  return flips ? flippedConvolution(b, g, w, window, group) : transposedConvolution(b, g, w, like, window, group)
}

/**
 * ONNX Runtime's fast convolutions compute 8 or 16 output channels at a time. Down to the colours of an image, the
 * transposed convolution, which wastes none, was measured 2 to 5 times faster.
 */
const fewChannels = 4

/** Stride 1: a convolution by the kernel turned around, with input and output channels exchanged. */
function flippedConvolution(b: GraphBuilder, g: Value, w: Value, window: SlidingWindow, group: number): Value {
  const { extents, dilations } = window
  const begins = window.begins.map((begin, i) => extents[i]! - 1 - begin)
  const ends = window.ends.map((end, i) => extents[i]! - 1 - end)
  // More padding than the kernel reaches over: the outermost outputs saw nothing but padding.
  const seen = cropped(
    b,
    g,
    begins.map(begin => Math.max(0, -begin)),
    ends.map(end => Math.max(0, -end)),
  )
  const pads = [...begins, ...ends].map(pad => Math.max(0, pad))
  return b.conv(seen, exchanged(b, w, group), undefined, { pads, dilations, group })
}

/** Any stride. Inputs after the last window get 0 by output padding. */
function transposedConvolution(b: GraphBuilder, g: Value, w: Value, like: Shape, window: SlidingWindow, group: number) {
  const { strides, dilations, begins, extents } = window
  const missing = like.slice(2).map((dim, i) => {
    const covered = (g.shape[i + 2]! - 1) * strides[i]! + extents[i]!
    return begins[i]! + dim - covered
  })
  const ends = missing.map(count => Math.max(0, -count))
  const outputPadding = missing.map(count => Math.max(0, count))
  return b.convTranspose(g, w, undefined, { strides, dilations, pads: [...begins, ...ends], group, outputPadding })
}

/** w [M, C/group, …] as [C, M/group, …] with every spatial axis reversed; a constant again when w is one. */
function exchanged(b: GraphBuilder, w: Value, group: number): Value {
  const [outs, perGroup, ...kernel] = w.shape as [number, number, ...number[]]
  const constant = b.initializerOf(w)
  const shape = [perGroup * group, outs / group, ...kernel]
  if (constant !== undefined) {
    return b.deferred({ dtype: w.dtype, shape, load: () => exchangedTensor(constant.load(), shape, group) })
  }
  // Reversing by a product with a permutation matrix is exact, and faster than a slice of negative step.
  const area = sizeOf(kernel)
  const reversed = area === 1 ? w : b.matMul(b.reshape(w, [outs * perGroup, area]), antidiagonal(b, area, w))
  const grouped = b.reshape(reversed, [group, outs / group, perGroup, area])
  return b.reshape(b.transpose(grouped, [0, 2, 1, 3]), shape)
}

/** Ones from the upper right to the lower left. */
function antidiagonal(b: GraphBuilder, size: number, { dtype }: Value): Value {
  const values = Array.from({ length: size * size }, (_, i) => ((i % size) + Math.floor(i / size) === size - 1 ? 1 : 0))
  return b.constant(floatsOf(values, dtype, [size, size]))
}

function exchangedTensor(w: Tensor, shape: Shape, group: number): Tensor {
  const [channels, outsPerGroup, ...kernel] = shape as [number, number, ...number[]]
  const perGroup = channels / group
  const area = sizeOf(kernel)
  const [from, to] = [w.data as Float64Array, w.data.slice() as Float64Array]
  for (let c = 0; c < channels; c++) {
    for (let m = 0; m < outsPerGroup; m++) {
      const out = Math.floor(c / perGroup) * outsPerGroup + m
      const source = (out * perGroup + (c % perGroup)) * area
      const target = (c * outsPerGroup + m) * area
      for (let k = 0; k < area; k++) to[target + k] = from[source + area - 1 - k]!
    }
  }
  return { ...w, shape, data: to } as Tensor
}

/**
 * Gradient to a kernel of shape `like` [M, C/group, …] of the convolution from x to an output with gradient g:
 * dw[m, c, k] = sum over n, p of g[n, m, p] x[n, c, p s + k d - pad]. With channels first, that is one product per tap of
 * the kernel, over batch and positions at once; faster than one large product of all taps, which must first be joined.
 */
function kernelGradient(b: GraphBuilder, x: Value, g: Value, like: Shape, window: SlidingWindow, group: number): Value {
  const [outs, perGroup, ...kernel] = like as [number, number, ...number[]]
  const positions = g.shape.slice(2)
  const area = g.shape[0]! * sizeOf(positions)
  const { inside, pads } = cover(b, x, window, positions)
  const padded = b.pad(inside, [0, 0, ...pads.slice(0, kernel.length), 0, 0, ...pads.slice(kernel.length)])
  const [wide, narrow] = [channelsFirst(b, padded), channelsFirst(b, g)]
  const products = Array.from({ length: sizeOf(kernel) }, (_, tap) => {
    const slice = tapSlice(b, wide, tap, kernel, positions, window)
    if (group === 1) {
      return b.gemm(b.reshape(narrow, [outs, area]), b.reshape(slice, [perGroup, area]), undefined, { transB: true })
    }
    const columns = b.transpose(b.reshape(slice, [group, perGroup, area]), [0, 2, 1])
    return b.reshape(b.matMul(b.reshape(narrow, [group, outs / group, area]), columns), [outs, perGroup])
  })
  const stacked = b.reshape(b.concat(products, 0), [products.length, outs * perGroup])
  return b.reshape(b.transpose(stacked, [1, 0]), like)
}

function channelsFirst(b: GraphBuilder, x: Value): Value {
  return b.transpose(x, [1, 0, ...x.shape.slice(2).map((_, i) => i + 2)])
}

/** What one tap of the kernel sees at every window position, of x [C, N, …]. */
function tapSlice(b: GraphBuilder, x: Value, tap: number, kernel: Shape, positions: Shape, window: SlidingWindow) {
  const strides = stridesOf(kernel)
  const starts = kernel.map((dim, i) => (Math.floor(tap / strides[i]!) % dim) * window.dilations[i]!)
  const ends = starts.map((start, i) => start + (positions[i]! - 1) * window.strides[i]! + 1)
  const axes = kernel.flatMap((_, i) => (positions[i] === x.shape[i + 2] ? [] : [i]))
  if (axes.length === 0) return x
  const at = (values: readonly number[]) => axes.map(i => values[i]!)
  return b.slice(
    x,
    axes.map(i => i + 2),
    at(starts),
    at(ends),
    at(window.strides),
  )
}

/** x without what no window reaches at its ends, and the padding (starts, then ends) that the windows add to it. */
function cover(b: GraphBuilder, x: Value, window: SlidingWindow, positions: Shape): { inside: Value; pads: number[] } {
  const ends = positions.map((count, i) => {
    const covered = (count - 1) * window.strides[i]! + window.extents[i]!
    return covered - window.begins[i]! - x.shape[i + 2]!
  })
  const none = ends.map(() => 0)
  const crop = ends.map(end => Math.max(0, -end))
  return { inside: cropped(b, x, none, crop), pads: [...window.begins, ...ends.map(end => Math.max(0, end))] }
}

function cropped(b: GraphBuilder, x: Value, begins: readonly number[], ends: readonly number[]): Value {
  const axes = begins.flatMap((begin, i) => (begin > 0 || ends[i]! > 0 ? [i] : []))
  if (axes.length === 0) return x
  return b.slice(
    x,
    axes.map(i => i + 2),
    axes.map(i => begins[i]!),
    axes.map(i => x.shape[i + 2]! - ends[i]!),
  )
}

function channelSum(b: GraphBuilder, g: Value): Value {
  return b.reduceSum(g, [0, ...g.shape.slice(2).map((_, i) => i + 2)])
}
