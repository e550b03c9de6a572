/** `.parquet`: flat columns of numbers, truth values and texts, uncompressed or in snappy. */

import { resolve } from 'node:path'
import { type AsyncBuffer, type FileMetaData, parquetMetadataAsync, parquetRead, snappyUncompress } from 'hyparquet'
import { RobustlyError } from '../errors.js'
import { printable } from '../printable.js'
import type { Format } from './candidate.js'
import { tooLarge } from './csv.js'
import type { Dataset, ReaderOptions } from './dataset.js'
import { openSource, reason, type Source } from './source.js'
import { addCell, type Column, newColumn, tableDataset, tableSayable } from './table.js'

export const parquet: Format = {
  name: 'parquet',
  description: '.parquet (one sample a row, labels in a column)',
  matches: ({ type, name, head }) => type === 'file' && (/\.parquet$/i.test(name) || isParquet(head)),
  sayable: tableSayable,
  open: openParquet,
}

function isParquet(head: Uint8Array): boolean {
  return String.fromCharCode(...head.subarray(0, 4)) === 'PAR1'
}

async function openParquet(path: string, options: ReaderOptions): Promise<Dataset> {
  const source = await openSource(path)
  const { name } = source
  try {
    const columns = await readColumns(source, options)
    return await tableDataset({ name, path: resolve(path), columns }, options)
  } catch (error) {
    if (error instanceof RobustlyError) throw error
    throw new RobustlyError('data-invalid', `${name} is no parquet file that can be read: ${reason(error)}`, {
      cause: error,
    })
  } finally {
    await source.close()
  }
}

type Part = ArrayLike<unknown>

async function readColumns(source: Source, { limits }: ReaderOptions): Promise<Column[]> {
  const file = bufferOf(source)
  const metadata = await parquetMetadataAsync(file)
  const columns = columnsOf(metadata, source.name, limits)
  // What a page says of its own size is checked before it is believed.
  const compressors = {
    SNAPPY(input: Uint8Array, length: number): Uint8Array {
      if (!(length >= 0 && length <= Math.min(limits.fortranBytes, 256 * (input.length + 64))))
        throw new RobustlyError('data-invalid', `a page of ${source.name} says that it has ${length} bytes`)
      const output = new Uint8Array(length)
      snappyUncompress(input, output)
      return output
    },
  }
  const rows = Number(metadata.num_rows)
  // One chunk at a time: of several that fail at once, and of what a listener throws, hyparquet leaves rejections unhandled.
  for (const column of columns) {
    let rowStart = 0
    for (const group of metadata.row_groups) {
      const rowEnd = rowStart + Number(group.num_rows)
      const parts: Part[] = []
      const onChunk = ({ columnData }: { columnData: Part }) => parts.push(columnData)
      await parquetRead({ file, metadata, compressors, columns: [column.name], rowStart, rowEnd, onChunk })
      for (const part of parts)
        for (let at = 0; at < part.length && column.count < rows; at++) addCell(column, part[at])
      rowStart = rowEnd
    }
  }
  const short = columns.find(({ count }) => count !== rows)
  if (short === undefined) return columns
  throw new RobustlyError(
    'data-invalid',
    `column ${printable(short.name, 60)} of ${source.name} has ${short.count} rows, expected ${rows}`,
  )
}

/** Bytes by position, never more than there are. */
function bufferOf(source: Source): AsyncBuffer {
  return {
    byteLength: source.size,
    async slice(start, end = source.size) {
      const [from, to] = [start < 0 ? source.size + start : start, end]
      if (!(Number.isSafeInteger(from) && Number.isSafeInteger(to) && from >= 0 && from <= to && to <= source.size))
        throw new RobustlyError(
          'data-invalid',
          `${source.name} points to bytes ${from} to ${to} and has ${source.size}`,
        )
      return (await source.read(from, to - from)).buffer
    },
  }
}

const codecs: ReadonlySet<string> = new Set(['UNCOMPRESSED', 'SNAPPY'])

/** The columns, empty. Throws for what cannot be read, before it is read. */
function columnsOf(
  { schema, num_rows, row_groups }: FileMetaData,
  name: string,
  limits: ReaderOptions['limits'],
): Column[] {
  const [, ...elements] = schema
  const nested = elements.find(({ num_children, repetition_type }) => num_children || repetition_type === 'REPEATED')
  if (nested !== undefined)
    throw new RobustlyError(
      'data-unsupported',
      `column ${printable(nested.name, 60)} of ${name} is nested; flat columns are read`,
    )
  if (elements.length === 0) throw new RobustlyError('data-invalid', `${name} has no columns`)
  if (num_rows * BigInt(elements.length) > BigInt(limits.tableCells)) throw tooLarge(name, limits.tableCells)
  const chunks = row_groups.flatMap(({ columns }) => columns.flatMap(({ meta_data }) => meta_data ?? []))
  const foreign = chunks.find(({ codec }) => !codecs.has(codec))
  if (foreign !== undefined)
    throw new RobustlyError('data-unsupported', `${name} is compressed with ${printable(String(foreign.codec), 20)}`, {
      hint: "save it with compression='snappy'",
    })
  const bytes = chunks.reduce((sum, { total_uncompressed_size }) => sum + Number(total_uncompressed_size), 0)
  if (!(bytes >= 0 && bytes <= limits.inflatedBytes))
    throw new RobustlyError(
      'data-unsafe',
      `${name} says that it has ${bytes} bytes uncompressed, up to ${limits.inflatedBytes} are read`,
    )
  return elements.map(element => newColumn(element.name))
}
