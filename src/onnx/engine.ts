/**
 * What the passes need of an inference engine. `runtime/` implements it with ONNX Runtime, so that this folder depends
 * on no engine and runs in a browser.
 */

import type { DataType } from '../tensor/tensor.js'
import type { ModelFunction } from './codec/index.js'
import type { Dim, Graph } from './graph.js'

/** A graph, with the functions of its model. */
export interface GraphSource {
  readonly graph: Graph
  readonly functions?: readonly ModelFunction[]
}

/** A model: in memory, or serialised as bytes or a file. */
export type ModelSource = GraphSource | { readonly bytes: Uint8Array } | { readonly path: string }

export interface GraphEngine {
  /** Constants folded, batch norms fused, shape subgraphs gone: the standard-operator graph that ONNX Runtime's 'basic' level writes. */
  simplify(model: GraphSource): Promise<Graph>
  /** Element type and shape of every graph output, by the engine's own shape inference. 'other' for what is no tensor. */
  outputTypes(
    model: ModelSource,
  ): Promise<ReadonlyMap<string, { readonly dtype: DataType | 'other'; readonly shape: readonly Dim[] | undefined }>>
}
