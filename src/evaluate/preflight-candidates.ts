/** The ways into a model that the preflight tries: each undoes one classic mistake. A row is a mistake. */
import type { DataSpace } from '../model/data-space.js'

export interface Candidate {
  readonly space: DataSpace
  readonly mistake: string
  /** Options of the command line that say it. */
  readonly option: string
  /** Tried again on top of the best other one: mistakes that come together. */
  readonly second: boolean
}

interface Normalisation {
  readonly name: string
  readonly mean: readonly number[]
  readonly std: readonly number[]
}

/** As torchvision and the usual training scripts have them. */
const normalisations: readonly Normalisation[] = [
  { name: 'ImageNet', mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] },
  { name: 'CIFAR-10', mean: [0.4914, 0.4822, 0.4465], std: [0.2471, 0.2435, 0.2616] },
  { name: 'CIFAR-100', mean: [0.5071, 0.4865, 0.4409], std: [0.2673, 0.2564, 0.2762] },
  { name: 'MNIST', mean: [0.1307], std: [0.3081] },
  { name: 'Fashion-MNIST', mean: [0.286], std: [0.353] },
  { name: '[-1, 1]', mean: [0.5], std: [0.5] },
]

/** All that may be tried, what is likeliest first; of features only the range of values. Of equally good ones the first is named. */
export function candidatesFor(space: DataSpace): Candidate[] {
  const { sampleShape, dataLayout, modelLayout, mean, std, scale = 1, channels } = space
  const colours = dataLayout === undefined ? 0 : sampleShape[dataLayout === 'HWC' ? sampleShape.length - 1 : 0]
  const plain = { ...space, mean: undefined, std: undefined }
  const found: Candidate[] = []
  const add = (mistake: string, option: string, changed: DataSpace, second = false) =>
    found.push({ space: changed, mistake, option, second })
  if (mean !== undefined || std !== undefined) {
    add('the data are normalised twice: the model does it itself', 'no --mean and --std', plain)
    add('the model takes values from 0 to 255, not normalised', '--scale 255 without --mean and --std', {
      ...plain,
      scale: 255,
    })
  }
  for (const { name, mean, std } of dataLayout === undefined ? [] : normalisations) {
    if (mean.length !== 1 && mean.length !== colours) continue
    if (colours === 3 && /MNIST/.test(name)) continue
    const option = `--mean ${mean.join(',')} --std ${std.join(',')}`
    add(`the normalisation of ${name} is missing`, option, { ...plain, mean, std })
    // x s + m as (x + m / s) / (1 / s)
    const back = { mean: mean.map((value, i) => -value / std[i]), std: std.map(value => 1 / value) }
    add(`the data are normalised as ${name} is, and the model does it itself`, 'values from 0 to 1', {
      ...plain,
      ...back,
    })
  }
  for (const by of [255, 1 / 255]) {
    const next = scale * by
    const option = Math.abs(next - 1) < 1e-6 ? 'no --scale' : `--scale ${next}`
    const mistake =
      by > 1 ? 'the values are 255 times too small for the model' : 'the values are 255 times too large for the model'
    add(mistake, option, { ...space, scale: next })
  }
  const other = channels === 'bgr' ? ('rgb' as const) : ('bgr' as const)
  const layout =
    (modelLayout ?? (dataLayout === 'HWC' ? 'NHWC' : 'NCHW')) === 'NHWC' ? ('NCHW' as const) : ('NHWC' as const)
  const isImage = dataLayout !== undefined && sampleShape.length === 3
  const reversed = `the model takes colours as ${other}`
  if (colours === 3) add(reversed, `--channels ${other}`, { ...space, channels: other }, true)
  if (isImage) add(`the model takes ${layout}`, `--layout ${layout}`, { ...space, modelLayout: layout }, true)
  // Together they may show where neither does alone.
  if (isImage && colours === 3) {
    const both = { ...space, channels: other, modelLayout: layout }
    add(`${reversed}, and ${layout}`, `--channels ${other} --layout ${layout}`, both)
  }
  return found
}
