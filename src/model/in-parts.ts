/** A model of a small fixed batch as one of a larger batch: its rows run a part at a time. */
import type { BatchModel } from './batch-model.js'
import type { RowLoss } from './losses.js'
import { repeated } from './score-source.js'

/** Rows beyond those that are asked for are not run. */
export function inParts<M extends BatchModel & AsyncDisposable & { readonly runtimeSeconds: number }>(
  model: M,
  batch: number,
): BatchModel & AsyncDisposable & { readonly runtimeSeconds: number } {
  const { features, classes, batch: part } = model
  const inputs = new Float32Array(batch * features)
  const width = model.bound === undefined ? 0 : model.bound.length / part
  const bound = model.bound && repeated(model.bound.subarray(0, width), batch)
  const load = (from: number, rows: number) => {
    model.inputs.set(inputs.subarray(from * features, Math.min(from + part, rows) * features))
    if (bound !== undefined) model.bound!.set(bound.subarray(from * width, Math.min(from + part, rows) * width))
  }
  return {
    batch,
    features,
    classes,
    inputs,
    bound,
    async scores(rows = batch) {
      const scores = new Float32Array(batch * classes)
      for (let from = 0; from < rows; from += part) {
        load(from, rows)
        const found = await model.scores()
        scores.set(found.subarray(0, (Math.min(from + part, rows) - from) * classes), from * classes)
      }
      return scores
    },
    async gradients(rows: readonly RowLoss[]) {
      const logits = new Float32Array(batch * classes)
      const losses = new Float32Array(batch)
      const gradients = new Float32Array(batch * features)
      for (let from = 0; from < rows.length; from += part) {
        load(from, rows.length)
        const asked = rows.slice(from, from + part)
        const found = await model.gradients(asked)
        logits.set(found.logits.subarray(0, asked.length * classes), from * classes)
        losses.set(found.losses.subarray(0, asked.length), from)
        gradients.set(found.gradients.subarray(0, asked.length * features), from * features)
      }
      return { logits, losses, gradients }
    },
    get runtimeSeconds() {
      return model.runtimeSeconds
    },
    [Symbol.asyncDispose]: () => model[Symbol.asyncDispose](),
  }
}
