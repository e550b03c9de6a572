/** Passes: pure functions from graph to graph. */
export { batchDimension, type SymbolicBatch, symbolicBatch, withBatch } from './batch.js'
export { canonical, oldestOpset } from './canonical.js'
export { foldConstants, type RunGraph } from './fold.js'
export { explicitPads } from './pads.js'
export type { Rewritten } from './pass.js'
export { simplify, typed } from './simplify.js'
export { splitSoftmax } from './softmax.js'
