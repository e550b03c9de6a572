/** Rows of Resize and GridSample: every mode, both ways to ask, up, down and by odd factors. */
import type { Row, RowInput } from '../../../test/support/gradcheck.js'
import type { AttributeValues } from '../../onnx/operators.js'

const floats = (values: readonly number[]): RowInput => ({ shape: [values.length], values, as: 'constant' })
const integers = (values: readonly number[]): RowInput => ({ shape: [values.length], dtype: 'int64', values })

function resized(
  shows: string,
  shape: readonly number[],
  by: { scales?: readonly number[]; sizes?: readonly number[] },
  attributes: object,
): Row {
  const inputs = [{ shape }, undefined, by.scales && floats(by.scales), by.sizes && integers(by.sizes)]
  return { op: 'Resize', shows, inputs, attributes } as Row
}

/** The weights of a stretched filter are no sums of few bits: the gradient graph holds them in single precision. */
function antialiased(shows: string, by: Parameters<typeof resized>[2], attributes: AttributeValues<'Resize'>): Row {
  const row = resized(`antialias, ${attributes.mode}, ${shows}`, [1, 2, 5, 6], by, { ...attributes, antialias: 1 })
  return { ...row, tolerance: 1e-5 }
}

const image = [1, 2, 4, 5]
const changes = [
  ['up', { scales: [1, 1, 2, 3] }],
  ['by odd factors', { scales: [1, 1, 1.7, 0.6] }],
  ['to sizes', { sizes: [1, 2, 7, 3] }],
] as const

const coordinates = ['half_pixel', 'pytorch_half_pixel', 'align_corners', 'asymmetric', 'half_pixel_symmetric']

function sampled(shows: string, attributes: object, grid: RowInput): Row {
  return { op: 'GridSample', shows, inputs: [{ shape: [2, 2, 3, 4] }, grid], attributes } as Row
}

export const rows: readonly Row[] = [
  ...['linear', 'cubic', 'nearest'].flatMap(mode =>
    coordinates.flatMap(coordinate_transformation_mode =>
      changes.map(([shows, by]) =>
        resized(`${mode}, ${coordinate_transformation_mode}, ${shows}`, image, by, {
          mode,
          coordinate_transformation_mode,
        }),
      ),
    ),
  ),
  ...['floor', 'ceil', 'round_prefer_ceil'].map(nearest_mode =>
    resized(`nearest, ${nearest_mode}`, image, { sizes: [1, 2, 6, 8] }, { nearest_mode }),
  ),
  resized('cubic, borders left out', image, { scales: [1, 1, 1.5, 2] }, { mode: 'cubic', exclude_outside: 1 }),
  resized('cubic, another coefficient', image, { scales: [1, 1, 2, 1] }, { mode: 'cubic', cubic_coeff_a: -0.5 }),
  resized('not larger than', image, { sizes: [9, 8] }, { axes: [2, 3], keep_aspect_ratio_policy: 'not_larger' }),
  resized('vectors', [2, 2, 5], { scales: [1, 1, 2] }, { mode: 'linear' }),
  resized('volumes', [1, 1, 2, 3, 2], { scales: [1, 1, 2, 2, 2] }, { mode: 'linear' }),
  ...['linear', 'cubic'].flatMap(mode => [
    ...[0, 1].flatMap(exclude_outside =>
      changes.map(([shows, by]) =>
        antialiased(`${shows}, borders ${exclude_outside === 1 ? 'left out' : 'repeated'}`, by, {
          mode,
          exclude_outside,
        }),
      ),
    ),
    ...coordinates
      .slice(1)
      .map(coordinate_transformation_mode =>
        antialiased(coordinate_transformation_mode, changes[1][1], { mode, coordinate_transformation_mode }),
      ),
  ]),
  resized('nothing changes', image, { scales: [1, 1, 1, 1] }, { mode: 'linear' }),
  {
    op: 'Resize',
    shows: 'a crop that reaches outside',
    inputs: [{ shape: image }, floats([0, 0, 0.2, -0.3, 1, 1, 0.9, 1.2]), undefined, integers([1, 2, 3, 6])],
    attributes: { mode: 'linear', coordinate_transformation_mode: 'tf_crop_and_resize', extrapolation_value: 2 },
  },
  ...['zeros', 'border', 'reflection'].flatMap(padding_mode =>
    [0, 1].flatMap((align_corners): Row[] => [
      sampled(
        `linear, ${padding_mode}, corners ${align_corners}`,
        { padding_mode, align_corners },
        { shape: [2, 3, 2, 2], domain: [-1.9, 1.9] },
      ),
      sampled(
        `nearest, ${padding_mode}, corners ${align_corners}`,
        { mode: 'nearest', padding_mode, align_corners },
        { shape: [2, 2, 2, 2], domain: [-1.4, 1.4], as: 'constant' },
      ),
    ]),
  ),
]
