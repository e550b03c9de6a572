/** The inputs of an attack graph by which each row of a batch chooses its loss. */
import type { Tensor } from '../tensor/tensor.js'
import { type LossName, losses, type RowLoss } from './losses.js'

export interface RowLosses {
  /** By the names that `attackGraph` gives them; a graph lacks those that its losses do not need. */
  readonly feeds: readonly (readonly [string, Tensor])[]
  /** Writes the choice of a row into the feeds. */
  select(row: number, loss: RowLoss): void
}

/** Whether a loss takes a direction of its own besides the label. */
export function isDirected(name: LossName): boolean {
  return losses[name].against === 'direction'
}

export function rowLosses(names: readonly LossName[], batch: number, classes: number): RowLosses {
  const label = new Float32Array(batch * classes)
  const direction = new Float32Array(batch * classes)
  const selector = new Float32Array(batch * names.length)
  return {
    feeds: [
      ['row_label', { dtype: 'float32', shape: [batch, classes], data: label }],
      ['row_direction', { dtype: 'float32', shape: [batch, classes], data: direction }],
      ['row_selector', { dtype: 'float32', shape: [batch, names.length], data: selector }],
    ],
    select(row, loss) {
      const start = row * classes
      label.fill(0, start, start + classes)
      if (loss.loss !== 'linear') label[start + loss.label] = 1
      if (isDirected(loss.loss)) {
        if (loss.loss === 'linear') direction.set(loss.weights, start)
        else direction.fill(0, start, start + classes)
        if ('target' in loss) direction[start + loss.target] = 1
      }
      if (names.length === 1) return
      selector.fill(0, row * names.length, (row + 1) * names.length)
      selector[row * names.length + names.indexOf(loss.loss)] = 1
    },
  }
}
