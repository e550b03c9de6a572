/**
 * The node builder: emits standard ai.onnx nodes at the canonical opset and knows the fixed shape of every value it
 * makes, so that a wrong graph fails where it is built. Rules, losses, architectures and benchmarks all use it.
 */
import type { Value } from './build/core.js'
import { MovesBuilder } from './build/moves.js'
import { filledWindow, matMulShape, type Window, windowedLength } from './shapes.js'

export type { Value } from './build/core.js'

export class GraphBuilder extends MovesBuilder {
  // Products, convolutions and pools.
  matMul(a: Value, b: Value): Value {
    const shape = matMulShape(a.shape, b.shape)
    return this.emit('MatMul', [a, b], {}, [{ dtype: a.dtype, shape }])[0]!
  }

  /** a [M, K] (or transposed) times b [K, N] (or transposed) plus c. */
  gemm(a: Value, b: Value, c?: Value, options: { transA?: boolean; transB?: boolean } = {}): Value {
    const [m, k] = options.transA ? a.shape.toReversed() : a.shape
    const [kb, n] = options.transB ? b.shape.toReversed() : b.shape
    if (k !== kb) throw new RangeError(`cannot multiply [${a.shape}] and [${b.shape}]`)
    const attributes = { transA: options.transA ? 1 : 0, transB: options.transB ? 1 : 0 }
    return this.emit('Gemm', c === undefined ? [a, b] : [a, b, c], attributes, [
      { dtype: a.dtype, shape: [m!, n!] },
    ])[0]!
  }

  /** x [N, C, …], w [M, C/group, …], bias [M]. */
  conv(x: Value, w: Value, bias?: Value, options: Window & { group?: number } = {}): Value {
    const kernel = w.shape.slice(2)
    const window = filledWindow(kernel, options)
    const spatial = x.shape.slice(2).map((dim, i) => windowedLength(dim, kernel[i]!, window, i))
    const shape = [x.shape[0]!, w.shape[0]!, ...spatial]
    if (w.shape[1]! * (options.group ?? 1) !== x.shape[1]) {
      throw new RangeError(`convolution of [${x.shape}] by [${w.shape}] in ${options.group ?? 1} groups`)
    }
    const attributes = { ...window, kernel_shape: kernel, group: options.group }
    return this.emit('Conv', bias === undefined ? [x, w] : [x, w, bias], attributes, [{ dtype: x.dtype, shape }])[0]!
  }

  /** x [N, C, …], w [C, M/group, …]; `outputPadding` adds to the end of each spatial axis. */
  convTranspose(
    x: Value,
    w: Value,
    bias?: Value,
    options: Window & { group?: number; outputPadding?: readonly number[] } = {},
  ): Value {
    const kernel = w.shape.slice(2)
    const { strides, pads, dilations } = filledWindow(kernel, options)
    const spatial = x.shape.slice(2).map((dim, i) => {
      const extent = (kernel[i]! - 1) * dilations[i]! + 1
      return (dim - 1) * strides[i]! + extent - pads[i]! - pads[i + kernel.length]! + (options.outputPadding?.[i] ?? 0)
    })
    const shape = [x.shape[0]!, w.shape[1]! * (options.group ?? 1), ...spatial]
    const attributes = {
      strides,
      pads,
      dilations,
      kernel_shape: kernel,
      group: options.group,
      output_padding: options.outputPadding,
    }
    return this.emit('ConvTranspose', bias === undefined ? [x, w] : [x, w, bias], attributes, [
      { dtype: x.dtype, shape },
    ])[0]!
  }

  maxPool(x: Value, kernel: readonly number[], options: Window = {}): Value {
    const window = filledWindow(kernel, options)
    const shape = [
      ...x.shape.slice(0, 2),
      ...x.shape.slice(2).map((dim, i) => windowedLength(dim, kernel[i]!, window, i)),
    ]
    return this.emit('MaxPool', [x], { ...window, kernel_shape: kernel }, [{ dtype: x.dtype, shape }])[0]!
  }

  averagePool(x: Value, kernel: readonly number[], options: Window & { countIncludePad?: boolean } = {}): Value {
    const window = filledWindow(kernel, options)
    const shape = [
      ...x.shape.slice(0, 2),
      ...x.shape.slice(2).map((dim, i) => windowedLength(dim, kernel[i]!, window, i)),
    ]
    const attributes = { ...window, kernel_shape: kernel, count_include_pad: options.countIncludePad ? 1 : 0 }
    return this.emit('AveragePool', [x], attributes, [{ dtype: x.dtype, shape }])[0]!
  }

  globalAveragePool(x: Value): Value {
    const shape = x.shape.map((dim, axis) => (axis < 2 ? dim : 1))
    return this.emit('GlobalAveragePool', [x], {}, [{ dtype: x.dtype, shape }])[0]!
  }
}
