/** A table of data with sortable columns; a long one scrolls inside itself. */
import type { ComponentChildren } from 'preact'
import { useState } from 'preact/hooks'
import { Scroller } from './scroller.js'

export interface DataColumn<Row> {
  readonly title: string
  readonly cell: (row: Row) => ComponentChildren
  readonly numeric?: boolean
  /** What rows are ordered by when the reader asks for this column; without it the column does not sort. */
  readonly order?: (row: Row) => number | string
}

interface DataTableProps<Row> {
  /** Read out by screen readers; the heading above the table says the same to the eye. */
  readonly caption: string
  readonly columns: readonly DataColumn<Row>[]
  readonly rows: readonly Row[]
}

/** More rows than this scroll. */
const shortTable = 16

export function DataTable<Row>({ caption, columns, rows }: DataTableProps<Row>) {
  const [sorting, setSorting] = useState<{ at: number; down: boolean } | null>(null)
  const sorted = sorting === null ? rows : ordered(rows, columns[sorting.at]!, sorting.down)
  const sortBy = (at: number) => setSorting({ at, down: sorting?.at === at ? !sorting.down : false })
  const direction = (at: number) => (sorting?.at === at ? (sorting.down ? 'descending' : 'ascending') : 'none')
  return (
    <Scroller label={caption} tall={rows.length > shortTable}>
      <table>
        <caption class="hidden">{caption}</caption>
        <thead>
          <tr>
            {columns.map(({ title, numeric, order }, at) => (
              <th
                key={title}
                scope="col"
                class={numeric ? 'numeric' : ''}
                aria-sort={order === undefined ? undefined : direction(at)}
              >
                {order === undefined ? (
                  title
                ) : (
                  <button type="button" onClick={() => sortBy(at)}>
                    {title}
                  </button>
                )}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {sorted.map((row, line) => (
            <tr key={line}>
              {columns.map(({ title, cell, numeric }, at) =>
                at === 0 ? (
                  <th key={title} scope="row">
                    {cell(row)}
                  </th>
                ) : (
                  <td key={title} class={numeric ? 'numeric' : ''}>
                    {cell(row)}
                  </td>
                ),
              )}
            </tr>
          ))}
        </tbody>
      </table>
    </Scroller>
  )
}

function ordered<Row>(rows: readonly Row[], { order }: DataColumn<Row>, down: boolean): Row[] {
  const sign = down ? -1 : 1
  const key = order ?? (() => 0)
  return [...rows].sort((a, b) => (key(a) < key(b) ? -sign : key(a) > key(b) ? sign : 0))
}
