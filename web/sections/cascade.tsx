/** What each attack did: how many it tried, broke and left, and what that cost. */
import type { Run } from '../data/report.js'
import { duration, grouped, percent, plural, short } from '../data/words.js'
import { EachRun } from '../parts/runs.js'
import { type DataColumn, DataTable } from '../parts/table.js'
import type { Section } from './section.js'

type Row = Run['result']['attacks'][number]

export const cascade: Section = {
  id: 'attacks',
  title: 'Attacks',
  shows: ({ runs }) => runs.some(({ result }) => result.attacks.length > 0),
  component: ({ report: { runs } }) => (
    <>
      <p>
        {[...new Set(runs.map(({ result }) => modes[result.mode]))].join(' ')} Queries are rows that the model
        evaluated; time is that of all worker processes together.
      </p>
      <EachRun runs={runs}>{run => <Cascade run={run} />}</EachRun>
    </>
  ),
}

const modes = {
  cascade: 'Each attack tries what the ones before it left standing.',
  individual: 'Every attack tries every sample that the model classifies correctly.',
} as const

function Cascade({ run }: { readonly run: Run }) {
  const { attacks, data, surrogates } = run.result
  const columns: DataColumn<Row>[] = [
    { title: 'Attack', cell: ({ name }) => name },
    { title: 'Left standing', cell: row => <Bar row={row} count={data.count} /> },
    { title: 'Attempted', cell: ({ attempted }) => grouped(attempted), numeric: true },
    { title: 'Broken', cell: ({ broken }) => grouped(broken), numeric: true },
    ...(attacks.some(({ failed }) => failed > 0)
      ? [{ title: 'No verdict', cell: ({ failed }: Row) => grouped(failed), numeric: true }]
      : []),
    { title: 'Left', cell: ({ robustAfter }) => grouped(robustAfter), numeric: true },
    { title: 'Queries', cell: ({ queries }) => short(queries.forward + queries.gradient), numeric: true },
    { title: 'Gradients', cell: ({ queries }) => short(queries.gradient), numeric: true },
    ...(surrogates === undefined
      ? []
      : [
          {
            title: 'Surrogates fooled',
            cell: ({ transfer }: Row) => (transfer === undefined ? '–' : grouped(transfer.fooledSurrogate)),
            numeric: true,
          },
        ]),
    { title: 'Time', cell: ({ seconds }) => duration(seconds), numeric: true },
  ]
  return <DataTable caption={`Attacks, ${run.name}`} columns={columns} rows={attacks} />
}

/** Of all samples: tried and left, tried and broken; the rest was not tried. */
function Bar({ row, count }: { readonly row: Row; readonly count: number }) {
  const { robustAfter, broken, attempted } = row
  return (
    <span class="attempt" title={`${percent(robustAfter / count, 1)} of ${plural(count, 'sample')}`}>
      <span class="standing" style={{ width: `${(100 * robustAfter) / count}%` }} aria-hidden="true" />
      <span class="broken" style={{ width: `${(100 * broken) / count}%` }} aria-hidden="true" />
      <span class="hidden">
        {percent(robustAfter / count, 1)} of all left, {percent(attempted === 0 ? 0 : broken / attempted, 1)} of the
        attempted broken
      </span>
    </span>
  )
}
