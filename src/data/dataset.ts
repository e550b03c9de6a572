/**
 * A data set is a count, a shape and a way to read a range of samples. Nothing but the range asked for is held in
 * memory, so an evaluation of 10,000 samples needs no more than one of 1,000.
 */

import type { BoundInputs } from '../model/data-space.js'
import type { Shape } from '../tensor/tensor.js'
import { describeCandidate, noFormat } from './candidate.js'
import { formats } from './index.js'
import { relabelled } from './relabel.js'
import { type Binding, hashOf, parseSaid, type Relabelling, type TableOptions } from './said.js'

export { checkLabels } from './checks.js'

export interface Samples {
  /**
   * Row-major `[end - start, ...sampleShape]`. Integer pixels are divided by their largest value in float64 and
   * rounded to float32, so images lie in [0, 1]; floating-point values are as stored. Always finite.
   */
  readonly inputs: Float32Array
  /** One label for each sample, at least 0. Whether they fit the model is the caller's `checkLabels`. */
  readonly labels: Int32Array
  /** Of data with `bound`: for each sample the values of these inputs, one after the other. */
  readonly bound?: Float32Array | undefined
}

export interface Dataset {
  /** File or folder name only, without control characters; never the whole path. */
  readonly name: string
  /** Number of samples, at least 1. */
  readonly count: number
  /** Shape of one sample as it is stored, for instance [1, 28, 28]. */
  readonly sampleShape: Shape
  readonly kind: 'image' | 'features'
  /** Where the channels of a stored image are; undefined for features. */
  readonly layout: 'CHW' | 'HWC' | undefined
  /** Name of each class by its label, where the data have names. */
  readonly classNames: readonly string[] | undefined
  /** Name of each feature of a sample, where the data have names. */
  readonly featureNames?: readonly string[] | undefined
  /** What columns or arrays give to inputs of the model that are not attacked; absent: nothing. */
  readonly bound?: BoundInputs | undefined
  /** Library and version that turned compressed pictures into pixels, when the result can depend on it (JPEG, WebP). */
  readonly decoder: string | undefined
  /**
   * Lowercase hex SHA-256 of what is read: of the file itself when it is a single file; otherwise of the lines
   * `<sha256 of the file>  <relative name>\n` in the order of the names, which is what `sha256sum` prints. Of data with
   * options, of the line `<that hash>  <options>\n`.
   */
  hash(): Promise<string>
  /** Samples `start` (inclusive) to `end` (exclusive). Concurrent reads are allowed. */
  read(start: number, end: number): Promise<Samples>
  /** Gives back file handles and temporary files. A second call does nothing. */
  close(): Promise<void>
}

/** What a file may cost before it is refused. */
export interface Limits {
  /** Pixels of one picture. */
  readonly pixels: number
  /** Bytes of one compressed picture. */
  readonly pictureBytes: number
  /** Bytes that one compressed array may inflate to, in a temporary file. */
  readonly inflatedBytes: number
  /** Bytes an array in Fortran order may have: such an array is held in memory. */
  readonly fortranBytes: number
  /** Entries of a zip archive. */
  readonly entries: number
  /** Files below an image folder. */
  readonly files: number
  /** Cells of a table, which is held in memory. */
  readonly tableCells: number
}

export const defaultLimits: Limits = {
  pixels: 64_000_000,
  pictureBytes: 256 * 2 ** 20,
  inflatedBytes: 8 * 2 ** 30,
  fortranBytes: 2 ** 30,
  entries: 10_000,
  files: 1_000_000,
  tableCells: 2 ** 27,
}

export interface OpenOptions {
  /** Which part to read where there are two; default: test. `PATH:train` and `PATH:test` say the same. */
  readonly split?: 'train' | 'test'
  /** Overrides what the shape and the element type suggest (`.npy`, `.npz`). */
  readonly kind?: 'image' | 'features'
  /** Overrides what the shape suggests (`.npy`, `.npz`). */
  readonly layout?: 'CHW' | 'HWC'
  /** Names of the arrays in an `.npz`. */
  readonly keys?: { readonly inputs?: string; readonly labels?: string }
  /** Labels file of an `.npy`; default: the file beside it with `x` replaced by `y`, or `images` by `labels`. */
  readonly labels?: string
  /** Record layout of a `.bin` file, for the rare size that fits both. */
  readonly cifar?: 'cifar10' | 'cifar100' | 'cifar100-coarse'
  /** Look at the header of every picture of a folder on opening (default true); worker processes skip it. */
  readonly verify?: boolean
  /** Which columns of a table (`.csv`, `.parquet`) are what. `PATH:label=NAME,…` says the same. */
  readonly table?: TableOptions
  /** Columns of a table, or arrays of an `.npz`, for inputs of the model that are not attacked: `PATH:bind=INPUT=NAME,…`. */
  readonly bind?: readonly Binding[]
  /** `PATH:relabel=-1`, `PATH:relabel=2:0:1`. */
  readonly relabel?: Relabelling
  readonly limits?: Partial<Limits>
}

/** Options with the defaults filled in: what readers get. */
export type ReaderOptions = Omit<OpenOptions, 'limits'> & { readonly limits: Limits }

/**
 * Opens a data set of any format in the table of `index.ts`.
 * Throws `data-unreadable` (missing, no permission), `data-invalid` (contradicts itself), `data-unsafe` (refused for
 * what it might do) or `data-unsupported`.
 */
export async function openDataset(path: string, options: OpenOptions = {}): Promise<Dataset> {
  const candidate = await describeCandidate(path)
  const format = formats.find(each => each.matches(candidate))
  if (!format) throw noFormat(candidate, formats)
  const { sayable = { noun: 'these data', keys: [] } } = format
  const said = candidate.said === undefined ? {} : parseSaid(candidate.said, sayable)
  const all: ReaderOptions = { ...options, ...said, limits: { ...defaultLimits, ...options.limits } }
  const data = await format.open(candidate.path, all)
  const hashed = { ...data, hash: async () => hashOf(await data.hash(), all) }
  return all.relabel === undefined ? hashed : relabelled(hashed, all.relabel)
}
