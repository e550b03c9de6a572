/**
 * Model files: reading with everything checked that a path can hide, writing so that no half file is ever seen.
 * External data is contained by resolved path: a link may point anywhere below the model's folder and nowhere else.
 */
import { createHash } from 'node:crypto'
import {
  closeSync,
  constants,
  createReadStream,
  existsSync,
  fstatSync,
  fsyncSync,
  openSync,
  readSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs'
import { basename, dirname, join, relative, sep } from 'node:path'
import { RobustlyError } from '../errors.js'
import {
  checkLocation,
  decodeModel,
  type EncodeOptions,
  type ExternalReader,
  encodeExternal,
  encodeModel,
  fitsOneMessage,
  largeTensor,
  looksLike,
  type Model,
} from '../onnx/codec/index.js'
import type { Graph } from '../onnx/graph.js'
import { printable } from '../printable.js'
import { holdFile, type ReadPart, readExactly, reasonOf, writeAll } from './file-parts.js'

export interface ModelFile extends Model {
  /** Name only, for reports. */
  readonly file: string
  readonly path: string
  /** Of the .onnx file, followed by its external data files in the order of their names. */
  readonly sha256: string
  /** Relative paths of the external data files, sorted. */
  readonly dataFiles: readonly string[]
}

export interface ReadOptions {
  /** Accepts data files that have further hard links, which may be any file of the disk under another name. */
  readonly allowHardlinks?: boolean
}

const messageLimit = 2 ** 31 - 1

/**
 * Reads a model file. Large tensors, and those in external data, are read from disk when they are loaded, never all at
 * once; the file must not be changed meanwhile.
 * Throws RobustlyError: `model-unreadable`, `model-invalid`, `model-unsafe` or `model-unsupported`; see `decodeModel`.
 */
export async function readModelFile(path: string, options: ReadOptions = {}): Promise<ModelFile> {
  const file = printable(basename(path))
  const { bytes, reread } = readWhole(path, file)
  const external = externalFiles(dirname(path), options)
  try {
    const model = decodeModel(bytes, { external, reread })
    const dataFiles = [...external.files.keys()].sort()
    const sha256 = await hashOf(
      bytes,
      dataFiles.map(name => external.files.get(name)!),
    )
    return { ...model, file, path, sha256, dataFiles }
  } catch (error) {
    if (!(error instanceof RobustlyError)) throw error
    const hint = error.hint === undefined ? {} : { hint: error.hint }
    throw new RobustlyError(error.code, `${file}: ${error.message}`, { ...hint, cause: error })
  }
}

/**
 * Writes a model, with its weights in `PATH.data` beside it when they do not fit one message (2 GB). Both appear complete
 * or not at all. Throws `output-unwritable`.
 */
export async function writeModelFile(
  graph: Graph,
  path: string,
  options: EncodeOptions & { readonly external?: boolean } = {},
): Promise<void> {
  const suffix = `.${process.pid}.partial`
  const data = `${path}.data`
  const external = options.external ?? !fitsOneMessage(graph)
  try {
    if (existsSync(path) && statSync(path).isDirectory()) throw new Error('it is a directory')
    const bytes = external ? writeData(graph, data, suffix, options) : encodeModel(graph, options)
    writeAndSync(path + suffix, fd => writeAll(fd, bytes))
    // The data first: a model never points at data that is not there yet.
    if (external) renameSync(data + suffix, data)
    renameSync(path + suffix, path)
  } catch (cause) {
    for (const name of [path + suffix, data + suffix]) rmSync(name, { force: true })
    if (cause instanceof RobustlyError) throw cause
    throw new RobustlyError('output-unwritable', `${printable(path)} cannot be written: ${reasonOf(cause)}`, {
      hint: 'choose another place with -o, or make room',
      cause,
    })
  }
}

function readWhole(path: string, file: string): { readonly bytes: Uint8Array; readonly reread: ReadPart | undefined } {
  const fail = (reason: string, hint?: string, cause?: unknown) =>
    new RobustlyError('model-unreadable', `${printable(path)}: ${reason}`, {
      ...(hint !== undefined && { hint }),
      cause,
    })
  let fd: number
  try {
    const stat = statSync(path)
    if (stat.isDirectory()) {
      if (existsSync(join(path, 'saved_model.pb'))) {
        throw fail('a TensorFlow SavedModel, not an ONNX file', 'convert it: python -m tf2onnx.convert --saved-model …')
      }
      throw fail('a directory, not an ONNX file', 'give the path of the .onnx file itself')
    }
    if (!stat.isFile()) throw fail('not a regular file')
    // Without O_NONBLOCK, a pipe put in place of the file in between would block for ever.
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch (cause) {
    if (cause instanceof RobustlyError) throw cause
    throw fail(reasonOf(cause), undefined, cause)
  }
  const unreadable = (cause: unknown) => fail(`${file} cannot be read: ${reasonOf(cause)}`, undefined, cause)
  try {
    const stat = fstatSync(fd)
    if (!stat.isFile()) throw fail('not a regular file')
    if (stat.size > messageLimit) throw tooLarge(fd, stat.size, fail)
    const bytes = readExactly(fd, 0, stat.size)
    if (stat.size < largeTensor) {
      closeSync(fd)
      return { bytes, reread: undefined }
    }
    const part = holdFile(fd)
    return { bytes, reread: (offset, length) => orThrow(() => part(offset, length), unreadable) }
  } catch (cause) {
    closeSync(fd)
    throw cause instanceof RobustlyError ? cause : unreadable(cause)
  }
}

function tooLarge(fd: number, size: number, fail: (reason: string, hint?: string) => RobustlyError): RobustlyError {
  const head = new Uint8Array(4096)
  const kind = looksLike(head.subarray(0, readSync(fd, head, 0, head.length, 0)))
  if (kind !== undefined) return fail(`not an ONNX file (looks like ${kind})`)
  return fail(
    `one protobuf message of ${size} bytes; ONNX Runtime reads up to 2 GB`,
    'convert it to external data: onnx.save_model(model, path, save_as_external_data=True)',
  )
}

export interface ExternalFiles extends ExternalReader {
  /** Resolved path of every file that was asked for, by location. */
  readonly files: ReadonlyMap<string, string>
}

/** Reads external data below `folder`, and nothing else. */
export function externalFiles(folder: string, { allowHardlinks = false }: ReadOptions): ExternalFiles {
  const files = new Map<string, string>()
  const opened = <T>(location: string, offset: number, length: number, use: (fd: number) => T): T => {
    checkLocation(location, '')
    const path = contained(folder, location)
    // The resolved path holds no link, so O_NOFOLLOW refuses one that was put there in between.
    const fd = attempt(location, () => openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK))
    try {
      const stat = fstatSync(fd)
      if (!stat.isFile()) throw unsafe(location, 'it is not a regular file')
      if (stat.nlink > 1 && !allowHardlinks) {
        throw unsafe(location, 'it has several hard links', 'copy the file, or allow it with --allow-hardlinks')
      }
      if (offset + length > stat.size) {
        throw new RobustlyError(
          'model-invalid',
          `external data "${printable(location)}" holds ${stat.size} bytes, but bytes ${offset} to ${offset + length} are wanted`,
          { hint: 'the data file is cut off or belongs to another model: export or download it again' },
        )
      }
      files.set(location, path)
      return use(fd)
    } finally {
      closeSync(fd)
    }
  }
  return {
    files,
    check: (location, offset, length) => opened(location, offset, length, () => undefined),
    read: (location, offset, length) =>
      opened(location, offset, length, fd => attempt(location, () => readExactly(fd, offset, length))),
  }
}

/** The real path of a location, which must lie below the real folder of the model. */
function contained(folder: string, location: string): string {
  const root = attempt(location, () => realpathSync(folder))
  const path = attempt(location, () => realpathSync(join(root, location)))
  const inside = relative(root, path)
  if (inside === '' || inside === '..' || inside.startsWith(`..${sep}`) || inside.startsWith(sep)) {
    throw unsafe(location, 'it leads out of the folder of the model')
  }
  return path
}

function attempt<T>(location: string, action: () => T): T {
  return orThrow(
    action,
    cause =>
      new RobustlyError('model-unreadable', `external data "${printable(location)}": ${reasonOf(cause)}`, {
        hint: 'put the data files of the model beside it, under the names it was saved with',
        cause,
      }),
  )
}

function orThrow<T>(action: () => T, errorOf: (cause: unknown) => RobustlyError): T {
  try {
    return action()
  } catch (cause) {
    throw errorOf(cause)
  }
}

function unsafe(location: string, reason: string, hint?: string): RobustlyError {
  return new RobustlyError('model-unsafe', `external data "${printable(location)}" is refused: ${reason}`, {
    hint: hint ?? 'external data must lie in the folder of the model file or below it',
  })
}

async function hashOf(bytes: Uint8Array, paths: readonly string[]): Promise<string> {
  const hash = createHash('sha256').update(bytes)
  for (const path of paths) {
    try {
      for await (const chunk of createReadStream(path, { highWaterMark: 2 ** 22 })) hash.update(chunk as Buffer)
    } catch (cause) {
      throw new RobustlyError('model-unreadable', `${printable(basename(path))}: ${reasonOf(cause)}`, { cause })
    }
  }
  return hash.digest('hex')
}

function writeData(graph: Graph, data: string, suffix: string, options: EncodeOptions): Uint8Array {
  let bytes: Uint8Array | undefined
  writeAndSync(data + suffix, fd => {
    bytes = encodeExternal(graph, { location: basename(data), write: chunk => writeAll(fd, chunk) }, options)
  })
  return bytes!
}

/** The bytes are on the disk before the file gets its name, so a power cut leaves the old file or the new one. */
function writeAndSync(path: string, write: (fd: number) => void): void {
  const fd = openSync(path, 'w')
  try {
    write(fd)
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}
