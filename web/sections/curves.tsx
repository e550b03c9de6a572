/** Security curves: how many samples still stand as the adversary may change more, or ask more. */
import * as Plot from '@observablehq/plot'
import { useMemo } from 'preact/hooks'
import { isDistanceRun, queriesOn, queriesToBreak, type Step, survival, thinned } from '../data/derive.js'
import type { Run } from '../data/report.js'
import { epsilonText, halfText, percent, plural, short, significant } from '../data/words.js'
import { Figure, perCent } from '../parts/figure.js'
import { DataTable } from '../parts/table.js'
import type { Section } from './section.js'

interface Curve {
  readonly run: Run
  readonly steps: readonly Step[]
  /** Where the drawing ends. */
  readonly end: number
}

const pointsDrawn = 400
const pointsListed = 21

export const distanceCurves: Section = {
  id: 'security-curve',
  title: 'Security curve',
  shows: ({ runs }) => runs.some(isDistanceRun),
  component: ({ report }) => <ByDistance runs={report.runs.filter(isDistanceRun)} />,
}

export const queryCurves: Section = {
  id: 'queries',
  title: 'How many queries it takes',
  shows: ({ runs }) => runs.some(breaksByQueries),
  component: ({ report }) => <ByQueries runs={report.runs.filter(breaksByQueries)} />,
}

/** In a cascade a sample's queries end when it breaks; where every attack runs to its end they say nothing of that. */
function breaksByQueries({ records, result }: Run): boolean {
  return records !== null && result.mode === 'cascade' && result.attacks.some(({ broken }) => broken > 0)
}

function ByDistance({ runs }: { readonly runs: readonly Run[] }) {
  const { norm } = runs[0]!.result.threat
  const same = runs.filter(({ result }) => result.threat.norm === norm)
  const curves = useMemo(
    () =>
      same.map((run): Curve => {
        const steps = run.result.distances!.curve.map(({ epsilon, robust }) => ({ x: epsilon, share: robust }))
        return { run, steps, end: steps.at(-1)!.x * 1.02 }
      }),
    [runs],
  )
  const draw = useMemo(() => drawing(curves, { label: `epsilon (${norm})`, log: false, marked: true }), [curves])
  const halves = same.map(run => `${runText(run, runs)}${halfText(run)}`)
  return (
    <>
      <p>
        These attacks search the smallest change that fools the model, so one run tells the robust accuracy at every
        epsilon. The curve is an upper bound: the true one lies on it or below.
      </p>
      <Figure
        title={`Robust accuracy against epsilon (${norm})`}
        summary={`${halves.join(' ')} Dashed: the epsilon that was asked for, ${epsilonText(same[0]!)}.`}
        draw={draw}
        legend={legendOf(curves)}
        numbers={numbersOf(curves, `epsilon (${norm})`)}
      />
      {same.map(run => (
        <ByAttack key={run.name} run={run} several={runs.length > 1} />
      ))}
    </>
  )
}

/** How near each attack comes, for itself. */
function ByAttack({ run: { name, noun, result }, several }: { readonly run: Run; readonly several: boolean }) {
  const { attacks } = result.distances!
  const compared = attacks.some(({ optimality }) => optimality !== null)
  return (
    <DataTable
      caption={several ? `Distances by attack, ${name}` : 'Distances by attack'}
      columns={[
        { title: several ? `Attack (${name})` : 'Attack', cell: attack => attack.name },
        { title: 'Found on', cell: ({ found }) => plural(found, noun), numeric: true },
        { title: 'Median distance', cell: ({ median }) => significant(median ?? Number.NaN), numeric: true },
        ...(compared
          ? [
              {
                title: 'Optimality beside the best of the run',
                cell: ({ optimality }: (typeof attacks)[number]) =>
                  optimality === null ? '–' : percent(optimality, 1),
                numeric: true,
              },
            ]
          : []),
      ]}
      rows={attacks}
    />
  )
}

function ByQueries({ runs }: { readonly runs: readonly Run[] }) {
  const curves = useMemo(
    () =>
      runs.map((run): Curve => {
        const records = run.records!
        const steps = survival(queriesToBreak(records), records.count)
        const spent = Array.from({ length: records.count }, (_, row) => queriesOn(records, row))
        const most = spent.reduce((a, b) => Math.max(a, b), 1)
        return { run, steps: steps.map(({ x, share }) => ({ x: Math.max(1, x), share })), end: most }
      }),
    [runs],
  )
  const draw = useMemo(() => drawing(curves, { label: 'queries on one sample', log: true, marked: false }), [curves])
  const texts = curves.map(({ run, steps, end }) => {
    const last = steps.at(-1)!
    return `${runText(run, runs)}${percent(last.share, 1)} of the ${run.noun}s stand after at most ${short(end)} queries on each; the last that broke took ${short(last.x)}.`
  })
  return (
    <Figure
      title="Share that still stands against queries"
      summary={texts.join(' ')}
      draw={draw}
      legend={legendOf(curves)}
      numbers={numbersOf(curves, 'queries')}
    />
  )
}

function drawing(curves: readonly Curve[], { label, log, marked }: { label: string; log: boolean; marked: boolean }) {
  const first = log ? 1 : 0
  const end = Math.max(...curves.map(({ end }) => end))
  const marks = curves.map(({ run, steps }) => {
    const points = [...thinned(steps, pointsDrawn), { x: end, share: steps.at(-1)!.share }]
    const color = curves.length === 1 ? 'var(--accent)' : run.color
    return Plot.lineY(points, { x: 'x', y: 'share', curve: 'step-after', stroke: color, strokeWidth: 2 })
  })
  const epsilons = [...new Set(curves.map(({ run }) => run.result.threat.epsilonValue))]
  const rules = marked ? [Plot.ruleX(epsilons, { stroke: 'var(--ink-2)', strokeDasharray: '4 3' })] : []
  return (width: number): Plot.PlotOptions => ({
    x: log
      ? { type: 'log', label: `${label} →`, domain: [first, Math.max(2, end)], tickFormat: short, ticks: width / 110 }
      : { label: `${label} →`, domain: [0, end], ticks: width / 90 },
    y: { label: '↑ share that stands', domain: [0, 1], grid: true, tickFormat: perCent, ticks: 5 },
    marks: [Plot.ruleY([0], { stroke: 'var(--line-strong)' }), ...rules, ...marks],
  })
}

function runText(run: Run, runs: readonly Run[]): string {
  return runs.length === 1 ? '' : `${run.name}: `
}

function legendOf(curves: readonly Curve[]) {
  return curves.map(({ run }) => ({ name: run.name, color: run.color }))
}

function numbersOf(curves: readonly Curve[], title: string) {
  const rows = curves.flatMap(({ run, steps }) =>
    thinned(steps, pointsListed).map(({ x, share }) => [
      ...(curves.length === 1 ? [] : [run.name]),
      significant(x),
      percent(share, 1),
    ]),
  )
  return { columns: [...(curves.length === 1 ? [] : ['run']), title, 'share that stands'], rows }
}
