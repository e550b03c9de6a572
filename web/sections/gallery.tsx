/** The adversarial examples themselves: before, the change, after. */
import { useMemo, useState } from 'preact/hooks'
import type { Run } from '../data/report.js'
import { grouped, plural, significant } from '../data/words.js'
import { Detail } from '../gallery/detail.js'
import { type Example, examplesOf } from '../gallery/example.js'
import { everything, Filters, filtered } from '../gallery/filters.js'
import { Grid } from '../gallery/grid.js'
import { FeaturesView, PicturesView } from '../gallery/views.js'
import type { Section } from './section.js'

export const gallery: Section = {
  id: 'gallery',
  title: 'Adversarial examples',
  shows: ({ runs }) => runs.some(hasExamples),
  component: ({ report }) => <Galleries runs={report.runs.filter(hasExamples)} />,
}

function hasExamples({ gallery }: Run): boolean {
  return gallery !== null && gallery.rowNumbers.length > 0
}

/** One run at a time. */
function Galleries({ runs }: { readonly runs: readonly Run[] }) {
  const [chosen, setChosen] = useState(0)
  const run = runs[chosen]!
  return (
    <>
      {runs.length > 1 && (
        <label class="choice">
          Run{' '}
          <select value={String(chosen)} onChange={event => setChosen(Number(event.currentTarget.value))}>
            {runs.map(({ name }, at) => (
              <option key={name} value={String(at)}>
                {name}
              </option>
            ))}
          </select>
        </label>
      )}
      <Gallery key={run.name} run={run} />
    </>
  )
}

const sizes = {
  image: { cardHeight: 188, cardWidth: 288 },
  images: { cardHeight: 188, cardWidth: 136 },
  features: { cardHeight: 232, cardWidth: 320 },
} as const

function Gallery({ run }: { readonly run: Run }) {
  const [filter, setFilter] = useState(everything)
  const [opened, setOpened] = useState<number | null>(null)
  const examples = useMemo(() => examplesOf(run), [run])
  const shown = useMemo(() => filtered(examples, filter), [examples, filter])
  const { kind, withoutOriginals } = run.gallery!
  const size = sizes[kind === 'features' ? 'features' : withoutOriginals === null ? 'image' : 'images']
  const example = opened === null ? undefined : shown[opened]
  const move = (by: number) => setOpened(at => (at === null ? null : (at + by + shown.length) % shown.length))
  return (
    <>
      <Explanation run={run} embedded={examples.length} />
      <Filters run={run} examples={examples} filter={filter} change={setFilter} />
      <p class="weak count" aria-live="polite">
        {shown.length === examples.length
          ? `${plural(shown.length, 'example')}`
          : `${grouped(shown.length)} of ${plural(examples.length, 'example')}`}
        . Choose one to see it large.
      </p>
      {shown.length > 0 && (
        <Grid items={shown} label={`Adversarial examples of ${run.name}`} {...size}>
          {item => <Card run={run} example={item} open={() => setOpened(shown.indexOf(item))} />}
        </Grid>
      )}
      {example !== undefined && <Detail run={run} example={example} move={move} close={() => setOpened(null)} />}
    </>
  )
}

function Explanation({ run, embedded }: { readonly run: Run; readonly embedded: number }) {
  const { available, kind, withoutOriginals, shrunk, shape } = run.gallery!
  const sentences = [
    embedded === available
      ? `All ${plural(available, 'adversarial example')} of the run.`
      : `${grouped(embedded)} of the ${plural(available, 'adversarial example')} of the run, spread evenly over it.`,
    ...(kind === 'image'
      ? ['Pictures are 8-bit previews; the exact values are in the run folder.']
      : ['Features that the attack changed are marked.']),
    ...(kind === 'image' && withoutOriginals === null
      ? [
          shape[0] === 1
            ? 'The change is drawn in blue where the attack made a pixel darker and in vermilion where brighter, amplified: its largest value is full colour.'
            : 'The change is drawn around grey and amplified: its largest value is full colour.',
        ]
      : []),
    ...(shrunk > 1 ? [`Each pixel is the mean of ${shrunk} × ${shrunk} of the picture.`] : []),
    ...(withoutOriginals === null
      ? []
      : [`Originals are missing: ${withoutOriginals}. Give the data with robustly report --data.`]),
  ]
  return (
    <p>
      {sentences.join(' ')}
      {embedded < available && (
        <>
          {' '}
          <code>robustly report --gallery all</code> embeds every one.
        </>
      )}
    </p>
  )
}

function Card({ run, example, open }: { readonly run: Run; readonly example: Example; readonly open: () => void }) {
  const { label, prediction, index, attack, distance } = example
  const View = run.gallery!.kind === 'image' ? PicturesView : FeaturesView
  return (
    <article class="card">
      <View run={run} example={example} />
      <p class="card-line">
        <button type="button" onClick={open} aria-label={`Sample ${index}, details`}>
          #{index}
        </button>{' '}
        <span>
          {run.className(label)} → <b>{run.className(prediction)}</b>
        </span>
      </p>
      <p class="card-line weak">
        {attack}, {run.result.threat.norm} {significant(distance)}
      </p>
    </article>
  )
}
