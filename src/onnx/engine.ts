/**
 * What the passes need of an inference engine. `runtime/` implements it with ONNX Runtime, so that this folder depends
 * on no engine and runs in a browser.
 */

import type { DataType } from '../tensor/tensor.js'
import type { Dim } from './graph.js'

/** A serialised model: bytes, or a path when the model has external data or is too large for bytes. */
export type ModelSource = { readonly bytes: Uint8Array } | { readonly path: string }

export interface GraphEngine {
  /** Constants folded, batch norms fused, shape subgraphs gone: the standard-operator graph that ONNX Runtime's 'basic' level writes. */
  simplify(model: ModelSource): Promise<Uint8Array>
  /** Element type and shape of every graph output, by the engine's own shape inference. 'other' for what is no tensor. */
  outputTypes(
    model: ModelSource,
  ): Promise<ReadonlyMap<string, { readonly dtype: DataType | 'other'; readonly shape: readonly Dim[] | undefined }>>
}
