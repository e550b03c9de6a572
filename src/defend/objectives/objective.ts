/** What training descends, and what its adversary climbs meanwhile: the contract of the files beside this one. */
import type { GraphBuilder, Value } from '../../onnx/build.js'

/** Which inputs of a sample a loss looks at. */
export type View = 'clean' | 'adversarial'

export interface Term {
  /** The model runs on these inputs, in one batch. */
  readonly sees: readonly [View, ...View[]]
  /**
   * The loss of each row, [batch]. `label` is one at the true class and zero elsewhere, [batch, classes]; the logits,
   * [batch, classes] each, come in the order of `sees`.
   */
  loss(b: GraphBuilder, label: Value, ...logits: readonly Value[]): Value
}

export interface Objective {
  readonly name: string
  /** One sentence with the paper. */
  readonly description: string
  /** The mean of this over the batch is what the weights descend. */
  readonly outer: Term
  /** What the adversarial inputs climb; undefined when there are none. */
  readonly inner: Term | undefined
}
