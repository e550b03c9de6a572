/**
 * Models on their way to and from ONNX Runtime, in a folder of their own that nobody else can read and that is gone
 * afterwards; of a worker that is killed the process that started it removes it. Large weights go through a second file, which ONNX Runtime maps into memory: inside of a message it would
 * hold several copies of them at once.
 */
import { closeSync, existsSync, openSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { InferenceSession } from 'onnxruntime-web'
import { RobustlyError } from '../errors.js'
import { decodeModel, type ExternalReader, encodeExternal, encodeModel, largeTensor } from '../onnx/codec/index.js'
import type { GraphSource } from '../onnx/engine.js'
import { byteLength, type Graph } from '../onnx/graph.js'
import { holdFile, reasonOf, writeAll } from './file-parts.js'
import { scratchVariable } from './process.js'

const weights = 'weights'

/** Calls `use` with the path of the graph's file, or with its bytes where no tensor of it is large. */
export async function asFile<T>(source: GraphSource, use: (model: string | Uint8Array) => Promise<T>): Promise<T> {
  const { graph, functions = [] } = source
  if (!hasLarge(graph)) return use(encodeModel(graph, { functions }))
  return inScratch(async folder => {
    const path = join(folder, 'model.onnx')
    try {
      await writeFile(path, writeWeights(join(folder, weights), source))
    } catch (cause) {
      throw unwritable(cause)
    }
    return use(path)
  })
}

/** Calls `write` with the options that make a session write its model down, and reads what it wrote. */
export function capture(
  { graph }: GraphSource,
  write: (options: InferenceSession.SessionOptions) => Promise<void>,
): Promise<Graph> {
  return inScratch(async folder => {
    const path = join(folder, 'model.onnx')
    await write({ optimizedModelFilePath: path, ...(hasLarge(graph) && { extra: { session: apart } }) })
    const external = existsSync(join(folder, weights)) ? readerOf(join(folder, weights)) : undefined
    return decodeModel(new Uint8Array(await readFile(path)), { external }).graph
  })
}

/** ONNX Runtime's settings for large weights in a file beside the model, and for a session that never runs. */
const apart = {
  disable_prepacking: '1',
  optimized_model_external_initializers_file_name: weights,
  optimized_model_external_initializers_min_size_in_bytes: String(largeTensor),
}

function hasLarge(graph: Graph): boolean {
  return [...graph.initializers.values()].some(constant => byteLength(constant) >= largeTensor)
}

/** The bytes of the model, whose large weights go to the file. */
function writeWeights(path: string, { graph, functions = [] }: GraphSource): Uint8Array {
  const fd = openSync(path, 'wx')
  try {
    const write = (bytes: Uint8Array) => writeAll(fd, bytes)
    return encodeExternal(graph, { location: weights, write }, { functions, threshold: largeTensor })
  } finally {
    closeSync(fd)
  }
}

/** ONNX Runtime itself wrote the file: there is nothing in it to check. */
function readerOf(path: string): ExternalReader {
  const read = holdFile(openSync(path, 'r'))
  return { check: () => {}, read: (_location, offset, length) => read(offset, length) }
}

async function inScratch<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const prefix = process.env[scratchVariable] ?? join(tmpdir(), 'robustly-engine-')
  const folder = await mkdtemp(prefix).catch((cause: unknown) => {
    throw unwritable(cause)
  })
  try {
    return await use(folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function unwritable(cause: unknown): RobustlyError {
  if (cause instanceof RobustlyError) return cause // of a tensor that could not be loaded
  return new RobustlyError('output-unwritable', `the folder for temporary files cannot be used: ${reasonOf(cause)}`, {
    hint: 'Models pass through it on their way to ONNX Runtime: make room there, or name another one in TMPDIR.',
    cause,
  })
}
