/** `.csv` and `.tsv`: one sample a row. A first row without numbers where the others have them is the header. */

import { createReadStream } from 'node:fs'
import { resolve } from 'node:path'
import { CsvError, parse } from 'csv-parse'
import { RobustlyError } from '../errors.js'
import { printable } from '../printable.js'
import type { Format } from './candidate.js'
import type { Dataset, ReaderOptions } from './dataset.js'
import { openSource, unreadable } from './source.js'
import { addCell, type Column, newColumn, tableDataset, tableSayable } from './table.js'

export const csv: Format = {
  name: 'csv',
  description: '.csv, .tsv (one sample a row, labels in a column)',
  matches: ({ type, name }) => type === 'file' && /\.(csv|tsv)$/i.test(name),
  sayable: tableSayable,
  open: openCsv,
}

const longestRow = 16 * 2 ** 20

async function openCsv(path: string, options: ReaderOptions): Promise<Dataset> {
  const source = await openSource(path)
  await source.close()
  const { name } = source
  const { columns, classNames } = await readColumns(path, name, options)
  return await tableDataset({ name, path: resolve(path), columns, classNames }, options)
}

interface Read {
  readonly columns: readonly Column[]
  readonly classNames: readonly string[] | undefined
}

async function readColumns(path: string, name: string, { limits }: ReaderOptions): Promise<Read> {
  const stream = createReadStream(path)
  const parser = parse({
    bom: true,
    delimiter: /\.tsv$/i.test(path) ? '\t' : [',', ';'],
    trim: true,
    skip_empty_lines: true,
    relax_column_count: true,
    max_record_size: longestRow,
  })
  stream.on('error', error => parser.destroy(error))
  let first: string[] | undefined
  let columns: Column[] | undefined
  let classNames: readonly string[] | undefined
  let cells = 0
  let line = 0
  try {
    for await (const each of stream.pipe(parser)) {
      const row = each as string[]
      line++
      if (first === undefined) {
        first = row
        continue
      }
      if (columns === undefined) {
        classNames = countsLine(first, row)
        const header = classNames !== undefined || isHeader(first, row)
        columns = row.map((_, at) => newColumn(header && classNames === undefined ? (first![at] ?? '') : String(at)))
        if (header && classNames === undefined) checkNames(first, name)
        if (classNames === undefined && first.length !== row.length) throw uneven(name, line, row.length, first.length)
        if (!header) {
          cells += columns.length
          addRow(columns, first, 1, name)
        }
      }
      cells += columns.length
      if (cells > limits.tableCells) throw tooLarge(name, limits.tableCells)
      addRow(columns, row, line, name)
    }
  } catch (error) {
    throw error instanceof CsvError
      ? new RobustlyError('data-invalid', `${name}: ${printable(error.message, 200)}`, { cause: error })
      : unreadable(path, error)
  } finally {
    stream.destroy()
  }
  if (columns === undefined) throw new RobustlyError('data-invalid', `${name} holds no two rows`)
  return { columns, classNames }
}

export function tooLarge(name: string, cells: number): RobustlyError {
  return new RobustlyError('data-unsupported', `${name} has more than ${cells} cells`, {
    hint: 'save it as .npz, which is read in parts',
  })
}

function addRow(columns: readonly Column[], row: readonly string[], line: number, name: string): void {
  if (row.length !== columns.length) throw uneven(name, line, row.length, columns.length)
  columns.forEach((column, at) => {
    addCell(column, unquoted(row[at]!))
  })
}

/** Some tables quote with ' what is a number. */
function unquoted(cell: string): string {
  return /^'[^']*'$/.test(cell) ? cell.slice(1, -1) : cell
}

function uneven(name: string, line: number, there: number, expected: number): RobustlyError {
  return new RobustlyError(
    'data-invalid',
    `row ${line} of ${name} (counting from 1) has ${there} cells, expected ${expected}`,
  )
}

const isNumber = (cell: string | undefined) => cell !== undefined && /^[+-]?(\d|\.\d)/.test(cell)

/** No number in the first row, and in the second a number in some place. */
function isHeader(first: readonly string[], second: readonly string[]): boolean {
  return !first.some(isNumber) && second.some(isNumber)
}

/** The first line of scikit-learn's own tables: rows, columns, then the names of the classes. */
function countsLine(first: readonly string[], second: readonly string[]): readonly string[] | undefined {
  const [rows, features, ...names] = first
  const is = first.length !== second.length && /^\d+$/.test(rows!) && Number(features) === second.length - 1
  return is ? names : undefined
}

function checkNames(names: readonly string[], table: string): void {
  const twice = names.find((each, at) => names.indexOf(each) < at)
  if (twice !== undefined)
    throw new RobustlyError('data-invalid', `${table} has two columns named "${printable(twice, 60)}"`)
}
