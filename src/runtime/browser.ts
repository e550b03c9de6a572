/**
 * The engine in a browser: ONNX Runtime compiled to WebAssembly. Nothing reachable from here needs Node.
 *
 * The page must allow `wasm-unsafe-eval` in its content security policy; more than one thread needs a cross-origin
 * isolated page, and the number is fixed by the first session.
 */
import * as module from 'onnxruntime-web/wasm'
import { RobustlyError } from '../errors.js'
import { type Engine, engineOver, inMemory, silence } from './ort-engine.js'

export type { Engine, SessionOptions } from './ort-engine.js'
export type { BoundRun, Session } from './session.js'

export interface BrowserOptions {
  /** Folder, ending in '/', from which the page serves `ort-wasm-simd-threaded.mjs` and `.wasm`. */
  readonly wasmFolder?: string
  /** Threads of all sessions, when the page is cross-origin isolated. */
  readonly threads?: number
}

/** The engine of this page. Models are given as bytes. */
export async function loadBrowserEngine(options: BrowserOptions = {}): Promise<Engine> {
  silence(module)
  if (options.wasmFolder !== undefined) module.env.wasm.wasmPaths = options.wasmFolder
  module.env.wasm.numThreads =
    (globalThis as { crossOriginIsolated?: boolean }).crossOriginIsolated === true ? (options.threads ?? 1) : 1
  return engineOver({
    module,
    kind: 'wasm',
    version: module.env.versions.web ?? module.env.versions.common,
    providers: ['cpu'],
    open: async (source, use) => {
      if (!('path' in source)) return use(inMemory(source))
      throw new RobustlyError('model-unreadable', 'a browser reads no paths: give the model as bytes')
    },
  })
}
