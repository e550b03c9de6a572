/**
 * A session: one model loaded in ONNX Runtime. Portable: the same code serves the native library, WebAssembly in Node
 * and WebAssembly in a browser. Adds names that are checked, errors that say where, and a bound call without copies.
 */
import type * as ort from 'onnxruntime-web'
import { RobustlyError } from '../errors.js'
import type { ValueInfo } from '../onnx/graph.js'
import { printable } from '../printable.js'
import type { DataOf, DataType, Shape, Tensor } from '../tensor/tensor.js'
import { arrays, sizeOf } from '../tensor/tensor.js'
import type { EngineKind } from './engine.js'
import { runError } from './ort-errors.js'

type OrtModule = typeof ort
type Tensors = ReadonlyMap<string, Tensor>

/** Runs once over the same input arrays; resolves to the output arrays in the order of `fetches`. */
export type BoundRun = () => Promise<readonly DataOf[DataType][]>

export interface Session extends AsyncDisposable {
  readonly inputs: readonly ValueInfo[]
  readonly outputs: readonly ValueInfo[]
  /**
   * Runs the model. Feeds must be exactly the inputs, of their element type and of a shape that fits; `fetches` names
   * the outputs wanted (default: all). Throws RobustlyError: 'model-failed' for what does not fit and for failures
   * inside the model, 'memory-limit' when memory runs out.
   */
  run(feeds: ReadonlyMap<string, Tensor>, fetches?: readonly string[]): Promise<Map<string, Tensor>>
  /**
   * Prepares a run over fixed input arrays: the caller fills them in place and calls the result, as often as it likes.
   * Every call gives fresh output arrays, but for outputs whose tensors are given: these it writes into. Inputs are checked once, here.
   */
  bind(
    inputs: ReadonlyMap<string, Tensor>,
    fetches: readonly string[],
    outputs?: ReadonlyMap<string, Tensor & { readonly dtype: 'float32' }>,
  ): BoundRun
  /** Wall time spent inside ONNX Runtime's own `run` so far, in seconds. */
  readonly runtimeSeconds: number
  /** Gives the model's memory back, which nothing else does. May be called more than once. */
  release(): Promise<void>
}

/** Wraps a session of ONNX Runtime; `release` runs after it is disposed of. */
export function wrapSession(
  { kind, module }: { readonly kind: EngineKind; readonly module: OrtModule },
  inner: ort.InferenceSession,
  label: string,
): Session {
  const inputs = inner.inputMetadata.map(valueInfo)
  const outputs = inner.outputMetadata.map(valueInfo)
  const declared = new Map(inputs.map(info => [info.name, info]))
  const produced = new Map(outputs.map(info => [info.name, info]))
  let seconds = 0
  let released = false

  const wanted = (fetches: readonly string[]): readonly string[] => {
    const unknown = fetches.find(name => !produced.has(name))
    if (unknown !== undefined || fetches.length === 0) {
      const what = unknown === undefined ? 'no outputs were asked for' : `there is no output ${quoted(unknown)}`
      throw new RobustlyError('model-failed', `${label}: ${what}; the model's outputs are ${listed(produced.keys())}`)
    }
    for (const name of fetches) {
      const info = produced.get(name)!
      if (info.dtype !== 'other') continue
      throw new RobustlyError('model-unsupported', `${label}: output ${quoted(name)} is ${info.typeText}`, {
        hint: 'Export the model with tensor outputs only (for scikit-learn models: zipmap=False).',
      })
    }
    return fetches
  }

  const prepare = (inputs: ReadonlyMap<string, Tensor>, fetches: readonly string[], outputs?: Tensors) => {
    if (released) throw new RobustlyError('internal', `${label}: the session was released before this run`)
    const feeds = checkedFeeds(module, declared, inputs, label)
    const targets = wanted(fetches).map((name): [string, ort.Tensor | null] => {
      // WebAssembly has a memory of its own.
      const target = kind === 'native' ? outputs?.get(name) : undefined
      return [name, target === undefined ? null : ortTensor(module, target)]
    })
    const call = caller(inner, feeds, targets)
    return async () => {
      const start = performance.now()
      try {
        return await call()
      } catch (error) {
        throw released
          ? new RobustlyError('internal', `${label}: the session was released before this run`, { cause: error })
          : runError(label, error)
      } finally {
        seconds += (performance.now() - start) / 1000
      }
    }
  }

  const release = async () => {
    if (released) return
    released = true
    await inner.release()
  }

  return {
    inputs,
    outputs,
    async run(feeds, fetches = outputs.map(info => info.name)) {
      const results = await prepare(feeds, fetches)()
      return new Map(fetches.map((name, i) => [name, tensorFrom(results[i]!, produced.get(name)!, label)]))
    },
    bind(inputs, fetches, outputs) {
      const call = prepare(inputs, fetches, outputs)
      const halves = fetches.map(name => produced.get(name)!.dtype === 'float16')
      const plain = !halves.includes(true)
      return async () => {
        const results = await call()
        const data = new Array<DataOf[DataType]>(results.length)
        for (let i = 0; i < results.length; i++) {
          const array = results[i]!.data as DataOf[DataType]
          const own = outputs?.get(fetches[i]!)?.data as Float32Array | undefined
          if (own !== undefined && own !== array) own.set(array as Float32Array)
          data[i] = own ?? (plain || !halves[i] ? array : bits(array))
        }
        return data
      }
    },
    get runtimeSeconds() {
      return seconds
    },
    release,
    [Symbol.asyncDispose]: release,
  }
}

/**
 * The call itself. ONNX Runtime's JavaScript keeps fetches and results in plain objects, in which an output named
 * `__proto__` is lost; for such a model the layer below, which takes the objects it is given, is called directly.
 */
function caller(
  inner: ort.InferenceSession,
  feeds: Record<string, ort.Tensor>,
  targets: readonly (readonly [string, ort.Tensor | null])[],
): () => Promise<ort.Tensor[]> {
  const names = targets.map(([name]) => name)
  const fetches = nullRecord(targets)
  const pick = (results: Readonly<Record<string, ort.OnnxValue>>) => {
    const picked = new Array<ort.Tensor>(names.length)
    for (let i = 0; i < names.length; i++) picked[i] = results[names[i]!] as ort.Tensor
    return picked
  }
  if (!names.includes('__proto__'))
    return () => inner.run(feeds, fetches as ort.InferenceSession.FetchesType).then(pick)
  const handler = (inner as unknown as { handler: { run: ort.InferenceSession['run'] } }).handler
  return () => handler.run(feeds, fetches as ort.InferenceSession.FetchesType, {}).then(pick)
}

/** Feeds as ONNX Runtime takes them, in an object without a prototype. Throws when they are not exactly the inputs. */
function checkedFeeds(
  module: OrtModule,
  declared: ReadonlyMap<string, ValueInfo>,
  feeds: ReadonlyMap<string, Tensor>,
  label: string,
): Record<string, ort.Tensor> {
  const fail = (message: string): never => {
    throw new RobustlyError('model-failed', `${label}: ${message}`)
  }
  for (const name of feeds.keys()) {
    if (!declared.has(name))
      fail(`there is no input ${quoted(name)}; the model's inputs are ${listed(declared.keys())}`)
  }
  const entries = Array.from(declared.values(), (info): [string, ort.Tensor] => {
    const tensor = feeds.get(info.name) ?? fail(`input ${quoted(info.name)} is missing`)
    if (tensor.dtype !== info.dtype) {
      fail(`input ${quoted(info.name)} is ${info.typeText ?? info.dtype}, got ${tensor.dtype}`)
    }
    if (!fits(tensor.shape, info.shape)) {
      fail(`input ${quoted(info.name)} has shape ${shapeText(info.shape!)}, got ${shapeText(tensor.shape)}`)
    }
    if (sizeOf(tensor.shape) !== tensor.data.length) {
      fail(
        `input ${quoted(info.name)}: shape ${shapeText(tensor.shape)} wants ${sizeOf(tensor.shape)} elements, got ${tensor.data.length}`,
      )
    }
    return [info.name, ortTensor(module, tensor)]
  })
  return nullRecord(entries)
}

/** An object without a prototype, in which `__proto__` is a key like any other. */
function nullRecord<T>(entries: readonly (readonly [string, T])[]): Record<string, T> {
  return Object.assign(Object.create(null), Object.fromEntries(entries))
}

function ortTensor(module: OrtModule, tensor: Tensor): ort.Tensor {
  if (tensor.dtype === 'bfloat16') {
    throw new RobustlyError('model-unsupported', 'bfloat16 inputs are not supported by ONNX Runtime for JavaScript', {
      hint: 'Convert the model to float32 or float16.',
    })
  }
  return new module.Tensor(tensor.dtype as 'float32', tensor.data as Float32Array, tensor.shape)
}

function tensorFrom(value: ort.Tensor, info: ValueInfo, label: string): Tensor {
  const dtype = dataType(value.type)
  if (dtype === undefined) {
    throw new RobustlyError('model-unsupported', `${label}: output ${quoted(info.name)} is ${value.type}`)
  }
  const data = dtype === 'float16' ? bits(value.data as DataOf[DataType]) : value.data
  return { dtype, shape: [...value.dims], data } as Tensor
}

/** Half floats as 16-bit patterns: newer engines hand out Float16Array. */
function bits(data: DataOf[DataType]): DataOf[DataType] {
  return data instanceof Uint16Array || Array.isArray(data)
    ? data
    : new Uint16Array(data.buffer, data.byteOffset, data.length)
}

/** How WebAssembly shows a dimension without number or name: -1 as an unsigned number. */
const wasmUnknown = 2 ** 32 - 1

function valueInfo(metadata: ort.InferenceSession.ValueMetadata): ValueInfo {
  const { name } = metadata
  if (!metadata.isTensor) return { name, dtype: 'other', typeText: 'not a tensor', shape: undefined }
  const dtype = dataType(metadata.type)
  const shape = metadata.shape.map(dim => (dim === '' || dim === wasmUnknown ? undefined : dim))
  return dtype === undefined ? { name, dtype: 'other', typeText: metadata.type, shape } : { name, dtype, shape }
}

function dataType(type: string): DataType | undefined {
  return type === 'string' || Object.hasOwn(arrays, type) ? (type as DataType) : undefined
}

/** ONNX Runtime shows an unknown rank as rank 0: what does not fit is then its to say. */
function fits(shape: Shape, declared: ValueInfo['shape']): boolean {
  if (declared === undefined || declared.length === 0) return true
  return (
    shape.length === declared.length && declared.every((dim, axis) => typeof dim !== 'number' || dim === shape[axis])
  )
}

function shapeText(shape: readonly (number | string | undefined)[]): string {
  return `[${shape.map(dim => (dim === undefined ? '?' : printable(String(dim), 40))).join(', ')}]`
}

function quoted(name: string): string {
  return `"${printable(name, 80)}"`
}

function listed(names: Iterable<string>): string {
  const all = [...names]
  const shown = all.slice(0, 8).map(quoted).join(', ')
  return all.length > 8 ? `${shown} and ${all.length - 8} more` : shown
}
