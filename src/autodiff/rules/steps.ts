/**
 * Steps as numbers: a ramp so steep that it is a step from one float32 to the next (but for denormal numbers beside 0). ONNX Runtime
 * keeps it, and products with it, in the blocked layout of its convolutions; comparisons and Where would take every
 * tensor out of that layout and back.
 */
import type { GraphBuilder, Value } from '../../onnx/build.js'

/** 1 where x > at, 0 elsewhere; `at` is finite. */
export function above(b: GraphBuilder, x: Value, at: number): Value {
  return ramp(b, x, at, steepest(at))
}

/** 1 where x < at, 0 elsewhere. */
export function below(b: GraphBuilder, x: Value, at: number): Value {
  return ramp(b, x, at, -steepest(at))
}

function ramp(b: GraphBuilder, x: Value, at: number, alpha: number): Value {
  return b.emit('HardSigmoid', [x], { alpha, beta: -alpha * at }, [x])[0]!
}

/** A power of two, for exact products, whose product with `at` is finite in float32. */
function steepest(at: number): number {
  return 2 ** (126 - Math.max(0, Math.ceil(Math.log2(Math.abs(at)))))
}
