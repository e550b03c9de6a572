/**
 * The sliding window of convolutions and pools: attributes filled in, automatic padding worked out.
 * Source: the ONNX operator specification of Conv, ConvTranspose, MaxPool and AveragePool, opset 21.
 */
import type { Shape } from '../tensor/tensor.js'

/** Everything per spatial axis. */
export interface SlidingWindow {
  readonly kernel: readonly number[]
  readonly strides: readonly number[]
  readonly dilations: readonly number[]
  /** Padding before and after the input. */
  readonly begins: readonly number[]
  readonly ends: readonly number[]
  /** Input positions from the first to the last tap of one window. */
  readonly extents: readonly number[]
}

interface WindowAttributes {
  readonly auto_pad: string | undefined
  readonly dilations: readonly number[] | undefined
  readonly pads: readonly number[] | undefined
  readonly strides: readonly number[] | undefined
}

/** Window of a convolution or pool over `input` (spatial dimensions only). */
export function slidingWindow(attributes: WindowAttributes, input: Shape, kernel: Shape): SlidingWindow {
  const window = unpadded(attributes, kernel)
  const { strides, extents } = window
  // SAME: as many windows as strides fit, the padding they need split in half, the odd one at the end or the start.
  const total = input.map((dim, i) => Math.max(0, (Math.ceil(dim / strides[i]!) - 1) * strides[i]! + extents[i]! - dim))
  return { ...window, ...padding(attributes, total) }
}

/** Number of window positions per spatial axis; `ceilMode` also counts windows that reach past the padded end. */
export function windowCounts(window: SlidingWindow, input: Shape, ceilMode = false): number[] {
  return input.map((dim, i) => {
    const [stride, begin] = [window.strides[i]!, window.begins[i]!]
    const steps = (dim + begin + window.ends[i]! - window.extents[i]!) / stride
    if (!ceilMode) return Math.floor(steps) + 1
    const count = Math.ceil(steps) + 1
    // The last window must start inside the input or its leading padding.
    return (count - 1) * stride >= dim + begin ? count - 1 : count
  })
}

interface TransposeAttributes extends WindowAttributes {
  readonly output_padding: readonly number[] | undefined
  readonly output_shape: readonly number[] | undefined
}

/** Window and spatial output shape of a transposed convolution; padding there crops the output. */
export function transposedWindow(
  attributes: TransposeAttributes,
  input: Shape,
  kernel: Shape,
): { readonly window: SlidingWindow; readonly output: number[] } {
  const bare = unpadded(attributes, kernel)
  const extra = attributes.output_padding ?? kernel.map(() => 0)
  const full = input.map((dim, i) => (dim - 1) * bare.strides[i]! + bare.extents[i]! + extra[i]!)
  const same = attributes.auto_pad === 'SAME_UPPER' || attributes.auto_pad === 'SAME_LOWER'
  const wanted =
    attributes.output_shape?.slice(-kernel.length) ?? (same ? input.map((dim, i) => dim * bare.strides[i]!) : undefined)
  if (wanted === undefined) {
    const pads = padding(
      attributes,
      kernel.map(() => 0),
    )
    return {
      window: { ...bare, ...pads },
      output: full.map((size, i) => size - pads.begins[i]! - pads.ends[i]!),
    }
  }
  const total = full.map((size, i) => Math.max(0, size - wanted[i]!))
  // Unlike elsewhere, the odd one is cropped at the start unless SAME_UPPER is asked for.
  const split = padding(
    { ...attributes, auto_pad: attributes.auto_pad === 'SAME_UPPER' ? 'SAME_UPPER' : 'SAME_LOWER' },
    total,
  )
  return { window: { ...bare, ...split }, output: [...wanted] }
}

function unpadded(attributes: WindowAttributes, kernel: Shape): SlidingWindow {
  const dilations = attributes.dilations ?? kernel.map(() => 1)
  return {
    kernel,
    strides: attributes.strides ?? kernel.map(() => 1),
    dilations,
    begins: kernel.map(() => 0),
    ends: kernel.map(() => 0),
    extents: kernel.map((taps, i) => (taps - 1) * dilations[i]! + 1),
  }
}

function padding(attributes: WindowAttributes, total: readonly number[]): { begins: number[]; ends: number[] } {
  const halves = total.map(sum => Math.floor(sum / 2))
  const rests = total.map((sum, i) => sum - halves[i]!)
  switch (attributes.auto_pad) {
    case 'SAME_UPPER':
      return { begins: halves, ends: rests }
    case 'SAME_LOWER':
      return { begins: rests, ends: halves }
    default: {
      const rank = total.length
      const pads = attributes.auto_pad === 'VALID' ? undefined : attributes.pads
      return {
        begins: pads?.slice(0, pads.length / 2) ?? Array<number>(rank).fill(0),
        ends: pads?.slice(pads.length / 2) ?? Array<number>(rank).fill(0),
      }
    }
  }
}
