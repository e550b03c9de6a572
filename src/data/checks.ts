/** Checks that every reader shares. Rows are counted from 0, as in numpy, and the messages say so. */

import { RobustlyError } from '../errors.js'
import { printable } from '../printable.js'

/**
 * Throws `data-invalid` and names the row when a label is not one of `classes` classes.
 * `firstRow` is the row of `labels[0]` in the data set.
 */
export function checkLabels(labels: ArrayLike<number>, classes: number, firstRow: number): void {
  for (let index = 0; index < labels.length; index++) {
    const label = labels[index]!
    if (Number.isInteger(label) && label >= 0 && label < classes) continue
    throw new RobustlyError(
      'data-invalid',
      `row ${firstRow + index} (counting from 0) has label ${label}; the ${classes} classes are 0 to ${classes - 1}`,
      { hint: labelHint(label, classes) },
    )
  }
}

function labelHint(label: number, classes: number): string {
  if (label === classes) return 'labels seem to count from 1: subtract 1, or add :relabel=-1 behind the path'
  if (label < 0) return 'leave out the samples without a label'
  return 'check that the data set and the model belong together'
}

/** Throws unless `start` to `end` is a range of samples that the data set has. */
export function checkRange(start: number, end: number, count: number, name: string): void {
  if (Number.isInteger(start) && Number.isInteger(end) && start >= 0 && start <= end && end <= count) return
  throw new RobustlyError('usage', `samples ${start}:${end} were asked for, and ${name} has samples 0:${count}`)
}

/** Throws `data-invalid` when there are no samples, or not one label for each. */
export function checkCounts(samples: number, labels: number, name: string): void {
  if (samples !== labels) {
    throw new RobustlyError('data-invalid', `${printable(name)} has ${samples} samples and ${labels} labels`, {
      hint: 'there must be exactly one label for each sample',
    })
  }
  if (samples === 0) throw new RobustlyError('data-invalid', `${printable(name)} holds no samples`)
}

/** Product of dimensions that come from a file, or undefined when it is no exact size. */
export function exactSize(dimensions: readonly number[]): number | undefined {
  let size = 1n
  for (const dimension of dimensions) {
    if (!Number.isSafeInteger(dimension) || dimension < 0) return undefined
    size *= BigInt(dimension)
    if (size > BigInt(Number.MAX_SAFE_INTEGER)) return undefined
  }
  return Number(size)
}
