/** ONNX Runtime, native or WebAssembly, as the engine of this program. Portable: what needs a file system is passed in. */
import type * as ort from 'onnxruntime-web'
import { RobustlyError } from '../errors.js'
import { decodeModel, encodeModel } from '../onnx/codec/index.js'
import type { GraphEngine, ModelSource } from '../onnx/engine.js'
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
  /** Turns a source into what `InferenceSession.create` takes, with the options that go along. */
  resolve(source: ModelSource): Promise<{ model: string | Uint8Array; options?: ort.InferenceSession.SessionOptions }>
  /**
   * Calls `write` with the path of a file that does not exist yet and gives back what was written there. Absent where
   * ONNX Runtime cannot write files; constants are then folded by a run, and nothing is fused.
   */
  readonly capture?: (write: (path: string) => Promise<void>) => Promise<Uint8Array>
}

export function engineOver(host: OrtHost): Engine {
  const open = async (source: ModelSource, options: ort.InferenceSession.SessionOptions) => {
    const label = sourceLabel(source)
    try {
      const { model, options: more } = await host.resolve(source)
      const all = { ...baseOptions(host.kind), ...more, ...options }
      // The overloads of `create` are per type of source.
      const inner = await (typeof model === 'string'
        ? host.module.InferenceSession.create(model, all)
        : host.module.InferenceSession.create(model, all))
      return wrapSession(host.module, inner, label)
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
      if (capture === undefined) return folded(bytesOf(await host.resolve(source)), open)
      return capture(async path => {
        const options = { graphOptimizationLevel: 'basic', optimizedModelFilePath: path, intraOpNumThreads: 1 } as const
        await (await open(source, options)).release()
      })
    },
    outputTypes: async source => {
      const session = await open(source, { graphOptimizationLevel: 'disabled', intraOpNumThreads: 1 })
      await session.release()
      return new Map(session.outputs.map(({ name, dtype, shape }) => [name, { dtype, shape }]))
    },
  }
}

async function folded(
  bytes: Uint8Array,
  open: (source: ModelSource, options: ort.InferenceSession.SessionOptions) => Promise<Session>,
): Promise<Uint8Array> {
  const { graph, functions } = decodeModel(bytes)
  const simple = await foldConstants(graph, async (part, feeds) => {
    await using session = await open(
      { bytes: encodeModel(part, { functions }) },
      { graphOptimizationLevel: 'disabled' },
    )
    return await session.run(feeds)
  })
  return encodeModel(simple, { functions })
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

function bytesOf({ model }: { model: string | Uint8Array }): Uint8Array {
  if (typeof model !== 'string') return model
  throw new RobustlyError('internal', 'the model was expected as bytes')
}

function sourceLabel(source: ModelSource): string {
  return 'path' in source ? printable(source.path.split(/[\\/]/).at(-1)!, 120) : 'model'
}
