/** Normalizations by the statistics of the values themselves, by their definition. */
import { float64, type Shape, sizeOf, type Tensor, type TensorOf } from '../../tensor/tensor.js'
import { positive } from '../shapes.js'
import { asFloats, zeros } from './floats.js'
import { flatOf, placeOf } from './numbers.js'
import type { ReferenceRules } from './rule.js'

type Standardization =
  | ('LayerNormalization' | 'InstanceNormalization')
  | ('LpNormalization' | 'MeanVarianceNormalization' | 'LRN')

type Floats = TensorOf<'float64'>

export const standardization: ReferenceRules<Standardization> = {
  // over all axes from `axis` on; scale and bias broadcast to them
  LayerNormalization({ input, inputs, attributes: { axis, epsilon }, outputs }) {
    const x = asFloats(input(0))
    const at = positive(axis, x.shape.length)
    const size = sizeOf(x.shape.slice(at))
    const { standard, means, deviations } = standardized(x, i => Math.floor(i / size), epsilon)
    const rest = x.shape.map((dim, i) => (i < at ? dim : 1))
    const y = affine(standard, input(1), inputs[2], x.shape.length - 1)
    return [
      y,
      float64(means, rest),
      float64(
        deviations.map(value => 1 / value),
        rest,
      ),
    ].slice(0, outputs)
  },

  InstanceNormalization({ input, attributes: { epsilon } }) {
    const x = asFloats(input(0))
    const area = sizeOf(x.shape.slice(2))
    const { standard } = standardized(x, i => Math.floor(i / area), epsilon)
    return [affine(standard, input(1), input(2), 1)]
  },

  // (x - E x) / (√E (x - E x)² + 1e-9)
  MeanVarianceNormalization({ input, attributes: { axes } }) {
    const x = asFloats(input(0))
    const gone = new Set((axes ?? [0, 2, 3]).map(axis => positive(axis, x.shape.length)))
    const rest = x.shape.map((dim, axis) => (gone.has(axis) ? 1 : dim))
    const groupOf = (i: number) =>
      flatOf(
        placeOf(i, x.shape).map((at, axis) => (gone.has(axis) ? 0 : at)),
        rest,
      )
    const { means, deviations } = standardized(x, groupOf, 0)
    const y = x.data.map((value, i) => (value - means[groupOf(i)]!) / (deviations[groupOf(i)]! + 1e-9))
    return [float64(y, x.shape)]
  },

  // x / ‖x‖ along the axis, 0 where that is 0
  LpNormalization({ input, attributes: { axis, p } }) {
    const x = asFloats(input(0))
    const at = positive(axis, x.shape.length)
    const rest = x.shape.with(at, 1)
    const groupOf = (i: number) => flatOf(placeOf(i, x.shape).with(at, 0), rest)
    const norms = zeros(rest).data
    x.data.forEach((value, i) => {
      norms[groupOf(i)]! += Math.abs(value) ** p
    })
    const y = x.data.map((value, i) => (value === 0 ? 0 : value / norms[groupOf(i)]! ** (1 / p)))
    return [float64(y, x.shape)]
  },

  // x[c] / (bias + α/size Σ x[c']²)^β over the `size` channels around c
  LRN({ input, attributes: { alpha, beta, bias, size } }) {
    const x = asFloats(input(0))
    const [channels, area] = [x.shape[1]!, sizeOf(x.shape.slice(2))]
    const [before, after] = [Math.floor((size! - 1) / 2), Math.ceil((size! - 1) / 2)]
    const y = x.data.map((value, i) => {
      const c = Math.floor(i / area) % channels
      let sum = 0
      for (let other = Math.max(0, c - before); other <= Math.min(channels - 1, c + after); other++) {
        sum += x.data[i + (other - c) * area]! ** 2
      }
      return value / (bias + (alpha / size!) * sum) ** beta
    })
    return [float64(y, x.shape)]
  },
}

/** (x - mean) / √(variance + epsilon), with the statistics of all elements of a group. */
function standardized(x: Floats, groupOf: (flat: number) => number, epsilon: number) {
  const groups = 1 + x.data.reduce((most, _, i) => Math.max(most, groupOf(i)), -1)
  const [means, variances, counts] = [0, 1, 2].map(() => new Float64Array(groups)) as [
    Float64Array,
    Float64Array,
    Float64Array,
  ]
  x.data.forEach((value, i) => {
    means[groupOf(i)]! += value
    counts[groupOf(i)]!++
  })
  means.forEach((sum, group) => {
    means[group] = sum / counts[group]!
  })
  x.data.forEach((value, i) => {
    variances[groupOf(i)]! += (value - means[groupOf(i)]!) ** 2 / counts[groupOf(i)]!
  })
  const deviations = variances.map(variance => Math.sqrt(variance + epsilon))
  const standard = x.data.map((value, i) => (value - means[groupOf(i)]!) / deviations[groupOf(i)]!)
  return { standard: float64(standard, x.shape), means, deviations }
}

/** x scale + bias, where the last axis of scale and bias lies on axis `last` of x. */
function affine(x: Floats, scale: Tensor, bias: Tensor | undefined, last: number): Tensor {
  const factor = (tensor: Tensor) => {
    const { data, shape } = asFloats(tensor)
    return (place: readonly number[]) => data[flatOf(own(place, shape, last), shape)]!
  }
  const [a, b] = [factor(scale), bias === undefined ? () => 0 : factor(bias)]
  const y = x.data.map((value, i) => {
    const place = placeOf(i, x.shape)
    return value * a(place) + b(place)
  })
  return float64(y, x.shape)
}

function own(place: readonly number[], shape: Shape, last: number): number[] {
  return shape.map((dim, axis) => (dim === 1 ? 0 : place[last + 1 - shape.length + axis]!))
}
