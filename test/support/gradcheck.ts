/**
 * The gradient checker. A row states one node: its inputs and attributes. The node's gradient graph, evaluated in
 * float64 by the reference, is compared with central differences of the reference; then ONNX Runtime runs the same graph
 * in float32 and is compared with the reference, forward pass and gradients alike. After `test_util.py` of autograd.
 */
import { expect } from 'vitest'
import { differentiate, gradientName } from '../../src/autodiff/gradient.js'
import { gradientRules } from '../../src/autodiff/rules/index.js'
import { GraphBuilder, type Value } from '../../src/onnx/build.js'
import { encodeModel } from '../../src/onnx/codec/index.js'
import type { TypedGraph, ValueType } from '../../src/onnx/graph.js'
import type { AttributeValues, OperatorName } from '../../src/onnx/operators.js'
import { evaluate } from '../../src/onnx/reference/evaluate.js'
import { type Engine, loadEngine } from '../../src/runtime/engine.js'
import { bool, float32, float64, int64, type Shape, sizeOf, type Tensor, toNumbers } from '../../src/tensor/tensor.js'

export interface RowInput {
  readonly shape: Shape
  /** Default float32. */
  readonly dtype?: 'float32' | 'int64' | 'int32' | 'bool'
  /** Floats without `values` are spread over this range, all different. Default [-1, 1]. */
  readonly domain?: readonly [number, number]
  readonly values?: readonly number[]
  /**
   * 'input': fed at run time; 'weight': a constant of the graph. Both are differentiated when they are floats.
   * 'constant': a constant of the graph that is not. Default: 'input' for floats, 'constant' for integers and booleans.
   */
  readonly as?: 'input' | 'weight' | 'constant'
}

export interface RowOf<O extends OperatorName> {
  readonly op: O
  /** What the row shows, for the test's title. */
  readonly shows: string
  readonly inputs: readonly (RowInput | undefined)[]
  readonly attributes?: AttributeValues<O>
  /** Number of outputs; default 1. */
  readonly outputs?: number
  /**
   * At ties and kinks, where central differences say nothing: the gradient of the sum of all outputs that is promised,
   * per input (undefined for those that are not differentiated).
   */
  readonly gradient?: readonly (readonly number[] | undefined)[]
  /** Relative tolerance against central differences; default 1e-6. */
  readonly tolerance?: number
}

/** One node to check. `op` decides which attributes there are. */
export type Row = { [O in OperatorName]: RowOf<O> }[OperatorName]

interface Case {
  readonly graph: TypedGraph
  /** The same without gradients. */
  readonly forward: TypedGraph
  readonly feeds: ReadonlyMap<string, Tensor>
  /** Inputs to differentiate to, by position in the row. */
  readonly wrt: readonly { readonly i: number; readonly name: string }[]
}

/** Reference gradients against central differences, or against those that the row states. */
export function checkGradients(row: Row): void {
  const test = buildCase(row)
  const values = evaluate(test.graph, test.feeds)
  for (const { i, name } of test.wrt) {
    const gradient = numbers(values, gradientName(name))
    const stated = row.gradient?.[i]
    if (stated !== undefined)
      expect(gradient, `gradient to input ${i}`).toEqual(stated.map(value => expect.closeTo(value, 7)))
    else expectDifferences(test, name, gradient, row.tolerance)
  }
}

/** ONNX Runtime in float32 against the reference in float64: all outputs and all gradients. */
export async function checkRuntime(row: Row): Promise<void> {
  const test = buildCase(row)
  const expected = evaluate(test.graph, test.feeds)
  await using session = await (await engine()).createSession({ bytes: encodeModel(test.graph) }, { threads: 1 })
  for (const [name, tensor] of await session.run(test.feeds)) {
    expect(tensor.shape, `shape of ${name}`).toEqual(expected.get(name)!.shape)
    expectClose(toNumbers(tensor), numbers(expected, name), 1e-4, `ONNX Runtime, ${name}`)
  }
}

/** Whether the row's operator has a gradient rule and something to differentiate to. */
export function isDifferentiated(row: Row): boolean {
  return typeof gradientRules[row.op] === 'function' && row.inputs.some(isVariable)
}

let loading: Promise<Engine> | undefined
/** One engine for all rows. */
export function engine(): Promise<Engine> {
  loading ??= loadEngine()
  return loading
}

/** |actual - expected| ≤ tolerance (|expected| + 1 % of the largest), element by element. */
export function expectClose(
  actual: readonly number[],
  expected: readonly number[],
  tolerance: number,
  what: string,
): void {
  expect(actual.length, `${what}: length`).toBe(expected.length)
  const floor = 0.01 * expected.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0.01)
  expected.forEach((value, i) => {
    const got = actual[i]!
    if (Object.is(got, value) || Math.abs(got - value) <= tolerance * (Math.abs(value) + floor)) return
    expect.fail(`${what}: element ${i} is ${got}, expected ${value}`)
  })
}

/**
 * The values of a row's input: spread over the domain by multiples of an irrational number, which keeps them apart, and
 * exact in float32, so that both precisions start from the same numbers.
 */
export function rowTensor(input: RowInput, seed: number): Tensor {
  const { shape, dtype = 'float32', domain: [low, high] = [-1, 1] } = input
  const stride = Math.sqrt([2, 3, 5, 7, 11, 13][seed % 6]!)
  const spread = () =>
    Array.from({ length: sizeOf(shape) }, (_, i) => low + (high - low) * (((i + 1) * stride + seed * 0.37) % 1))
  const values = input.values ?? spread()
  if (values.length !== sizeOf(shape)) throw new RangeError(`${values.length} values for shape [${shape}]`)
  if (dtype === 'int64') return int64(values, shape)
  if (dtype === 'int32') return { dtype, shape, data: Int32Array.from(values) }
  return dtype === 'bool' ? bool(values, shape) : float32(values, shape)
}

/** The node with the loss Σ outputs · fixed numbers and, where the operator has a rule, its gradients as further outputs. */
function buildCase(row: Row): Case {
  const types = typesOf(row)
  const b = new GraphBuilder(row.op)
  const { inputs, feeds } = defineInputs(b, row)
  const outputs = emitRow(b, row, inputs, types)
  for (const output of outputs) b.output(output)
  const wrt = inputs.flatMap((value, i) =>
    value !== undefined && isVariable(row.inputs[i]) ? [{ i, name: value.name }] : [],
  )
  if (!isDifferentiated(row)) return { graph: b.build(), forward: b.build(), feeds, wrt: [] }
  const to = wrt.map(({ name }) => b.value(name))
  const loss = lossOf(b, row, outputs)
  const forward = b.build()
  const gradients = differentiate(b, loss, to)
  gradients.forEach((gradient, k) => {
    const { name, shape, dtype } = to[k]!
    const value = gradient ?? b.full(shape, 0, dtype)
    expect(value.shape, `${row.op}: shape of the gradient to ${name}`).toEqual(shape)
    b.output(value, gradientName(name))
  })
  return { graph: b.build(), forward, feeds, wrt }
}

function isVariable(input: RowInput | undefined): boolean {
  return input !== undefined && (input.dtype ?? 'float32') === 'float32' && input.as !== 'constant'
}

function defineInputs(b: GraphBuilder, row: Row) {
  const feeds = new Map<string, Tensor>()
  const inputs = row.inputs.map((input, i) => {
    if (input === undefined) return undefined
    const tensor = rowTensor(input, i)
    const name = `x${i}`
    const role = input.as ?? (tensor.dtype === 'float32' ? 'input' : 'constant')
    if (role !== 'input') return b.constant(tensor, name)
    feeds.set(name, tensor)
    return b.input(name, tensor.dtype, tensor.shape)
  })
  return { inputs, feeds }
}

function emitRow(
  b: GraphBuilder,
  row: Row,
  inputs: readonly (Value | undefined)[],
  types: readonly ValueType[],
): Value[] {
  const names = types.map((_, i) => `y${i}`)
  return b.emit(row.op as OperatorName, inputs, (row.attributes ?? {}) as AttributeValues<OperatorName>, types, names)
}

/** Types of the node's outputs, by evaluating it once. */
function typesOf(row: Row): ValueType[] {
  const b = new GraphBuilder(row.op)
  const { inputs, feeds } = defineInputs(b, row)
  const unknown = Array.from({ length: row.outputs ?? 1 }, () => ({ dtype: 'float32', shape: [] }) as const)
  const names = emitRow(b, row, inputs, unknown).map(value => value.name)
  const values = evaluate(b.build(names), feeds)
  return names.map(name => {
    const { dtype, shape } = values.get(name)!
    return { dtype: dtype === 'float64' ? 'float32' : dtype, shape }
  })
}

function lossOf(b: GraphBuilder, row: Row, outputs: readonly Value[]): Value {
  const terms = outputs.flatMap((output, i) => {
    if (output.dtype !== 'float32') return []
    const ones =
      row.gradient !== undefined ? output : b.mul(output, b.constant(rowTensor({ shape: output.shape }, i + 3)))
    return [
      b.reduceSum(
        ones,
        output.shape.map((_, axis) => axis),
      ),
    ]
  })
  return b.output(b.sum(...terms), 'loss')
}

/**
 * Compares a gradient of the value `loss` with (loss(x + h d) - loss(x - h d)) / 2h, along single elements and along two
 * directions through all of them. `name` is an input or a constant of the forward graph.
 */
export function expectDifferences(
  { forward, feeds }: Pick<Case, 'forward' | 'feeds'>,
  name: string,
  gradient: readonly number[],
  tolerance = 1e-6,
): void {
  const start = feeds.get(name) ?? forward.initializers.get(name)!.load()
  const lossAt = (x: Float64Array): number => {
    const values = evaluate(forward, new Map([...feeds, [name, float64(x, start.shape)]]))
    return numbers(values, 'loss')[0]!
  }
  const x = Float64Array.from(toNumbers(start))
  const h = 1e-5
  const along = directions(x.length)
  const differences = along.map(direction => {
    const moved = (sign: number) => lossAt(x.map((value, i) => value + sign * h * direction[i]!))
    return (moved(1) - moved(-1)) / (2 * h)
  })
  const slopes = along.map(direction => direction.reduce((sum, d, i) => sum + d * gradient[i]!, 0))
  expectClose(slopes, differences, tolerance, `gradient to ${name}`)
}

/** A float output of an evaluation. */
function numbers(values: ReadonlyMap<string, Tensor>, name: string): number[] {
  const tensor = values.get(name)
  if (tensor === undefined) throw new RangeError(`there is no value "${name}"`)
  return toNumbers(tensor)
}

/** Unit vectors of up to 40 elements, and two dense directions. */
function directions(length: number): number[][] {
  const step = Math.max(1, Math.floor(length / 40))
  const units = Array.from({ length: Math.min(length, 40) }, (_, k) =>
    Array.from({ length }, (_, i) => (i === k * step ? 1 : 0)),
  )
  const dense = [1, 2].map(seed => toNumbers(rowTensor({ shape: [length] }, seed)))
  return [...units, ...dense]
}
