/** One adversarial example of the gallery: facts from the records at once, values from their base64 when it is drawn. */
import { bytesOf } from '../data/columns.js'
import type { Run } from '../data/report.js'

export interface Example {
  /** Position in the gallery. */
  readonly at: number
  /** Position in the records. */
  readonly row: number
  /** Position in the data set. */
  readonly index: number
  readonly label: number
  readonly prediction: number
  readonly attack: string
  readonly distance: number
  readonly margin: number
}

export function examplesOf({ gallery, records, result }: Run): Example[] {
  if (gallery === null || records === null) return []
  return Array.from(gallery.rowNumbers, (row, at) => ({
    at,
    row,
    index: records.index[row]!,
    label: records.label[row]!,
    prediction: records.adversarialPrediction[row]!,
    attack: result.attacks[records.attack[row]!]?.name ?? '–',
    distance: records.distance[row]!,
    margin: records.margin[row]!,
  }))
}

/** RGBA pixels of the three pictures; original and change are null when the page has no originals. */
export interface Pictures {
  readonly width: number
  readonly height: number
  readonly original: ImageData | null
  readonly change: ImageData | null
  readonly adversarial: ImageData
  /** Largest absolute change: what a full colour of `change` stands for. */
  readonly largest: number
}

export function picturesOf(run: Run, at: number): Pictures {
  const { shape, withoutOriginals, range } = run.gallery!
  const [channels, height, width] = shape as [number, number, number]
  const bytes = bytesOf(run.samples()[at]!)
  const values = channels * height * width
  const paint = (of: (value: number) => Rgb) => painted(width, height, of)
  const grey = (pixels: Uint8Array | Uint8ClampedArray) => (pixel: number) => {
    const first = pixel * channels
    return channels === 1
      ? ([pixels[first]!, pixels[first]!, pixels[first]!] as const)
      : ([pixels[first]!, pixels[first + 1]!, pixels[first + 2]!] as const)
  }
  if (withoutOriginals !== null) {
    return { width, height, original: null, change: null, adversarial: paint(grey(bytes)), largest: Number.NaN }
  }
  const largest = new DataView(bytes.buffer).getFloat32(0, true)
  const clean = bytes.subarray(4, 4 + values)
  const changes = new Int8Array(bytes.buffer, 4 + values, values)
  const scale = (255 * largest) / (127 * (range[1] - range[0]))
  const adversarial = Uint8ClampedArray.from(clean, (value, i) => value + changes[i]! * scale)
  const change = (pixel: number) => {
    const first = pixel * channels
    if (channels === 1) return signed(changes[first]! / 127)
    return [0, 1, 2].map(channel => 128 + changes[first + channel]!) as unknown as Rgb
  }
  return {
    width,
    height,
    original: paint(grey(clean)),
    change: paint(change),
    adversarial: paint(grey(adversarial)),
    largest,
  }
}

type Rgb = readonly [number, number, number]

function painted(width: number, height: number, of: (pixel: number) => Rgb): ImageData {
  const image = new ImageData(width, height)
  for (let pixel = 0; pixel < width * height; pixel++) {
    image.data.set(of(pixel), 4 * pixel)
    image.data[4 * pixel + 3] = 255
  }
  return image
}

/** Colours of Okabe and Ito that all eyes tell apart: blue for less, vermilion for more, on light grey. */
const [none, less, more]: readonly Rgb[] = [
  [242, 242, 240],
  [0, 114, 178],
  [213, 94, 0],
]

function signed(share: number): Rgb {
  const end = share < 0 ? less! : more!
  const depth = Math.abs(share)
  return none!.map((value, at) => value + depth * (end[at]! - value)) as unknown as Rgb
}

/** Features before and after; `before` is null when the page has no originals. */
export interface FeatureValues {
  readonly before: Float32Array | null
  readonly after: Float32Array
}

export function featuresOf(run: Run, at: number): FeatureValues {
  const values = new Float32Array(bytesOf(run.samples()[at]!).buffer)
  const count = run.gallery!.shape[0]!
  return run.gallery!.withoutOriginals === null
    ? { before: values.subarray(0, count), after: values.subarray(count) }
    : { before: null, after: values }
}

export function featureName(run: Run, at: number): string {
  return run.gallery?.featureNames?.[at] ?? `feature ${at}`
}
