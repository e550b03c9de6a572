/** ONNX Runtime, native or WebAssembly, as the engine of this program. Portable: what needs a file system is passed in. */
import type * as ort from 'onnxruntime-web'
import { RobustlyError } from '../errors.js'
import { encodeModel } from '../onnx/codec/index.js'
import type { GraphEngine, GraphSource, ModelSource } from '../onnx/engine.js'
import type { Graph } from '../onnx/graph.js'
import { foldConstants } from '../onnx/passes/fold.js'
import { printable } from '../printable.js'
import { creationError } from './ort-errors.js'
import { type Session, wrapSession } from './session.js'

export type EngineKind = 'native' | 'wasm'

export interface SessionOptions {
  /** Threads inside one operator. WebAssembly outside a cross-origin isolated page always uses one. */
  readonly threads: number
  /** 'all' by default. 'none' runs the graph as it is written. */
  readonly optimization?: 'all' | 'basic' | 'none'
}

/** ONNX Runtime at work; `simplify` and `outputTypes` are what the graph passes need of it. */
export interface Engine extends GraphEngine {
  readonly kind: EngineKind
  /** ONNX Runtime's version. */
  readonly version: string
  /** Why this kind runs when it was not the first choice, in one sentence for people. */
  readonly notice: string | undefined
  /** Execution providers that this build of ONNX Runtime offers; only 'cpu' is used. */
  readonly providers: readonly string[]
  /** Throws RobustlyError: 'model-unreadable', 'model-invalid', 'model-unsupported' or 'memory-limit'. */
  createSession(source: ModelSource, options: SessionOptions): Promise<Session>
}

/** What differs between the native library, WebAssembly in Node and WebAssembly in a browser. */
export interface OrtHost {
  readonly module: typeof ort
  readonly kind: EngineKind
  readonly version: string
  readonly notice?: string
  readonly providers: readonly string[]
  /** Calls `use` with what `InferenceSession.create` takes for a source, and with the options that go along. */
  open<T>(
    source: ModelSource,
    use: (model: string | Uint8Array, options?: ort.InferenceSession.SessionOptions) => Promise<T>,
  ): Promise<T>
  /**
   * Calls `write` with options under which a session writes its model down, and gives back what it wrote. Absent where
   * ONNX Runtime cannot write files; constants are then folded by a run, and nothing is fused.
   */
  readonly capture?: (
    source: GraphSource,
    write: (options: ort.InferenceSession.SessionOptions) => Promise<void>,
  ) => Promise<Graph>
}

export function engineOver(host: OrtHost): Engine {
  const open = async (source: ModelSource, options: ort.InferenceSession.SessionOptions) => {
    const label = sourceLabel(source)
    try {
      return await host.open(source, async (model, more) => {
        const all = { ...baseOptions(host.kind), ...more, ...options }
        // The overloads of `create` are per type of source.
        const inner = await (typeof model === 'string'
          ? host.module.InferenceSession.create(model, all)
          : host.module.InferenceSession.create(model, all))
        return wrapSession(host, inner, label)
      })
    } catch (error) {
      throw error instanceof RobustlyError ? error : creationError(label, error)
    }
  }

  return {
    kind: host.kind,
    version: host.version,
    notice: host.notice,
    providers: host.providers,
    createSession: async (source, { threads, optimization = 'all' }) => {
      if (!Number.isInteger(threads) || threads < 1) throw new RangeError(`a session cannot have ${threads} threads`)
      return open(source, {
        intraOpNumThreads: threads,
        graphOptimizationLevel: optimization === 'none' ? 'disabled' : optimization,
      })
    },
    simplify: async source => {
      const { capture } = host
      if (capture === undefined) return folded(source, open)
      return capture(source, async options => {
        await (await open(source, { ...options, graphOptimizationLevel: 'basic', intraOpNumThreads: 1 })).release()
      })
    },
    outputTypes: async source => {
      const session = await open(source, { graphOptimizationLevel: 'disabled', intraOpNumThreads: 1 })
      await session.release()
      return new Map(session.outputs.map(({ name, dtype, shape }) => [name, { dtype, shape }]))
    },
  }
}

function folded(
  { graph, ...rest }: GraphSource,
  open: (source: ModelSource, options: ort.InferenceSession.SessionOptions) => Promise<Session>,
): Promise<Graph> {
  return foldConstants(graph, async (part, feeds) => {
    await using session = await open({ graph: part, ...rest }, { graphOptimizationLevel: 'disabled' })
    return await session.run(feeds)
  })
}

function baseOptions(kind: EngineKind): ort.InferenceSession.SessionOptions {
  return {
    executionProviders: [kind === 'native' ? 'cpu' : 'wasm'],
    interOpNumThreads: 1,
    executionMode: 'sequential',
    logSeverityLevel: 4,
  }
}

/** The engine stays silent: what goes wrong is thrown, and its own lines on stderr help nobody. */
export function silence(module: typeof ort): void {
  module.env.logLevel = 'fatal'
}

/** A source that is no file, as bytes. */
export function inMemory(source: Exclude<ModelSource, { readonly path: string }>): Uint8Array {
  return 'bytes' in source ? source.bytes : encodeModel(source.graph, { functions: source.functions ?? [] })
}

function sourceLabel(source: ModelSource): string {
  return 'path' in source ? printable(source.path.split(/[\\/]/).at(-1)!, 120) : 'model'
}
