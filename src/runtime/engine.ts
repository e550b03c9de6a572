/**
 * Picks the engine in Node: onnxruntime-node where it is installed and loads, else onnxruntime-web, whose WebAssembly
 * gives the same answers some six times slower. No other folder imports ONNX Runtime.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { RobustlyError } from '../errors.js'
import { printable } from '../printable.js'
import { type Engine, type EngineKind, engineOver, type OrtHost, silence } from './ort-engine.js'

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
    resolve: async source => ({ model: 'path' in source ? source.path : source.bytes }),
    capture: captureFile,
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
    resolve: source => ('path' in source ? readForWasm(source.path) : Promise.resolve({ model: source.bytes })),
  }
}

/** WebAssembly has no file system: external data is read here, after the checks of `readModelFile`, and passed along. */
async function readForWasm(path: string): ReturnType<OrtHost['resolve']> {
  const file = await readFile(path)
  const model = new Uint8Array(file.buffer, file.byteOffset, file.byteLength)
  if (!file.includes('location')) return { model } // the key of every external tensor
  const { readModelFile } = await import('./files.js')
  const { dataFiles } = await readModelFile(path)
  const read = async (name: string) => ({ path: name, data: new Uint8Array(await readFile(join(dirname(path), name))) })
  return { model, options: { externalData: await Promise.all(dataFiles.map(read)) } }
}

/** A file in a folder of its own that nobody else can read, gone afterwards whatever happens. */
async function captureFile(write: (path: string) => Promise<void>): Promise<Uint8Array> {
  const folder = await mkdtemp(join(tmpdir(), 'robustly-engine-'))
  try {
    const path = join(folder, 'model.onnx')
    await write(path)
    return new Uint8Array(await readFile(path))
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
