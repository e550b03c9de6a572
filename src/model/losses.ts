/**
 * The losses that attacks ascend, as graph fragments on the logits: one value per row, and its gradient. Each row of a batch
 * selects its own loss, so attacks with different losses share one session and one batch.
 *
 * All of them set the true class y against something else, some in units of the logits' own spread:
 * loss = (sum_i a_i z_i - z_y) / d. So they share their nodes, and the gradient is written down rather than found by going
 * back through each: on a small network the nodes of six losses would cost as much as the network.
 */
import type { GraphBuilder, Value } from '../onnx/build.js'
import { float32 } from '../tensor/tensor.js'

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
  /** One at the true class, zero elsewhere. All zero for the linear loss. */
  readonly label: Value
  /** One at the target class; for the linear loss its weights. */
  readonly direction: Value
}

interface LossForm {
  /** Fewest classes for which the loss is defined. */
  readonly classes: number
  /** What a is: softmax(z), one at the largest logit but y (shared among equals), or the row's direction. */
  readonly against: 'softmax' | 'largest' | 'direction'
  /** d = sum_k spread_k z_(k) + 1e-12 with z_(1) ≥ z_(2) ≥ …; d = 1 when empty. */
  readonly spread: readonly number[]
}

/** z is the logits, y the label, t the target. */
export const losses: { readonly [L in LossName]: LossForm } = {
  /*
   * -log softmax(z)_y, whose gradient is softmax(z) - y. In float32 both vanish where y leads by more than some 87: then the
   * margin goes on in their place, negative where the entropy is zero, so that the way up leads on.
   */
  'cross-entropy': { classes: 2, against: 'softmax', spread: [] },
  // max_{i != y} z_i - z_y: positive when the row is misclassified
  margin: { classes: 2, against: 'largest', spread: [] },
  // (max_{i != y} z_i - z_y) / (z_(1) - z_(3)): Croce and Hein, ICML 2020
  dlr: { classes: 3, against: 'largest', spread: [1, 0, -1] },
  // (z_t - z_y) / (z_(1) - (z_(3) + z_(4)) / 2)
  'targeted-dlr': { classes: 4, against: 'direction', spread: [1, 0, -0.5, -0.5] },
  // z_t - z_y
  'logit-difference': { classes: 2, against: 'direction', spread: [] },
  // sum_i c_i z_i
  linear: { classes: 2, against: 'direction', spread: [] },
}

const tiny = 1e-12
/** The smallest float32 of full precision. */
const leastNormal = 2 ** -126

/** -log softmax(z)_y of each row, [batch]. */
export function crossEntropy(b: GraphBuilder, { logits, label }: Pick<LossInputs, 'logits' | 'label'>): Value {
  return b.neg(b.reduceSum(b.mul(b.logSoftmax(logits), label), [1]))
}

/**
 * The loss of each row, [batch], and its gradient to the logits, [batch, classes]. With several names, `selector`
 * [batch, names] is one at the row's choice.
 */
export function emitLoss(
  b: GraphBuilder,
  names: readonly LossName[],
  inputs: LossInputs,
  selector?: Value,
): { loss: Value; gradient: Value } {
  const { logits, label, direction } = inputs
  const column = [logits.shape[0]!, 1]
  const choose = chooser(b, names, selector)
  const softmax = once(() => b.exp(b.logSoftmax(logits)))
  const largest = once(() => largestOther(b, logits, label))
  const isFlat = once(() =>
    b.less(b.reduceMax(b.sub(softmax(), label), [1], true), b.scalar(leastNormal, logits.dtype)),
  )
  const against = choose(({ against }) => against, {
    softmax: () => b.where(isFlat(), largest(), softmax()),
    largest,
    direction: () => direction,
  })
  const slope = b.sub(against, label)
  const difference = b.reduceSum(b.mul(logits, slope), [1], true)
  const { quotient, gradient } = inUnits(b, names, { logits, slope, difference, selector })
  const loss = choose(({ against }) => (against === 'softmax' ? 'entropy' : 'quotient'), {
    entropy: () => b.where(isFlat(), difference, b.reshape(crossEntropy(b, inputs), column)),
    quotient: () => quotient,
  })
  return { loss: b.reshape(loss, [column[0]!]), gradient }
}

function once(emit: () => Value): () => Value {
  let value: Value | undefined
  return () => (value ??= emit())
}

/** Where each row's loss says: the one of `values` that `key` names. Only values that some loss wants are emitted. */
function chooser(b: GraphBuilder, names: readonly LossName[], selector: Value | undefined) {
  return <K extends string>(key: (form: LossForm) => K, values: Readonly<Record<K, () => Value>>): Value => {
    const [first, ...others] = [...new Set(names.map(name => key(losses[name])))]
    return others.reduce((rest, other) => {
      const on = perRow(b, names, form => [key(form) === other ? 1 : 0], selector)
      return b.where(b.greater(on, b.scalar(0.5, on.dtype)), values[other](), rest)
    }, values[first!]())
  }
}

/** Numbers that belong to each row's loss, [batch, count]; [1, count] when there is one loss only. */
function perRow(
  b: GraphBuilder,
  names: readonly LossName[],
  numbers: (form: LossForm) => readonly number[],
  selector: Value | undefined,
): Value {
  const rows = names.map(name => numbers(losses[name]))
  const table = b.constant(float32(rows.flat(), [names.length, rows[0]!.length]))
  return selector === undefined ? table : b.matMul(selector, table)
}

/**
 * v / d and its gradient a / d - (v / d) (1 / d) grad d, where v has the gradient a and grad d is the spread's coefficients at
 * the places of the largest logits.
 */
function inUnits(
  b: GraphBuilder,
  names: readonly LossName[],
  parts: { logits: Value; slope: Value; difference: Value; selector: Value | undefined },
): { quotient: Value; gradient: Value } {
  const { logits, slope, difference, selector } = parts
  const count = Math.max(...names.map(name => losses[name].spread.length))
  if (count === 0) return { quotient: difference, gradient: slope }
  const spread = perRow(b, names, form => Array.from({ length: count }, (_, k) => form.spread[k] ?? 0), selector)
  const [sorted, places] = b.topK(logits, count)
  const unit = chooser(
    b,
    names,
    selector,
  )(({ spread }) => (spread.length > 0 ? 'spread' : 'one'), {
    spread: () => b.add(b.reduceSum(b.mul(sorted, spread), [1], true), b.scalar(tiny, logits.dtype)),
    one: () => b.scalar(1, logits.dtype),
  })
  const quotient = b.div(difference, unit)
  const shares = b.mul(b.div(quotient, unit), spread)
  const scattered = b.scatterElements(b.full(logits.shape, 0, logits.dtype), places, b.expand(shares, sorted.shape), 1)
  return { quotient, gradient: b.sub(b.div(slope, unit), scattered) }
}

/** One at the largest logit but the label's, shared among equals. */
function largestOther(b: GraphBuilder, logits: Value, label: Value): Value {
  const others = b.add(logits, b.mul(label, b.scalar(-1e30, logits.dtype)))
  const largest = b.cast(b.equal(others, b.reduceMax(others, [1], true)), logits.dtype)
  return b.div(largest, b.reduceSum(largest, [1], true))
}
