/** What the model says in place of the truth when it is attacked. */
import { answerUnderAttack, type Confusion, confusion } from '../data/derive.js'
import type { Run } from '../data/report.js'
import { grouped, percent } from '../data/words.js'
import { EachRun } from '../parts/runs.js'
import { Scroller } from '../parts/scroller.js'
import { DataTable } from '../parts/table.js'
import type { Section } from './section.js'

/** A matrix of more classes is unreadable: its largest entries are listed instead. */
const mostClasses = 20
const mostMistakes = 40

export const confusions: Section = {
  id: 'confusion',
  title: 'Confusion under attack',
  shows: ({ runs }) => runs.some(({ records }) => records !== null),
  component: ({ report: { runs } }) => (
    <EachRun runs={runs.filter(({ records }) => records !== null)}>{run => <OfRun run={run} />}</EachRun>
  ),
}

function OfRun({ run }: { readonly run: Run }) {
  const records = run.records!
  const matrix = confusion(records, row => answerUnderAttack(records, row))
  return matrix.labels.length <= mostClasses ? (
    <Matrix run={run} matrix={matrix} />
  ) : (
    <Mistakes run={run} matrix={matrix} />
  )
}

function Matrix({
  run,
  matrix: { labels, counts, largestMistake },
}: {
  readonly run: Run
  readonly matrix: Confusion
}) {
  const title = `Rows: true class. Columns: what the model says under attack, ${run.name}`
  return (
    <>
      <p>
        Rows are the true class, columns what the model says under attack. The diagonal counts the {run.noun}s that
        stand; the stronger the colour of a cell beside it, the more often that mistake was found.
      </p>
      <Scroller label={title}>
        <table class="matrix">
          <caption class="hidden">{title}</caption>
          <thead>
            <tr>
              <th scope="col">true ↓ said →</th>
              {labels.map(label => (
                <th key={label} scope="col">
                  {run.className(label)}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {labels.map((label, row) => (
              <tr key={label}>
                <th scope="row">{run.className(label)}</th>
                {labels.map((answer, column) => {
                  const count = counts[row]![column]!
                  const depth = largestMistake === 0 ? 0 : Math.round((70 * count) / largestMistake)
                  const style = row === column ? undefined : { '--depth': `${depth}%` }
                  return (
                    <td key={answer} class={row === column ? 'diagonal' : count > 0 ? 'mistake' : 'none'} style={style}>
                      {count === 0 && row !== column ? '·' : grouped(count)}
                    </td>
                  )
                })}
              </tr>
            ))}
          </tbody>
        </table>
      </Scroller>
    </>
  )
}

function Mistakes({ run, matrix: { labels, counts } }: { readonly run: Run; readonly matrix: Confusion }) {
  const rows = labels
    .flatMap((label, row) => {
      const all = counts[row]!.reduce((sum, count) => sum + count, 0)
      return labels.map((answer, column) => ({ label, answer, count: counts[row]![column]!, all }))
    })
    .filter(({ label, answer, count }) => label !== answer && count > 0)
    .sort((a, b) => b.count - a.count)
  return (
    <>
      <p>
        The most frequent mistakes under attack, {grouped(Math.min(rows.length, mostMistakes))} of{' '}
        {grouped(rows.length)}.
      </p>
      <DataTable
        caption={`Most frequent mistakes under attack, ${run.name}`}
        columns={[
          { title: 'True class', cell: row => run.className(row.label), order: row => run.className(row.label) },
          { title: 'Taken for', cell: row => run.className(row.answer), order: row => run.className(row.answer) },
          { title: 'Samples', cell: row => grouped(row.count), numeric: true, order: row => row.count },
          { title: 'Of the class', cell: row => percent(row.count / row.all, 1), numeric: true },
        ]}
        rows={rows.slice(0, mostMistakes)}
      />
    </>
  )
}
