/** What a row of the reference table gets and gives: plain arithmetic in TypeScript, floats computed in float64. */
import type { Tensor } from '../../tensor/tensor.js'
import type { Node } from '../graph.js'
import type { AttributesOf, OperatorName } from '../operators.js'

export interface ReferenceContext<O extends OperatorName> {
  readonly node: Node
  readonly attributes: AttributesOf<O>
  /** Inputs in order, undefined where an optional one is absent. Float inputs are always float64 tensors. */
  readonly inputs: readonly (Tensor | undefined)[]
  /** Input i. Throws when it is absent. */
  input(i: number): Tensor
  /** Number of outputs that the node lists. */
  readonly outputs: number
}

/** Computes the outputs of one node. */
export type ReferenceRule<O extends OperatorName> = (context: ReferenceContext<O>) => readonly Tensor[]

export type ReferenceRules<O extends OperatorName = OperatorName> = { readonly [P in O]: ReferenceRule<P> }
