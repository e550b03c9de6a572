/** A data set made of two stored arrays, samples and labels: `.npy`, `.npz` and IDX files are this. */

import { RobustlyError } from '../errors.js'
import { sizeOf } from '../tensor/tensor.js'
import { type BoundPart, boundTo } from './bound.js'
import { checkCounts, checkRange } from './checks.js'
import type { Dataset, ReaderOptions } from './dataset.js'
import { checkFinite, elementName, pixelScale, toInputs, toLabels } from './elements.js'
import { type HashedFile, hashFiles } from './hash.js'
import type { Rows } from './rows.js'

export interface ArrayPair {
  readonly name: string
  readonly inputs: Rows
  readonly labels: Rows
  /** For inputs of the model that are not attacked. */
  readonly bound?: readonly { readonly input: string; readonly rows: Rows }[]
  readonly files: readonly HashedFile[]
  readonly close: () => Promise<void>
}

/**
 * Checks the two arrays against each other and reads all labels, so that a bad one is named before any work starts.
 * Throws `data-invalid` or `data-unsupported`; the caller closes what it opened.
 */
export async function arrayDataset(pair: ArrayPair, options: ReaderOptions): Promise<Dataset> {
  const { name, inputs } = pair
  const labels = await readLabels(pair.labels, inputs)
  const view = viewOf(inputs, options)
  checkCounts(inputs.shape[0]!, labels.length, name)
  const width = sizeOf(view.sampleShape)
  if (width === 0) {
    throw new RobustlyError(
      'data-invalid',
      `${inputs.name} has shape [${inputs.shape.join(', ')}]: samples without values`,
    )
  }
  const bound = pair.bound?.length
    ? await boundTo(
        pair.bound.map(each => partOf(each, labels.length)),
        labels.length,
      )
    : undefined
  let hash: Promise<string> | undefined
  return {
    name,
    count: labels.length,
    sampleShape: view.sampleShape,
    kind: view.kind,
    layout: view.layout,
    classNames: undefined,
    bound: bound?.inputs,
    decoder: undefined,
    hash() {
      hash ??= hashFiles(pair.files)
      return hash
    },
    async read(start, end) {
      checkRange(start, end, labels.length, name)
      const values = toInputs(await inputs.read(start, end), view.scale)
      checkFinite(values, width, start, inputs.name)
      return { inputs: values, labels: labels.slice(start, end), bound: await bound?.read(start, end) }
    },
    close: pair.close,
  }
}

function partOf({ input, rows }: { readonly input: string; readonly rows: Rows }, count: number): BoundPart {
  const { name, shape, type } = rows
  checkCounts(shape[0]!, count, name)
  const read = (start: number, end: number) => rows.read(start, end)
  return { input, shape: shape.slice(1), name, whole: !type.code.startsWith('f'), read }
}

/** Labels are few bytes: [N] or [N, 1], all read at once. */
async function readLabels(rows: Rows, inputs: Rows): Promise<Int32Array> {
  const width = sizeOf(rows.shape.slice(1))
  if (width !== 1 && rows.shape.length > 1) {
    const shape = `[${rows.shape.join(', ')}]`
    const oneHot = rows.shape.length === 2 && width > 1
    throw new RobustlyError(
      'data-unsupported',
      `${rows.name} has shape ${shape}${oneHot ? ', which looks one-hot' : ''}; labels are class numbers of shape [N]`,
      { hint: oneHot ? 'save y.argmax(axis=1)' : 'give one class number for each sample' },
    )
  }
  // Compared before reading: labels of another data set may be much larger.
  checkCounts(inputs.shape[0]!, rows.shape[0]!, inputs.name)
  return toLabels(await rows.read(0, rows.shape[0]!), 0, rows.name)
}

interface View extends Pick<Dataset, 'sampleShape' | 'kind' | 'layout'> {
  readonly scale: number
}

/**
 * What the samples are. With three or more axes they are images; with two they are images when they are stored as
 * pixels (bool, uint8, uint16), which become [1, height, width]; anything else is features, taken as it is.
 */
function viewOf(rows: Rows, { kind, layout }: ReaderOptions): View {
  const shape = rows.shape.slice(1)
  if (shape.length === 0) {
    throw new RobustlyError(
      'data-invalid',
      `${rows.name} has shape [${rows.shape.join(', ')}]; the first axis counts the samples, so one more is needed`,
      { hint: 'save samples with a single feature as x.reshape(-1, 1)' },
    )
  }
  const scale = pixelScale(rows.type)
  const storedAsPixels = ['b1', 'u1', 'u2'].includes(rows.type.code)
  const looksLikeImage = shape.length >= 3 || (shape.length === 2 && storedAsPixels)
  if ((kind ?? (looksLikeImage ? 'image' : 'features')) === 'features') {
    return { sampleShape: shape, kind: 'features', layout: undefined, scale: 1 }
  }
  if (scale === undefined) {
    throw new RobustlyError(
      'data-unsupported',
      `${rows.name} has images of ${elementName(rows.type)}, which does not say what value is white`,
      { hint: 'save x.astype(np.uint8) for pixels from 0 to 255, or float32 from 0 to 1' },
    )
  }
  const sampleShape = shape.length === 2 ? [1, ...shape] : shape
  return { sampleShape, kind: 'image', layout: layout ?? guessLayout(sampleShape), scale }
}

/** Channels are 1, 3 or 4; when both ends could be, the first axis is taken, as ONNX models mostly have it. */
function guessLayout(shape: readonly number[]): 'CHW' | 'HWC' {
  const could = (size: number | undefined) => size === 1 || size === 3 || size === 4
  return shape.length === 3 && could(shape[2]) && !could(shape[0]) ? 'HWC' : 'CHW'
}
