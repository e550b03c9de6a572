/**
 * Resize as a linear map: one matrix of interpolation weights per axis, since every mode is separable. Positions are
 * computed in single precision, as ONNX Runtime does, so that both round to the same neighbour.
 * Source: the ONNX operator specification of Resize, opset 19.
 */
import { RobustlyError } from '../errors.js'
import type { Shape } from '../tensor/tensor.js'
import type { Node } from './graph.js'
import type { AttributesOf } from './operators.js'
import { positive } from './shapes.js'

type Attributes = AttributesOf<'Resize'>

/** y[…, i, …] = Σ over j of weights[i · input + j] x[…, j, …] along one axis. */
export interface AxisMap {
  readonly axis: number
  readonly input: number
  readonly output: number
  readonly weights: Float64Array
  /** Output places that lie outside the input and get the extrapolation value; their weights are 0. */
  readonly outside: readonly boolean[]
}

interface Requests {
  readonly roi: readonly number[] | undefined
  readonly scales: readonly number[] | undefined
  readonly sizes: readonly number[] | undefined
}

interface Scaled {
  readonly axis: number
  readonly input: number
  readonly output: number
  readonly scale: number
  /** Start and end of the region of interest, as parts of the axis. */
  readonly region: readonly [number, number]
}

const f = Math.fround

/** The maps of all axes that change, and the output's shape. Throws `model-unsupported`, naming the node. */
export function resizeMaps(
  node: Node,
  attributes: Attributes,
  input: Shape,
  requests: Requests,
): { shape: number[]; maps: AxisMap[] } {
  const scaled = scalesOf(attributes, input, requests)
  const shape = [...input]
  for (const { axis, output } of scaled) shape[axis] = output
  const cropped = attributes.coordinate_transformation_mode === 'tf_crop_and_resize'
  const changing = scaled.filter(each => cropped || each.input !== each.output || each.scale !== 1)
  return { shape, maps: changing.map(each => axisMap(node, attributes, each)) }
}

function scalesOf({ axes, keep_aspect_ratio_policy }: Attributes, input: Shape, requests: Requests): Scaled[] {
  const { roi, scales, sizes } = requests
  const listed = axes?.map(axis => positive(axis, input.length)) ?? input.map((_, axis) => axis)
  const given = sizes !== undefined && sizes.length > 0
  const ratios = listed.map((axis, i) => (given ? f(sizes[i]! / input[axis]!) : f(scales?.[i] ?? 1)))
  const common = {
    stretch: undefined,
    not_larger: Math.min(...ratios),
    not_smaller: Math.max(...ratios),
  }[keep_aspect_ratio_policy]
  return listed.map((axis, i) => {
    const dim = input[axis]!
    const scale = given ? (common ?? ratios[i]!) : ratios[i]!
    const size = common === undefined ? sizes?.[i] : Math.round(f(common * dim))
    return {
      axis,
      input: dim,
      scale,
      output: given ? size! : Math.floor(f(dim * scale)),
      region: [roi?.[i] ?? 0, roi?.[i + listed.length] ?? 1],
    }
  })
}

/** Sizes come from the file: a matrix of more weights than this is not made. */
const mostWeights = 2 ** 26

function axisMap(node: Node, attributes: Attributes, scaled: Scaled): AxisMap {
  const { axis, input, output } = scaled
  if (!(output > 0 && input * output <= mostWeights)) {
    throw new RobustlyError(
      'model-unsupported',
      `node "${node.name}" (Resize): axis ${axis} goes from ${input} to ${output} elements, expected a product of 1 to ${mostWeights}`,
      { hint: 'Resize before the model.' },
    )
  }
  const weights = new Float64Array(input * output)
  const outside: boolean[] = []
  for (let i = 0; i < output; i++) {
    const at = position(node, attributes, scaled, i)
    const beyond =
      attributes.coordinate_transformation_mode === 'tf_crop_and_resize' && (at < 0 || at > scaled.input - 1)
    outside.push(beyond)
    if (beyond) continue
    for (const [place, weight] of taps(node, attributes, at, scaled)) {
      weights[i * input + Math.min(input - 1, Math.max(0, place))]! += weight
    }
  }
  return { axis, input, output, weights, outside }
}

/** Place in the input, a fraction, that element i of the output shows. */
function position(node: Node, { coordinate_transformation_mode: mode }: Attributes, scaled: Scaled, i: number): number {
  const { input, output, scale, region } = scaled
  const half = () => f(f(f(i + 0.5) / scale) - 0.5)
  switch (mode) {
    case 'half_pixel':
      return half()
    case 'half_pixel_symmetric': {
      const adjustment = f(output / f(scale * input))
      const offset = f(f(input / 2) * f(1 - adjustment))
      return f(offset + half())
    }
    case 'pytorch_half_pixel':
      return output > 1 ? half() : 0
    case 'align_corners':
      return output === 1 ? 0 : f(f(i * (input - 1)) / (output - 1))
    case 'asymmetric':
      return f(i / scale)
    case 'tf_half_pixel_for_nn':
      return f(f(i + 0.5) / scale)
    case 'tf_crop_and_resize': {
      const [start, end] = region
      if (output === 1) return f(0.5 * (start + end) * (input - 1))
      return f(start * (input - 1) + f((i * (end - start) * (input - 1)) / (output - 1)))
    }
    default:
      throw new RobustlyError('model-invalid', `node "${node.name}" (Resize): the standard has no mode "${mode}"`)
  }
}

/** Places and their weights. */
type Taps = readonly (readonly [number, number])[]

/** Places around a position and their weights; places may lie outside, where the border repeats. */
function taps(node: Node, attributes: Attributes, at: number, { input, scale }: Scaled): Taps {
  const stretched = attributes.antialias === 1 && scale < 1 ? filters[attributes.mode] : undefined
  if (stretched !== undefined) return stretchedTaps(stretched, attributes, at, { input, scale })
  switch (attributes.mode) {
    case 'nearest':
      return [[nearest(attributes.nearest_mode, at), 1]]
    case 'linear': {
      const inside = Math.min(input - 1, Math.max(0, at))
      const low = Math.floor(inside)
      return [
        [low, 1 - (inside - low)],
        [low + 1, inside - low],
      ]
    }
    case 'cubic': {
      const low = Math.floor(at)
      const weights = cubic(at - low, attributes.cubic_coeff_a)
      const all = weights.map((weight, i): Taps[number] => [low - 1 + i, weight])
      return attributes.exclude_outside === 0 ? all : normalized(all.filter(([place]) => place >= 0 && place < input))
    }
    default:
      throw new RobustlyError(
        'model-invalid',
        `node "${node.name}" (Resize): the standard has no mode "${attributes.mode}"`,
      )
  }
}

/** A filter over distances: how far it reaches and what it weighs there. */
interface Filter {
  readonly reach: number
  weight(distance: number, a: number): number
}

const filters: Readonly<Record<string, Filter>> = {
  linear: { reach: 1, weight: distance => 1 - distance },
  cubic: { reach: 2, weight: (distance, a) => cubic(distance % 1, a)[distance < 1 ? 1 : 0]! },
}

/** Against aliases, the filter is stretched by as much as the axis shrinks. */
function stretchedTaps(
  { reach, weight }: Filter,
  { cubic_coeff_a: a, exclude_outside }: Attributes,
  at: number,
  { input, scale }: Pick<Scaled, 'input' | 'scale'>,
): Taps {
  const first = Math.floor(at - reach / scale) + 1
  const count = Math.ceil(at + reach / scale) - first
  const all = Array.from({ length: count }, (_, i): Taps[number] => {
    return [first + i, weight(Math.abs(first + i - at) * scale, a)]
  })
  return normalized(exclude_outside === 0 ? all : all.filter(([place]) => place >= 0 && place < input))
}

/** The taps with a sum of 1. */
function normalized(taps: Taps): Taps {
  const sum = taps.reduce((total, [, weight]) => total + weight, 0)
  return taps.map(([place, weight]) => [place, weight / sum])
}

function nearest(mode: string, at: number): number {
  switch (mode) {
    case 'floor':
      return Math.floor(at)
    case 'ceil':
      return Math.ceil(at)
    case 'round_prefer_ceil':
      return Math.round(at)
    default:
      return Math.ceil(at - 0.5)
  }
}

/** Keys' cubic convolution: weights of the four neighbours of a position a fraction t past the second. */
export function cubic(t: number, a: number): number[] {
  const near = (x: number) => ((a + 2) * x - (a + 3)) * x * x + 1
  const far = (x: number) => ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
  return [far(t + 1), near(t), near(1 - t), far(2 - t)]
}
