/** Everything that is known of one adversarial example, in a dialog. */
import { useLayoutEffect, useRef } from 'preact/hooks'
import { statuses } from '../../src/report/html/document.js'
import type { Run } from '../data/report.js'
import { grouped, significant } from '../data/words.js'
import { DataTable } from '../parts/table.js'
import type { Example } from './example.js'
import { Search } from './search.js'
import { FeaturesView, PicturesView } from './views.js'

interface DetailProps {
  readonly run: Run
  readonly example: Example
  readonly move: (by: number) => void
  readonly close: () => void
}

const statusWords = {
  'not-run': 'not run',
  hit: 'fooled the model',
  exhausted: 'did not',
  error: 'no verdict',
} as const

export function Detail({ run, example, move, close }: DetailProps) {
  const dialog = useRef<HTMLDialogElement>(null)
  useLayoutEffect(() => {
    dialog.current?.showModal()
  }, [])
  const keys = (event: KeyboardEvent) => {
    if (event.key === 'ArrowLeft') move(-1)
    if (event.key === 'ArrowRight') move(1)
  }
  const { result, records, gallery } = run
  const attempts = records!.attempts
    .map((attempt, at) => ({
      name: result.attacks[at]!.name,
      status: statuses[attempt.status[example.row]!]!,
      forward: attempt.forward[example.row]!,
      gradient: attempt.gradient[example.row]!,
      distance: attempt.distance?.[example.row] ?? Number.NaN,
    }))
    .filter(({ status }) => status !== 'not-run')
  const View = gallery!.kind === 'image' ? PicturesView : FeaturesView
  return (
    <dialog ref={dialog} onClose={close} onKeyDown={keys} aria-labelledby="detail-title">
      <header>
        <h3 id="detail-title">
          Sample {example.index}: {run.className(example.label)} → {run.className(example.prediction)}
        </h3>
        <div class="buttons">
          <button type="button" onClick={() => move(-1)} aria-label="Previous example">
            ←
          </button>
          <button type="button" onClick={() => move(1)} aria-label="Next example">
            →
          </button>
          <button type="button" onClick={() => dialog.current?.close()}>
            Close
          </button>
        </div>
      </header>
      <View run={run} example={example} large />
      <dl class="facts">
        <dt>True class</dt>
        <dd>{run.className(example.label)}</dd>
        <dt>Under attack</dt>
        <dd>
          {run.className(example.prediction)}, found by {example.attack}
        </dd>
        <dt>Distance</dt>
        <dd>
          {result.threat.norm} {significant(example.distance)} of at most {result.threat.epsilon}
        </dd>
        <dt>Margin</dt>
        <dd>{Number.isFinite(example.margin) ? significant(example.margin) : 'not known'}</dd>
      </dl>
      <DataTable
        caption={`Attacks on sample ${example.index}`}
        columns={[
          { title: 'Attack', cell: ({ name }) => name },
          { title: 'Outcome', cell: ({ status }) => statusWords[status] },
          { title: 'Forward queries', cell: ({ forward }) => grouped(forward), numeric: true },
          { title: 'Gradient queries', cell: ({ gradient }) => grouped(gradient), numeric: true },
          { title: 'Distance', cell: ({ distance }) => significant(distance), numeric: true },
        ]}
        rows={attempts}
      />
      <Search run={run} example={example} />
    </dialog>
  )
}
