/**
 * Tables: columns of numbers and of texts, gathered row by row, made into samples of features. One column holds the labels; columns of
 * texts are refused by name unless an encoding is asked for.
 */

import { createHash } from 'node:crypto'
import { RobustlyError } from '../errors.js'
import { printable } from '../printable.js'
import { type BoundPart, boundTo } from './bound.js'
import { checkCounts, checkRange } from './checks.js'
import type { Dataset, ReaderOptions } from './dataset.js'
import { hashFiles } from './hash.js'
import type { Sayable, TableOptions } from './said.js'

/** A column that grows. */
export interface Column {
  readonly name: string
  /** Number of a text: as long as there is none, all are numbers. */
  texts: Map<string, number> | undefined
  /** Numbers, or the numbers of texts. */
  values: Float64Array
  count: number
  /** First row without a number, for messages. */
  firstText: { readonly row: number; readonly text: string } | undefined
}

/** What can be said behind the path of a table. */
export const tableSayable: Sayable = { noun: 'a table', keys: ['label', 'drop', 'encode', 'bind'] }

const mostCategories = 1000

export function newColumn(name: string): Column {
  return { name, texts: undefined, values: new Float64Array(64), count: 0, firstText: undefined }
}

/** Adds a cell. Throws `data-unsupported` for what is neither a number, a truth value nor a text. */
export function addCell(column: Column, cell: unknown): void {
  if (column.count === column.values.length) {
    const grown = new Float64Array(2 * column.count)
    grown.set(column.values)
    column.values = grown
  }
  const number = numberIn(cell)
  if (number !== undefined && column.texts === undefined) {
    column.values[column.count++] = number
    return
  }
  const text = textIn(column, cell)
  if (column.texts === undefined) {
    column.firstText = { row: column.count, text }
    const texts = new Map<string, number>()
    // What looked like numbers are texts after all.
    for (let row = 0; row < column.count; row++) column.values[row] = codeOf(texts, String(column.values[row]))
    column.texts = texts
  }
  column.values[column.count++] = codeOf(column.texts, text)
}

function numberIn(cell: unknown): number | undefined {
  if (typeof cell === 'number') return cell
  if (typeof cell === 'bigint' || typeof cell === 'boolean') return Number(cell)
  if (typeof cell !== 'string' || !/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(cell)) return undefined
  return Number(cell)
}

function textIn({ name, count }: Column, cell: unknown): string {
  if (cell === null || cell === undefined) return ''
  if (['string', 'number', 'bigint', 'boolean'].includes(typeof cell)) return String(cell)
  throw new RobustlyError(
    'data-unsupported',
    `row ${count} (counting from 0), column ${printable(name, 60)}: neither a number nor a text`,
    { hint: 'drop the column with :drop=NAME behind the path, or store numbers' },
  )
}

function codeOf(texts: Map<string, number>, text: string): number {
  const known = texts.get(text)
  if (known !== undefined) return known
  texts.set(text, texts.size)
  return texts.size - 1
}

export interface TableParts {
  readonly name: string
  readonly path: string
  readonly columns: readonly Column[]
  /** Names of the classes where the file says them. */
  readonly classNames?: readonly string[] | undefined
}

/** Throws `data-invalid` and `data-unsupported`, naming columns and rows, and `usage` for options that do not fit. */
export async function tableDataset(
  { name, path, columns, classNames }: TableParts,
  options: ReaderOptions,
): Promise<Dataset> {
  const { label, drop = [], encode } = options.table ?? {}
  const labelColumn = label === undefined ? usualLabel(columns) : columnNamed(columns, label, name)
  const dropped = new Set(drop.map(each => columnNamed(columns, each, name)))
  const bindings = new Map<string, Column[]>()
  for (const { input, column } of options.bind ?? [])
    bindings.set(input, [...(bindings.get(input) ?? []), columnNamed(columns, column, name)])
  const taken = new Set([labelColumn, ...dropped, ...[...bindings.values()].flat()])
  const used = columns.filter(column => !taken.has(column))
  if (used.length === 0) throw new RobustlyError('data-invalid', `${name} has no column of features`)
  const parts = featureParts(used, encode, name)
  const width = parts.length
  const { labels, names } = labelsOf(labelColumn, name)
  checkCounts(used[0]!.count, labels.length, name)
  const bound =
    bindings.size === 0
      ? undefined
      : await boundTo(
          Array.from(bindings, ([input, own]) => partOf(input, featureParts(own, encode, name), name)),
          labels.length,
        )
  let hash: Promise<string> | undefined
  return {
    name,
    count: labels.length,
    sampleShape: [width],
    kind: 'features',
    layout: undefined,
    classNames: classNames ?? names,
    featureNames: parts.map(part => part.name),
    bound: bound?.inputs,
    decoder: undefined,
    hash() {
      hash ??= hashFiles([{ path, name }]).then(of =>
        options.table === undefined ? of : withOptions(of, options.table),
      )
      return hash
    },
    async read(start, end) {
      checkRange(start, end, labels.length, name)
      const inputs = Float32Array.from(cells(parts, start, end))
      return { inputs, labels: labels.slice(start, end), bound: await bound?.read(start, end) }
    },
    async close() {},
  }
}

function withOptions(hash: string, { label, drop = [], encode }: TableOptions): string {
  const said = JSON.stringify([label ?? null, [...drop].sort(), encode ?? null])
  return createHash('sha256').update(`${hash}  ${said}\n`).digest('hex')
}

const labelNames = ['label', 'target', 'class', 'y']

function usualLabel(columns: readonly Column[]): Column {
  const named = columns.filter(({ name }) => labelNames.includes(name.toLowerCase()))
  return named.length === 1 ? named[0]! : columns.at(-1)!
}

function columnNamed(columns: readonly Column[], wanted: string, table: string): Column {
  const found = columns.find(({ name }) => name === wanted)
  if (found !== undefined) return found
  const names = columns.slice(0, 30).map(({ name }) => printable(name, 40))
  throw new RobustlyError('usage', `${table} has no column ${printable(wanted, 60)}; it has ${names.join(', ')}`)
}

/** One feature of the samples. */
interface Feature {
  readonly name: string
  at(row: number): number
}

/** Rows of features, one after the other. */
function cells(parts: readonly Feature[], start: number, end: number): Float64Array {
  const values = new Float64Array((end - start) * parts.length)
  for (let row = start; row < end; row++) {
    parts.forEach(({ at }, i) => {
      values[(row - start) * parts.length + i] = at(row)
    })
  }
  return values
}

function partOf(input: string, parts: readonly Feature[], table: string): BoundPart {
  const name = `${parts.map(part => printable(part.name, 40)).join(', ')} of ${table}`
  return { input, shape: [parts.length], name, whole: true, read: async (start, end) => cells(parts, start, end) }
}

function featureParts(columns: readonly Column[], encode: TableOptions['encode'], table: string): Feature[] {
  const texts = columns.filter(column => column.texts !== undefined)
  if (texts.length > 0 && encode === undefined) throw withoutEncoding(texts, table)
  return columns.flatMap(column => {
    const { name, values } = column
    const isMissing = values.subarray(0, column.count).findIndex(value => !Number.isFinite(value))
    if (isMissing >= 0)
      throw new RobustlyError(
        'data-invalid',
        `row ${isMissing} (counting from 0) of ${table}, column ${printable(name, 60)}, is ${values[isMissing]}; all must be finite`,
        { hint: 'leave this row out, or fill the value in' },
      )
    if (column.texts === undefined) return [{ name, at: (row: number) => values[row]! }]
    if (column.texts.size > mostCategories)
      throw new RobustlyError(
        'data-unsupported',
        `column ${printable(name, 60)} of ${table} has ${column.texts.size} different texts, up to ${mostCategories} are encoded`,
        { hint: `drop it: ${table}:drop=${printable(name, 60)}` },
      )
    const { order, sorted } = inOrder(column.texts)
    if (encode === 'codes') return [{ name, at: (row: number) => order[values[row]!]! }]
    return sorted.map((text, k) => ({
      name: `${name}=${text}`,
      at: (row: number) => (order[values[row]!] === k ? 1 : 0),
    }))
  })
}

function withoutEncoding(texts: readonly Column[], table: string): RobustlyError {
  const named = texts.slice(0, 8).map(({ name, firstText }) => {
    const { row, text } = firstText!
    return `${printable(name, 40)} (row ${row}: ${text === '' ? 'empty' : `"${printable(text, 30)}"`})`
  })
  const more = texts.length > 8 ? ` and ${texts.length - 8} more` : ''
  return new RobustlyError(
    'data-unsupported',
    `${table} has columns that are not numbers: ${named.join(', ')}${more}`,
    {
      hint: `encode them as the model expects: ${table}:encode=one-hot or :encode=codes; or :drop=${printable(texts[0]!.name, 40)}`,
    },
  )
}

/** Texts in sorted order, and for each number of a text its place there. */
function inOrder(texts: ReadonlyMap<string, number>): {
  readonly sorted: readonly string[]
  readonly order: Int32Array
} {
  const numeric = [...texts.keys()].every(text => numberIn(text) !== undefined)
  const sorted = [...texts.keys()].sort((a, b) => (numeric ? Number(a) - Number(b) : a < b ? -1 : 1))
  const order = new Int32Array(texts.size)
  sorted.forEach((text, place) => {
    order[texts.get(text)!] = place
  })
  return { sorted, order }
}

/** Whole numbers from 0 on are classes as they are; of anything else each value is a class, in sorted order, as scikit-learn has it. */
function labelsOf(column: Column, table: string): { readonly labels: Int32Array; readonly names?: readonly string[] } {
  const values = column.values.subarray(0, column.count)
  if (column.texts === undefined) {
    const bad = values.findIndex(value => !Number.isFinite(value))
    if (bad >= 0)
      throw new RobustlyError('data-invalid', `row ${bad} (counting from 0) of ${table} has the label ${values[bad]}`)
    if (values.every(value => Number.isInteger(value) && value >= 0 && value <= 0x7fffffff))
      return { labels: Int32Array.from(values) }
  }
  const texts = column.texts ?? new Map([...new Set(values)].map((value, at) => [String(value), at]))
  const code = column.texts === undefined ? (value: number) => texts.get(String(value))! : (value: number) => value
  if (texts.size > mostCategories)
    throw new RobustlyError(
      'data-invalid',
      `the labels of ${table}, column ${printable(column.name, 60)}, have ${texts.size} different values`,
      { hint: `name the column of the classes: ${table}:label=NAME` },
    )
  const { sorted, order } = inOrder(texts)
  return { labels: Int32Array.from(values, value => order[code(value)]!), names: sorted }
}
