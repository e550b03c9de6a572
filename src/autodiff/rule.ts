/** What a gradient rule gets and gives. Rules never walk the graph; the walk (gradient.ts) never names an operator. */
import type { GraphBuilder, Value } from '../onnx/build.js'
import type { Node } from '../onnx/graph.js'
import type { AttributesOf, OperatorName } from '../onnx/operators.js'
import type { Tensor } from '../tensor/tensor.js'

/**
 * A node seen from its rule: inputs I, outputs O, gradients of the loss to the outputs GO (undefined where none
 * arrives; at least one is there). All shapes are fixed. Float values are float32 or float64: use the dtype of I.
 */
export interface RuleContext<O extends OperatorName> {
  readonly node: Node
  readonly attributes: AttributesOf<O>
  readonly b: GraphBuilder
  /** I(i): input i. Throws when it is absent. */
  I(i: number): Value
  has(i: number): boolean
  O(i?: number): Value
  GO(i?: number): Value | undefined
  /** The gradient of the only output that matters. Throws when none arrives there. */
  G(): Value
  /** Values of input i when it is a constant of the graph, undefined otherwise or when absent. */
  constant(i: number): Tensor | undefined
  /** Like `constant`, as numbers; an error that names the node when the input is computed. */
  integers(i: number): readonly number[]
  /**
   * Gradients by way of a composition: `compose` emits the node's outputs once more from I(0), I(1), … with other
   * operators (undefined where an output is not given), and the walk goes back through those.
   */
  through(compose: () => readonly (Value | undefined)[]): readonly (Value | undefined)[]
  /** Whether anybody wants the gradient of input i: lets a rule spare costly work. */
  needs(i: number): boolean
}

/**
 * The gradient of each input, in order; undefined or left out where none exists. A gradient may have the shape that the
 * input was broadcast to: the walk sums it back. Nodes emitted for gradients that nobody needs are dropped.
 */
export type GradientRule<O extends OperatorName> = (context: RuleContext<O>) => readonly (Value | undefined)[]

/**
 * The three states of an operator in the table: a rule; 'constant' where the output does not depend differentiably on any input
 * and no gradient is expected (Shape, comparisons); 'refused' where a gradient would be zero or undefined and silently wrong (Sign, ArgMax).
 */
export type GradientEntry<O extends OperatorName> = GradientRule<O> | 'constant' | 'refused'

export type GradientRules<O extends OperatorName = OperatorName> = { readonly [P in O]: GradientEntry<P> }
