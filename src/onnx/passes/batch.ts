/**
 * The batch dimension: symbolic for models exported for one sample, and any fixed number afterwards.
 * Nothing in an ONNX file says which dimension is the batch, and with a batch of 1 constants hide it. So this follows the
 * batch from the input through the graph and rewrites the constants in its way, by rules that fit what exporters write.
 * That is a guess: whoever uses the result must compare one run of B samples with B runs of the original file.
 */
import { RobustlyError } from '../../errors.js'
import type { Shape } from '../../tensor/tensor.js'
import type { Dim, Graph, ValueInfo } from '../graph.js'
import { BatchWalk } from './batch-walk.js'
import type { Rewritten } from './pass.js'

/** Name of the batch dimension in graphs made by `symbolicBatch`. */
export const batchDimension = 'batch'

export interface SymbolicBatch extends Rewritten {
  /** The batch size that the file fixed; undefined when it left it open. Then, nothing had to be rewritten. */
  readonly fixedBatch: number | undefined
  /** What could not be followed: results for other batches may be wrong. */
  readonly doubts: readonly string[]
  /** What to compare: outputs that carry the batch. A run of B samples must give the rows of B runs of the original. */
  readonly check: { readonly input: string; readonly outputs: readonly string[] }
}

/** Expects the canonical opset. The batch is the first dimension of the first input, and of others that state the same. */
export function symbolicBatch(graph: Graph): SymbolicBatch {
  const input = graph.inputs[0]!
  const first = input.shape?.[0]
  if (input.shape !== undefined && input.shape.length === 0) {
    throw new RobustlyError('model-unsupported', `input "${input.name}" is a single number: it has no batch dimension`)
  }
  const fixedBatch = typeof first === 'number' ? first : undefined
  const walk = new BatchWalk(graph, fixedBatch)
  const nodes = fixedBatch === undefined ? graph.nodes : graph.nodes.flatMap(node => walk.rewrite(node))
  const carries = (info: ValueInfo) =>
    fixedBatch === undefined
      ? info.shape === undefined || sameBatch(info.shape[0], first)
      : walk.axes.get(info.name) === 0
  const carried = graph.outputs.filter(carries)
  const outputs = graph.outputs.map(info => {
    if (!carries(info) || info.shape === undefined) return info
    const rest = walk.gained.has(info.name) ? info.shape : info.shape.slice(1)
    return { ...info, shape: [batchDimension, ...rest] }
  })
  const notes = fixedBatch === undefined ? [] : [`The batch dimension, ${fixedBatch} in the file, was made variable.`]
  return {
    graph: {
      ...graph,
      nodes,
      outputs,
      inputs: graph.inputs.map(info =>
        info.shape === undefined || info.shape[0] !== first
          ? info
          : { ...info, shape: [batchDimension, ...info.shape.slice(1)] },
      ),
      initializers: new Map([...graph.initializers, ...walk.additions.constants]),
      valueInfo: new Map(),
    },
    notes: [...notes, ...walk.doubts.map(doubt => `${doubt}; results for batches may be wrong from there on.`)],
    doubts: walk.doubts,
    fixedBatch,
    check: { input: input.name, outputs: carried.map(info => info.name) },
  }
}

/**
 * Fixes the batch dimension to `size`. `sample` is the shape of one sample, for models that leave more than the batch
 * open. Throws `model-unsupported` when a dimension of an input stays open.
 */
export function withBatch(graph: Graph, size: number, sample?: Shape): Graph {
  const input = graph.inputs[0]!
  const stated = input.shape ?? (sample === undefined ? undefined : [batchDimension, ...sample.map(() => undefined)])
  if (sample !== undefined && !fits(stated?.slice(1), sample)) {
    throw new RobustlyError(
      'model-unsupported',
      `samples of shape [${sample}] do not fit the input "${input.name}" of shape [${stated?.map(dim => dim ?? '?')}]`,
    )
  }
  const symbol = stated?.[0]
  const shape = stated === undefined ? undefined : [size, ...(sample ?? stated.slice(1))]
  const inputs = graph.inputs.with(0, { ...input, shape }).map(info => withDim(info, symbol, size))
  const open = inputs.find(info => !info.shape?.every(dim => typeof dim === 'number'))
  if (open !== undefined) {
    throw new RobustlyError(
      'model-unsupported',
      `input "${open.name}" leaves its shape open: [${open.shape?.map(dim => dim ?? '?').join(', ') ?? 'unknown rank'}]`,
      { hint: 'state the shape of one sample, or export the model with fixed dimensions' },
    )
  }
  // Other symbols are left to shape inference: a stale one would contradict it.
  const outputs = graph.outputs.map(info => {
    const fixed = withDim(info, symbol, size)
    return { ...fixed, shape: fixed.shape?.map(dim => (typeof dim === 'number' ? dim : undefined)) }
  })
  return { ...graph, inputs, outputs, valueInfo: new Map() }
}

function withDim(info: ValueInfo, symbol: Dim, size: number): ValueInfo {
  if (typeof symbol !== 'string') return info
  return { ...info, shape: info.shape?.map(dim => (dim === symbol ? size : dim)) }
}

function fits(stated: readonly Dim[] | undefined, sample: Shape): boolean {
  return (
    stated?.length === sample.length && sample.every((dim, i) => typeof stated[i] !== 'number' || stated[i] === dim)
  )
}

/** An output belongs to the batch when its first dimension is not a number: exporters name it differently now and then. */
function sameBatch(dim: Dim, batch: Dim): boolean {
  return dim === batch || typeof dim !== 'number'
}
