/** Accuracy class by class: averages hide the class that always breaks. */
import { rate } from '../../src/evaluate/rate.js'
import { type ClassCounts, classCounts } from '../data/derive.js'
import type { Run } from '../data/report.js'
import { grouped, percent, plural } from '../data/words.js'
import { EachRun } from '../parts/runs.js'
import { intervalText, RateBar } from '../parts/share.js'
import { type DataColumn, DataTable } from '../parts/table.js'
import type { Section } from './section.js'

export const classes: Section = {
  id: 'classes',
  title: 'Class by class',
  shows: ({ runs }) => runs.some(({ records }) => records !== null),
  component: ({ report: { runs } }) => (
    <EachRun runs={runs.filter(({ records }) => records !== null)}>
      {run => <Classes run={run} compact={runs.length > 1} />}
    </EachRun>
  ),
}

/** Side by side there is no room for intervals as text: the thin lines show them. */
function Classes({ run, compact }: { readonly run: Run; readonly compact: boolean }) {
  const rows = classCounts(run.records!)
  // Of equals the one that more samples speak for.
  const [weakest] = [...rows].sort((a, b) => a.standing / a.count - b.standing / b.count || b.count - a.count)
  const columns: DataColumn<ClassCounts>[] = [
    { title: 'Class', cell: row => run.className(row.label), order: row => row.label },
    { title: 'Samples', cell: row => grouped(row.count), numeric: true, order: row => row.count },
    {
      title: 'Standard accuracy',
      cell: row => <RateBar rate={rate(row.correct, row.count)} tone="standard" />,
      order: row => row.correct / row.count,
    },
    {
      title: 'Robust accuracy',
      cell: row => <RateBar rate={rate(row.standing, row.count)} tone="robust" />,
      order: row => row.standing / row.count,
    },
    {
      title: 'Most\u00a0often taken\u00a0for',
      cell: ({ mistakenFor }) =>
        mistakenFor === null ? '–' : `${run.className(mistakenFor.label)} (${grouped(mistakenFor.count)})`,
    },
  ]
  const interval: DataColumn<ClassCounts> = {
    title: '95\u00a0% interval',
    cell: row => intervalText(rate(row.standing, row.count).interval),
    numeric: true,
  }
  if (!compact) columns.splice(-1, 0, interval)
  const summary = rows.every(({ standing }) => standing === 0)
    ? `No ${run.noun} of any class stands.`
    : `The weakest class is ${run.className(weakest!.label)}: ${percent(weakest!.standing / weakest!.count, 1)} of its ${plural(weakest!.count, run.noun)} stand.`
  return (
    <>
      <p>{summary} The thin lines are 95 % intervals.</p>
      <DataTable caption={`Accuracy by class, ${run.name}`} columns={columns} rows={rows} />
    </>
  )
}
