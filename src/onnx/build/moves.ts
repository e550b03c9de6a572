/** Operators that move, cut, repeat, reduce and pick values. */
import { broadcastShapes, type Shape, sizeOf } from '../../tensor/tensor.js'
import { positive, reducedShape, sliceLength } from '../shapes.js'
import type { Value } from './core.js'
import { ElementwiseBuilder } from './elementwise.js'

export class MovesBuilder extends ElementwiseBuilder {
  reshape(x: Value, shape: Shape): Value {
    if (sizeOf(shape) !== sizeOf(x.shape)) throw new RangeError(`cannot reshape [${x.shape}] to [${shape}]`)
    if (shape.length === x.shape.length && shape.every((dim, axis) => dim === x.shape[axis])) return x
    return this.emit('Reshape', [x, this.integers(shape)], { allowzero: 1 }, [{ dtype: x.dtype, shape }])[0]!
  }

  transpose(x: Value, perm: readonly number[]): Value {
    if (perm.every((from, to) => from === to)) return x
    const shape = perm.map(axis => x.shape[axis]!)
    return this.emit('Transpose', [x], { perm }, [{ dtype: x.dtype, shape }])[0]!
  }

  expand(x: Value, shape: Shape): Value {
    const wanted = broadcastShapes(x.shape, shape)
    if (wanted.length === x.shape.length && sizeOf(wanted) === sizeOf(x.shape)) return x
    return this.emit('Expand', [x, this.integers(wanted)], {}, [{ dtype: x.dtype, shape: wanted }])[0]!
  }

  concat(values: readonly Value[], axis: number): Value {
    if (values.length === 1) return values[0]!
    const at = positive(axis, values[0]!.shape.length)
    const shape = values[0]!.shape.with(
      at,
      values.reduce((sum, value) => sum + value.shape[at]!, 0),
    )
    return this.emit('Concat', values, { axis: at }, [{ dtype: values[0]!.dtype, shape }])[0]!
  }

  /** Numpy-like slice along some axes; ends may lie past the axis, steps may be negative (then `end` may be `-dim - 1`). */
  slice(
    x: Value,
    axes: readonly number[],
    starts: readonly number[],
    ends: readonly number[],
    steps?: readonly number[],
  ): Value {
    const shape = [...x.shape]
    axes.forEach((axis, i) => {
      shape[axis] = sliceLength(x.shape[axis]!, starts[i]!, ends[i]!, steps?.[i] ?? 1)
    })
    const [s, e, a, t] = [starts, ends, axes, steps ?? axes.map(() => 1)].map(list => this.integers(list))
    return this.emit('Slice', [x, s, e, a, t], {}, [{ dtype: x.dtype, shape }])[0]!
  }

  /** Reverses the order along the axes. */
  flip(x: Value, axes: readonly number[]): Value {
    const minus = axes.map(() => -1)
    return this.slice(
      x,
      axes,
      minus,
      axes.map(axis => -x.shape[axis]! - 1),
      minus,
    )
  }

  /** Pads with a constant; `pads` lists all starts, then all ends; negative numbers crop. */
  pad(x: Value, pads: readonly number[], value = 0): Value {
    if (pads.every(pad => pad === 0)) return x
    const rank = x.shape.length
    const shape = x.shape.map((dim, axis) => dim + pads[axis]! + pads[axis + rank]!)
    return this.emit('Pad', [x, this.integers(pads), this.scalar(value, x.dtype)], {}, [{ dtype: x.dtype, shape }])[0]!
  }

  squeeze = (x: Value, axes: readonly number[]): Value =>
    this.reshape(
      x,
      x.shape.filter((_, axis) => !axes.some(a => positive(a, x.shape.length) === axis)),
    )

  unsqueeze(x: Value, axes: readonly number[]): Value {
    const rank = x.shape.length + axes.length
    const at = new Set(axes.map(axis => positive(axis, rank)))
    const rest = [...x.shape]
    return this.reshape(
      x,
      Array.from({ length: rank }, (_, axis) => (at.has(axis) ? 1 : rest.shift()!)),
    )
  }

  /** Everything before `axis` becomes one dimension, everything from it on another. */
  flatten(x: Value, axis = 1): Value {
    const shape = [sizeOf(x.shape.slice(0, axis)), sizeOf(x.shape.slice(axis))]
    return this.emit('Flatten', [x], { axis }, [{ dtype: x.dtype, shape }])[0]!
  }

  reduceSum = (x: Value, axes: readonly number[], keepdims = false) => this.#reduce('ReduceSum', x, axes, keepdims)
  reduceMean = (x: Value, axes: readonly number[], keepdims = false) => this.#reduce('ReduceMean', x, axes, keepdims)
  reduceMax = (x: Value, axes: readonly number[], keepdims = false) => this.#reduce('ReduceMax', x, axes, keepdims)

  /** Index of the largest (the first of equals) along an axis, int64. */
  argMax(x: Value, axis: number, keepdims = false): Value {
    const shape = reducedShape(x.shape, [axis], keepdims)
    return this.emit('ArgMax', [x], { axis, keepdims: keepdims ? 1 : 0 }, [{ dtype: 'int64', shape }])[0]!
  }

  /** The k largest along an axis, in descending order: [values, indices (int64)]. */
  topK(x: Value, k: number, axis = -1): [Value, Value] {
    const shape = x.shape.with(positive(axis, x.shape.length), k)
    const types = [
      { dtype: x.dtype, shape },
      { dtype: 'int64', shape },
    ] as const
    return this.emit('TopK', [x, this.integers([k])], { axis }, types) as [Value, Value]
  }

  gather(x: Value, indices: Value, axis = 0): Value {
    const at = positive(axis, x.shape.length)
    const shape = [...x.shape.slice(0, at), ...indices.shape, ...x.shape.slice(at + 1)]
    return this.emit('Gather', [x, indices], { axis: at }, [{ dtype: x.dtype, shape }])[0]!
  }

  /** y[p, …] = x[indices[p], …]; indices [p, depth], int64. */
  gatherND(x: Value, indices: Value): Value {
    const shape = [...indices.shape.slice(0, -1), ...x.shape.slice(indices.shape.at(-1)!)]
    return this.emit('GatherND', [x, indices], {}, [{ dtype: x.dtype, shape }])[0]!
  }

  /** The inverse of `gatherND`: x with updates written or added at indices. */
  scatterND(x: Value, indices: Value, updates: Value, reduction: 'none' | 'add' = 'none'): Value {
    return this.emit('ScatterND', [x, indices, updates], { reduction }, [x])[0]!
  }

  /** Writes `updates` into a copy of `x` at `indices` along an axis; 'add' sums what falls on the same place. */
  scatterElements(x: Value, indices: Value, updates: Value, axis = 0, reduction: 'none' | 'add' = 'none'): Value {
    return this.emit('ScatterElements', [x, indices, updates], { axis, reduction }, [x])[0]!
  }

  #reduce(op: 'ReduceSum' | 'ReduceMean' | 'ReduceMax', x: Value, axes: readonly number[], keepdims: boolean): Value {
    if (axes.length === 0) return x
    const shape = reducedShape(x.shape, axes, keepdims)
    return this.emit(op, [x, this.integers(axes)], { keepdims: keepdims ? 1 : 0 }, [{ dtype: x.dtype, shape }])[0]!
  }
}
