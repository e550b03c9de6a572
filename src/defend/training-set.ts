/** The samples that training sees, all in memory, and what is held out of them. */
import type { Dataset } from '../data/dataset.js'
import { RobustlyError } from '../errors.js'
import type { Random } from '../random.js'
import { type Shape, sizeOf } from '../tensor/tensor.js'

export interface TrainingSet {
  /** [count, …sampleShape] */
  readonly inputs: Float32Array
  /** 0 … classes - 1 */
  readonly labels: Int32Array
  readonly sampleShape: Shape
  readonly classes: number
}

/** Reads samples of a data set into memory. `classes` defaults to the largest label plus one. */
export async function readTrainingSet(
  dataset: Dataset,
  options: { readonly start?: number; readonly end?: number; readonly classes?: number } = {},
): Promise<TrainingSet> {
  const { inputs, labels } = await dataset.read(options.start ?? 0, options.end ?? dataset.count)
  const classes = options.classes ?? labels.reduce((most, label) => Math.max(most, label), 0) + 1
  return { inputs, labels, sampleShape: dataset.sampleShape, classes }
}

/** Throws `config` or `data-invalid` for a set on which nothing can be learned. */
export function checkTrainingSet({ inputs, labels, sampleShape, classes }: TrainingSet): void {
  const wanted = labels.length * sizeOf(sampleShape)
  if (inputs.length !== wanted) {
    throw new RobustlyError(
      'data-invalid',
      `${labels.length} labels and samples of shape [${sampleShape}] want ${wanted} values, got ${inputs.length}`,
    )
  }
  if (classes < 2) throw new RobustlyError('data-invalid', `the data have ${classes} class, expected 2 or more`)
  const wrong = labels.findIndex(label => label < 0 || label >= classes)
  if (wrong < 0) return
  throw new RobustlyError('data-invalid', `sample ${wrong} has the label ${labels[wrong]}, expected 0 … ${classes - 1}`)
}

/** 0 … count - 1 in random order (Fisher and Yates). */
export function shuffled(count: number, random: Random): Uint32Array {
  return shuffle(
    Uint32Array.from({ length: count }, (_, i) => i),
    random,
  )
}

/** Shuffles in place. */
export function shuffle(order: Uint32Array, random: Random): Uint32Array {
  for (let i = order.length - 1; i > 0; i--) {
    const j = random.integer(i + 1)
    const swap = order[i]!
    order[i] = order[j]!
    order[j] = swap
  }
  return order
}

/** Copies samples into rows of `inputs`, and their labels as ones into rows of `labels`; rows after them become zero. */
export function gather(set: TrainingSet, indices: Uint32Array, inputs: Float32Array, labels: Float32Array): void {
  const features = sizeOf(set.sampleShape)
  inputs.fill(0)
  labels.fill(0)
  indices.forEach((index, row) => {
    inputs.set(set.inputs.subarray(index * features, (index + 1) * features), row * features)
    labels[row * set.classes + set.labels[index]!] = 1
  })
}
