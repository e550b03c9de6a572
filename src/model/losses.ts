/**
 * The losses that attacks ascend, as graph fragments on the logits: one value per row. Each row of a batch selects its
 * own loss, so attacks with different losses share one session and one batch.
 */
import type { GraphBuilder, Value } from '../onnx/build.js'

export const lossNames = ['cross-entropy', 'margin', 'dlr', 'targeted-dlr', 'logit-difference', 'linear'] as const

export type LossName = (typeof lossNames)[number]

/** What one row of a gradient query asks for. */
export type RowLoss =
  | { readonly loss: 'cross-entropy' | 'margin' | 'dlr'; readonly label: number }
  | { readonly loss: 'targeted-dlr' | 'logit-difference'; readonly label: number; readonly target: number }
  | { readonly loss: 'linear'; readonly weights: Float32Array }

/** Rows of the graph's inputs from which the losses are made, all [batch, classes]. */
export interface LossInputs {
  readonly logits: Value
  /** One at the true class, zero elsewhere. */
  readonly label: Value
  /** One at the target class; for the linear loss its weights. */
  readonly direction: Value
}

interface LossFragment {
  /** Fewest classes for which the loss is defined. */
  readonly classes: number
  emit(b: GraphBuilder, inputs: LossInputs): Value
}

const tiny = 1e-12

/** z is the logits, y the label, t the target, pi the order of the logits from the largest down. */
export const losses: { readonly [L in LossName]: LossFragment } = {
  // -log softmax(z)_y
  'cross-entropy': {
    classes: 2,
    emit: (b, { logits, label }) => b.neg(b.reduceSum(b.mul(b.logSoftmax(logits), label), [1])),
  },
  // max_{i != y} z_i - z_y: positive when the row is misclassified
  margin: {
    classes: 2,
    emit: (b, inputs) => b.sub(largestOther(b, inputs), at(b, inputs.logits, inputs.label)),
  },
  // -(z_y - max_{i != y} z_i) / (z_pi1 - z_pi3 + 1e-12): Croce and Hein, ICML 2020
  dlr: {
    classes: 3,
    emit(b, inputs) {
      const [sorted] = b.topK(inputs.logits, 3)
      const scale = b.sub(b.slice(sorted, [1], [0], [1]), b.slice(sorted, [1], [2], [3]))
      const gap = b.sub(largestOther(b, inputs), at(b, inputs.logits, inputs.label))
      return b.div(gap, b.add(b.reshape(scale, gap.shape), b.scalar(tiny, gap.dtype)))
    },
  },
  // -(z_y - z_t) / (z_pi1 - (z_pi3 + z_pi4) / 2 + 1e-12)
  'targeted-dlr': {
    classes: 4,
    emit(b, inputs) {
      const [sorted] = b.topK(inputs.logits, 4)
      const rest = b.reduceMean(b.slice(sorted, [1], [2], [4]), [1], true)
      const scale = b.sub(b.slice(sorted, [1], [0], [1]), rest)
      const gap = difference(b, inputs)
      return b.div(gap, b.add(b.reshape(scale, gap.shape), b.scalar(tiny, gap.dtype)))
    },
  },
  // z_t - z_y
  'logit-difference': { classes: 2, emit: difference },
  // sum_i c_i z_i
  linear: { classes: 2, emit: (b, { logits, direction }) => at(b, logits, direction) },
}

function at(b: GraphBuilder, logits: Value, weights: Value): Value {
  return b.reduceSum(b.mul(logits, weights), [1])
}

function difference(b: GraphBuilder, { logits, label, direction }: LossInputs): Value {
  return b.reduceSum(b.mul(logits, b.sub(direction, label)), [1])
}

function largestOther(b: GraphBuilder, { logits, label }: LossInputs): Value {
  return b.reduceMax(b.add(logits, b.mul(label, b.scalar(-1e30, logits.dtype))), [1])
}

/**
 * The loss of each row, [batch]. With several names, `selector` [batch, names] is one at the row's choice; a loss that
 * was not chosen contributes neither value nor gradient.
 */
export function emitLoss(b: GraphBuilder, names: readonly LossName[], inputs: LossInputs, selector?: Value): Value {
  const values = names.map(name => losses[name].emit(b, inputs))
  if (selector === undefined) return values[0]
  const half = b.scalar(0.5, selector.dtype)
  const chosen = values.map((value, i) => {
    const on = b.greater(b.reshape(b.slice(selector, [1], [i], [i + 1]), value.shape), half)
    return b.where(on, value, b.scalar(0, value.dtype))
  })
  return b.sum(...chosen)
}
