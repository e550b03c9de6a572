/** A model as the scheduler asks it: a fixed number of rows at a time. */
import type { RowLoss } from './losses.js'

/** How much of the model an adversary may see; each level includes the ones before it. */
export type Access = 'labels' | 'scores' | 'gradients'

/** The next call may write over the arrays. */
export interface Gradients {
  /** [batch, classes] */
  readonly logits: Float32Array
  /** [batch] */
  readonly losses: Float32Array
  /** [batch, features] */
  readonly gradients: Float32Array
}

/** How one row of an answer came about, where a model is asked over a network. */
export interface RowAccount {
  /** Why there is no answer: its scores are NaN. */
  readonly problem: string | undefined
  /** How often the request that carried it was sent, and how long that took. */
  readonly tries: number
  readonly milliseconds: number
  /** Tells requests apart. */
  readonly request: number
}

export interface BatchModel {
  readonly batch: number
  /** Elements of one sample. */
  readonly features: number
  readonly classes: number
  /** [batch, features]: the caller writes its rows here before each call. Rows that are not filled may hold anything finite. */
  readonly inputs: Float32Array
  /** Of models with several inputs, [batch, values]: what the others get in each row, as the data have it. */
  readonly bound?: Float32Array | undefined
  /** Logits [batch, classes], of which those of rows 0 … rows - 1 (default: all) count. The next call may write over them. */
  scores(rows?: number): Promise<Float32Array>
  /** Logits, losses and gradients of rows 0 … rows.length - 1. */
  gradients(rows: readonly RowLoss[]): Promise<Gradients>
  /** About a row of the last answer; undefined where there is nothing to tell. */
  account?(row: number): RowAccount | undefined
}

/** Index of the largest score of a row, the first of equals; -1 when a score is not finite. */
export function labelOf(scores: Float32Array, start = 0, end = scores.length): number {
  let best = start
  for (let i = start; i < end; i++) {
    if (!Number.isFinite(scores[i])) return -1
    if (scores[i] > scores[best]) best = i
  }
  return best - start
}

/** z_y - max_{i != y} z_i: negative when misclassified. */
export function marginOf(scores: Float32Array, label: number): number {
  let other = Number.NEGATIVE_INFINITY
  for (let i = 0; i < scores.length; i++) if (i !== label && scores[i] > other) other = scores[i]
  return scores[label] - other
}
