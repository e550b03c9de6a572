/**
 * Picks the engine in Node: onnxruntime-node where it is installed and loads, else onnxruntime-web, whose WebAssembly
 * gives the same answers some six times slower. No other folder imports ONNX Runtime.
 */
import { readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { InferenceSession } from 'onnxruntime-web'
import { RobustlyError } from '../errors.js'
import { printable } from '../printable.js'
import { type Engine, type EngineKind, engineOver, inMemory, type OrtHost, silence } from './ort-engine.js'
import { asFile, capture } from './scratch.js'

export type { Engine, EngineKind, SessionOptions } from './ort-engine.js'
export type { BoundRun, Session } from './session.js'

/**
 * The engine of this process. `require` asks for one kind; without it the native library is preferred.
 * Throws RobustlyError 'config' when what is required cannot be had.
 */
export async function loadEngine(options: { readonly require?: EngineKind } = {}): Promise<Engine> {
  if (options.require === 'wasm') return engineOver(await wasmHost())
  try {
    return engineOver(await nativeHost())
  } catch (error) {
    const reason = whyNot(error)
    if (options.require === 'native') {
      throw new RobustlyError('config', `the native ONNX Runtime cannot be used: ${reason}`, {
        hint: 'Install it with `npm install onnxruntime-node`, or leave the requirement out to run on WebAssembly.',
        cause: error,
      })
    }
    const notice = `The native ONNX Runtime cannot be used (${reason}): running on WebAssembly, some six times slower.`
    return engineOver(await wasmHost(notice))
  }
}

/** One line without the folders of this machine: the text goes into results. */
function whyNot(error: unknown): string {
  const { code, message }: NodeJS.ErrnoException = error instanceof Error ? error : new Error(String(error))
  if (code === 'ERR_MODULE_NOT_FOUND' && message.includes("'onnxruntime-node'")) return 'it is not installed'
  return printable(message.split('\n', 1)[0]!.replace(/(?:[A-Za-z]:)?[\\/][^\s'":]*[\\/]/g, ''))
}

async function nativeHost(): Promise<OrtHost> {
  const module = await import('onnxruntime-node')
  silence(module)
  return {
    module,
    kind: 'native',
    version: module.env.versions.node ?? module.env.versions.common,
    providers: module.listSupportedBackends().flatMap(backend => (backend.bundled ? [backend.name] : [])),
    // Windows does not let a file go that is mapped into memory.
    open: (source, use) =>
      'graph' in source && process.platform !== 'win32'
        ? asFile(source, use)
        : use('path' in source ? source.path : inMemory(source)),
    capture,
  }
}

async function wasmHost(notice?: string): Promise<OrtHost> {
  const module = await import('onnxruntime-web')
  silence(module)
  module.env.wasm.numThreads = 1
  return {
    module,
    kind: 'wasm',
    version: module.env.versions.web ?? module.env.versions.common,
    ...(notice !== undefined && { notice }),
    providers: ['cpu'],
    open: async (source, use) => ('path' in source ? use(...(await readForWasm(source.path))) : use(inMemory(source))),
  }
}

/** WebAssembly has no file system: external data is read here, after the checks of `readModelFile`, and passed along. */
async function readForWasm(path: string): Promise<[Uint8Array, InferenceSession.SessionOptions?]> {
  const file = await readFile(path)
  const model = new Uint8Array(file.buffer, file.byteOffset, file.byteLength)
  if (!file.includes('location')) return [model] // the key of every external tensor
  const { readModelFile } = await import('./files.js')
  const { dataFiles } = await readModelFile(path)
  const read = async (name: string) => ({ path: name, data: new Uint8Array(await readFile(join(dirname(path), name))) })
  return [model, { externalData: await Promise.all(dataFiles.map(read)) }]
}
