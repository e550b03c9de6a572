/** The head of the report: what was found, in one sentence, and what became of all samples, in one bar. */
import type { Report, Run } from './data/report.js'
import { answerOf, grouped, percent, plural } from './data/words.js'

export function Answers({ report: { runs } }: { readonly report: Report }) {
  const single = runs.length === 1
  return (
    <div class={single ? 'answers' : 'answers several'}>
      {single ? null : <h1>{runs.length} runs side by side</h1>}
      {runs.map(run => (
        <Answer key={run.name} run={run} level={single ? 'h1' : 'h2'} />
      ))}
    </div>
  )
}

function Answer({ run, level: Heading }: { readonly run: Run; readonly level: 'h1' | 'h2' }) {
  const { start, share, end, details } = answerOf(run)
  const { model, data } = run.result
  return (
    <article class="answer">
      <p class="subject">
        {Heading === 'h2' && <span class="swatch" style={{ background: run.color }} />}
        {Heading === 'h2' && <strong>{run.name}</strong>} {model.file} on {plural(data.count, run.noun)} of {data.file}
      </p>
      <Heading class="sentence">
        {start} <strong>{share}</strong> {end}.
      </Heading>
      <p class="details">{details.join(' ')}</p>
      <Fates run={run} />
    </article>
  )
}

/** What became of the samples, as one bar of four parts. */
function Fates({ run: { result, noun } }: { readonly run: Run }) {
  const { standard, robust } = result.accuracy
  const misclassified = standard.count - standard.correct
  const broken = robust.count - robust.correct - misclassified - result.unknown
  const parts = [
    { name: 'still right under every attack', tone: 'standing', count: robust.correct },
    { name: 'fooled by an attack', tone: 'broken', count: broken },
    { name: 'misclassified without any attack', tone: 'misclassified', count: misclassified },
    { name: 'without a verdict', tone: 'unknown', count: result.unknown },
  ].filter(({ count }) => count > 0)
  return (
    <div class="fates">
      <div class="bar" aria-hidden="true">
        {parts.map(({ tone, count }) => (
          <span key={tone} class={tone} style={{ flexGrow: count }} />
        ))}
      </div>
      <ul>
        {parts.map(({ name, tone, count }) => (
          <li key={tone}>
            <span class={`swatch ${tone}`} />
            <span>
              <b>{grouped(count)}</b> <span class="weak">({percent(count / robust.count, 1)})</span> {name}
            </span>
          </li>
        ))}
        <li class="hidden">of {plural(robust.count, noun)}</li>
      </ul>
    </div>
  )
}
