/** Several runs side by side: accuracies, and differences on the same samples. */
import * as Plot from '@observablehq/plot'
import { useMemo } from 'preact/hooks'
import { paired } from '../data/derive.js'
import type { Run } from '../data/report.js'
import { grouped, percent, significant } from '../data/words.js'
import { Figure, perCent } from '../parts/figure.js'
import { intervalText } from '../parts/share.js'
import { DataTable } from '../parts/table.js'
import type { Section } from './section.js'

export const comparison: Section = {
  id: 'comparison',
  title: 'Side by side',
  shows: ({ runs }) => runs.length > 1,
  component: ({ report: { runs } }) => (
    <>
      <Differences runs={runs} />
      <Accuracies runs={runs} />
      <Paired runs={runs} />
    </>
  ),
}

const kinds = ['standard', 'robust'] as const

/** What makes numbers of two runs answers to different questions. */
const questions: readonly (readonly [string, (run: Run) => unknown])[] = [
  ['data', ({ result }) => result.data.sha256],
  ['samples', ({ result }) => result.data.range.join(':')],
  ['norm', ({ result }) => result.threat.norm],
  ['epsilon', ({ result }) => result.threat.epsilonValue],
  ['box', ({ result }) => result.threat.box?.join(':')],
  ['attacks', ({ result }) => JSON.stringify(result.attacks.map(({ name, options }) => [name, options]))],
]

function Differences({ runs }: { readonly runs: readonly Run[] }) {
  const different = questions.filter(([, of]) => new Set(runs.map(of)).size > 1).map(([name]) => name)
  if (different.length === 0)
    return <p>All runs were asked the same: data, samples, threat model and attacks are equal.</p>
  return (
    <p class="caution">
      These runs differ in more than the model: {different.join(', ')}. Read differences between them with that in mind.
    </p>
  )
}

function Accuracies({ runs }: { readonly runs: readonly Run[] }) {
  const points = useMemo(
    () =>
      runs.flatMap(({ name, result }) =>
        kinds.map(kind => {
          const { value, interval } = result.accuracy[kind]
          return { name, kind: `${kind} accuracy`, value, low: interval[0], high: interval[1] }
        }),
      ),
    [runs],
  )
  const draw = useMemo(
    () =>
      (width: number): Plot.PlotOptions => ({
        height: 60 + 44 * runs.length,
        marginLeft: Math.min(width * 0.35, 40 + 7 * Math.max(...runs.map(({ name }) => name.length))),
        x: { label: 'accuracy →', domain: [0, 1], grid: true, tickFormat: perCent, ticks: 5 },
        y: { label: null, domain: runs.map(({ name }) => name), tickFormat: (name: string) => shortened(name, width) },
        color: { domain: ['standard accuracy', 'robust accuracy'], range: ['var(--ink-2)', 'var(--accent)'] },
        marks: [
          Plot.ruleY(points, { y: 'name', x1: 'low', x2: 'high', stroke: 'kind', strokeWidth: 3, strokeOpacity: 0.45 }),
          Plot.dot(points, { y: 'name', x: 'value', fill: 'kind', r: 5 }),
        ],
      }),
    [points],
  )
  const texts = runs.map(({ name, result: { accuracy } }) => {
    const { standard, robust } = accuracy
    return `${name}: standard ${percent(standard.value, 1)}, robust ${percent(robust.value, 1)}.`
  })
  return (
    <Figure
      title="Accuracy with its 95 % interval"
      summary={texts.join(' ')}
      draw={draw}
      legend={[
        { name: 'standard', color: 'var(--ink-2)' },
        { name: 'robust', color: 'var(--accent)' },
      ]}
      numbers={{
        columns: ['run', 'model', 'threat', 'standard', 'interval', 'robust', 'interval', 'samples'],
        rows: runs.map(({ name, result: { model, threat, accuracy, data } }) => [
          name,
          model.file,
          `${threat.norm} ${threat.epsilon}`,
          percent(accuracy.standard.value, 2),
          intervalText(accuracy.standard.interval),
          percent(accuracy.robust.value, 2),
          intervalText(accuracy.robust.interval),
          grouped(data.count),
        ]),
      }}
    />
  )
}

function shortened(name: string, width: number): string {
  const most = Math.max(8, Math.floor((width * 0.35 - 20) / 7))
  return name.length > most ? `${name.slice(0, most - 1)}…` : name
}

function Paired({ runs: [first, ...others] }: { readonly runs: readonly Run[] }) {
  const rows = others.flatMap(other =>
    kinds.flatMap(kind => {
      const pair = paired(first!, other, kind)
      return pair === null ? [] : [{ other, kind, ...pair }]
    }),
  )
  if (rows.length === 0) {
    return <p class="weak">The runs have no samples in common, so they cannot be compared sample by sample.</p>
  }
  const points = (share: number) => `${share > 0 ? '+' : share < 0 ? '−' : ''}${Math.abs(100 * share).toFixed(1)}`
  return (
    <>
      <h3>On the same samples, against {first!.name}</h3>
      <p>
        Differences are counted sample by sample, which tells small ones that separate intervals do not. The last column
        is the probability of counts as uneven as these if both were equally good (McNemar, exact).
      </p>
      <DataTable
        caption={`Paired differences against ${first!.name}`}
        columns={[
          { title: 'Run', cell: row => row.other.name },
          { title: 'Accuracy', cell: row => row.kind },
          { title: 'Difference', cell: row => `${points(row.difference)} points`, numeric: true },
          {
            title: '95\u00a0% interval',
            cell: row => `${points(row.interval[0])} to ${points(row.interval[1])}`,
            numeric: true,
          },
          { title: `Only ${first!.name}`, cell: row => grouped(row.onlyFirst), numeric: true },
          { title: 'Only this\u00a0run', cell: row => grouped(row.onlySecond), numeric: true },
          { title: 'Both', cell: row => grouped(row.both), numeric: true },
          { title: 'Neither', cell: row => grouped(row.neither), numeric: true },
          {
            title: 'Probability',
            cell: row => (row.probability < 1e-4 ? '< 0.0001' : significant(row.probability)),
            numeric: true,
          },
        ]}
        rows={rows}
      />
    </>
  )
}
