/** Resize and GridSample by their definition. */
import { RobustlyError } from '../../errors.js'
import { float64, type Shape, sizeOf, type TensorOf } from '../../tensor/tensor.js'
import { type AxisMap, cubic, resizeMaps } from '../resize.js'
import { roundHalfToEven } from './elementwise.js'
import { asFloats, zeros } from './floats.js'
import { flatOf, keptAs, listed, numbersOf, placeOf, tensorOf } from './numbers.js'
import type { ReferenceRules } from './rule.js'

type Floats = TensorOf<'float64'>

export const sampling: ReferenceRules<'Resize' | 'GridSample'> = {
  Resize(context) {
    const { node, attributes, input } = context
    const requests = { roi: listed(context, 1), scales: listed(context, 2), sizes: listed(context, 3) }
    const { maps } = resizeMaps(node, attributes, input(0).shape, requests)
    const x = float64(Float64Array.from(numbersOf(input(0))), input(0).shape)
    const y = maps.reduce(along, x)
    const filled = y.data.map((value, flat) => {
      const place = placeOf(flat, y.shape)
      return maps.some(map => map.outside[place[map.axis]!]) ? attributes.extrapolation_value : value
    })
    return [tensorOf(keptAs(input(0).dtype), Array.from(filled), y.shape)]
  },

  // y[n, c, p] = x[n, c] interpolated at grid[n, p]; the grid's last axis lists the last spatial axis first
  GridSample({ node, input, attributes }) {
    const [x, grid] = [asFloats(input(0)), asFloats(input(1))]
    const spatial = x.shape.slice(2)
    const places = grid.shape.slice(1, -1)
    const y = zeros([...x.shape.slice(0, 2), ...places])
    const count = sizeOf(places)
    const area = sizeOf(spatial)
    const sampler = samplers[attributes.mode]
    if (sampler === undefined) {
      throw new RobustlyError('model-unsupported', `node "${node.name}" (GridSample): mode "${attributes.mode}"`)
    }
    for (let i = 0; i < y.data.length; i++) {
      const [map, p] = [Math.floor(i / count), i % count]
      const row = (Math.floor(map / x.shape[1]!) * count + p) * spatial.length
      const axes = spatial.map((dim, axis) => {
        const g = grid.data[row + spatial.length - 1 - axis]!
        return sampler(g, dim, attributes.align_corners === 1, attributes.padding_mode)
      })
      y.data[i] = combined(axes, spatial, x.data.subarray(map * area, (map + 1) * area))
    }
    return [y]
  },
}

function along(x: Floats, { axis, input, output, weights }: AxisMap): Floats {
  const y = zeros(x.shape.with(axis, output))
  const inner = sizeOf(x.shape.slice(axis + 1))
  for (let flat = 0; flat < y.data.length; flat++) {
    const i = Math.floor(flat / inner) % output
    const base = Math.floor(flat / (inner * output)) * input * inner + (flat % inner)
    for (let j = 0; j < input; j++) y.data[flat]! += weights[i * input + j]! * x.data[base + j * inner]!
  }
  return y
}

type Taps = readonly (readonly [place: number | undefined, weight: number])[]

/** Places of an axis and their weights for a coordinate in [-1, 1]; undefined places are zeros. */
type Sampler = (g: number, dim: number, corners: boolean, padding: string) => Taps

const samplers: Readonly<Record<string, Sampler>> = {
  nearest: (g, dim, corners, padding) => [
    [inside(roundHalfToEven(denormalized(g, dim, corners, padding)), dim, corners, padding), 1],
  ],
  linear(g, dim, corners, padding) {
    const at = denormalized(g, dim, corners, padding)
    const low = Math.floor(at)
    return [low, low + 1].map((place, i) => [inside(place, dim, corners, padding), i === 0 ? 1 - (at - low) : at - low])
  },
  cubic(g, dim, corners, padding) {
    const at = denormalized(g, dim, corners, padding, true)
    const low = Math.floor(at)
    return cubic(at - low, -0.75).map((weight, i) => [inside(low - 1 + i, dim, corners, padding), weight])
  },
}

/** The coordinate as a place, brought inside unless padding is by zeros. Cubic sampling brings only its taps inside. */
function denormalized(g: number, dim: number, corners: boolean, padding: string, raw = false): number {
  const at = corners ? ((g + 1) / 2) * (dim - 1) : ((g + 1) * dim - 1) / 2
  if (raw || padding === 'zeros') return at
  return padding === 'border' ? Math.min(dim - 1, Math.max(0, at)) : reflected(at, dim, corners)
}

function inside(place: number, dim: number, corners: boolean, padding: string): number | undefined {
  if (place >= 0 && place < dim) return place
  if (padding === 'zeros') return undefined
  if (padding === 'border') return Math.min(dim - 1, Math.max(0, place))
  return Math.min(dim - 1, Math.max(0, reflected(place, dim, corners)))
}

/** Reflected at the centres of the outermost elements, or at their outer edges. */
function reflected(at: number, dim: number, corners: boolean): number {
  const [low, span] = corners ? [0, dim - 1] : [-0.5, dim]
  if (span === 0) return 0
  const far = Math.abs(at - low) % (2 * span)
  return low + (far > span ? 2 * span - far : far)
}

function combined(axes: readonly Taps[], spatial: Shape, map: Float64Array): number {
  const sum = (axis: number, place: readonly number[], weight: number): number => {
    if (axis === axes.length) return weight * map[flatOf(place, spatial)]!
    return axes[axis]!.reduce(
      (total, [at, share]) => (at === undefined ? total : total + sum(axis + 1, [...place, at], weight * share)),
      0,
    )
  }
  return sum(0, [], 1)
}
