/** Security curves: how many samples still stand as the adversary may change more, or ask more. */
import * as Plot from '@observablehq/plot'
import { useMemo } from 'preact/hooks'
import {
  gradientsToBreak,
  isDistanceRun,
  queriesOn,
  queriesToBreak,
  type Step,
  survival,
  thinned,
} from '../data/derive.js'
import type { Records, Run } from '../data/report.js'
import { epsilonText, halfText, percent, plural, short, significant } from '../data/words.js'
import { Figure, perCent } from '../parts/figure.js'
import { EachRun } from '../parts/runs.js'
import { DataTable } from '../parts/table.js'
import type { Section } from './section.js'

interface Curve {
  readonly name: string
  readonly color: string
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
  shows: ({ runs }) => runs.some(run => breaksByQueries(run) || iterating(run).length > 0),
  component: ({ report: { runs } }) => {
    const byQueries = runs.filter(breaksByQueries)
    const byIterations = runs.filter(run => iterating(run).length > 0)
    return (
      <>
        {byQueries.length > 0 && <ByQueries runs={byQueries} />}
        {byIterations.length > 0 && <EachRun runs={byIterations}>{run => <ByIterations run={run} />}</EachRun>}
      </>
    )
  },
}

/** In a cascade a sample's queries end when it breaks; where every attack runs to its end they say nothing of that. */
function breaksByQueries({ records, result }: Run): boolean {
  return records !== null && result.mode === 'cascade' && result.attacks.some(({ broken }) => broken > 0)
}

/** Positions of the attacks that follow gradients, step by step, and end with the first point that fools the model. */
function iterating({ records, result, attacks }: Run): number[] {
  if (records === null || result.surrogates !== undefined) return []
  const ends = (at: number) => result.mode === 'cascade' || attacks[at]!.kind === 'budget'
  return result.attacks.flatMap(({ broken }, at) =>
    broken > 0 && attacks[at]!.access === 'gradients' && ends(at) && mostGradients(records, at) > 1 ? [at] : [],
  )
}

function mostGradients({ attempts }: Records, attack: number): number {
  return Array.from(attempts[attack]!.gradient).reduce((a, b) => Math.max(a, b), 0)
}

function ByDistance({ runs }: { readonly runs: readonly Run[] }) {
  const { norm } = runs[0]!.result.threat
  const same = runs.filter(({ result }) => result.threat.norm === norm)
  const curves = useMemo(
    () =>
      same.map((run): Curve => {
        const steps = run.result.distances!.curve.map(({ epsilon, robust }) => ({ x: epsilon, share: robust }))
        return { ...named(run), steps, end: steps.at(-1)!.x * 1.02 }
      }),
    [runs],
  )
  const epsilons = [...new Set(runs.map(({ result }) => result.threat.epsilonValue))]
  const draw = useMemo(() => drawing(curves, { label: `epsilon (${norm})`, log: false, marks: epsilons }), [curves])
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
        legend={curves}
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
        return { ...named(run), steps: steps.map(({ x, share }) => ({ x: Math.max(1, x), share })), end: most }
      }),
    [runs],
  )
  const draw = useMemo(() => drawing(curves, { label: 'queries on one sample', log: true }), [curves])
  const texts = curves.map(({ steps, end }, at) => {
    const last = steps.at(-1)!
    return `${runText(runs[at]!, runs)}${percent(last.share, 1)} of the ${runs[at]!.noun}s stand after at most ${short(end)} queries on each; the last that broke took ${short(last.x)}.`
  })
  return (
    <Figure
      title="Share that still stands against queries"
      summary={texts.join(' ')}
      draw={draw}
      legend={curves}
      numbers={numbersOf(curves, 'queries')}
    />
  )
}

/** Whether more iterations would have broken more: of each attack for itself. */
function ByIterations({ run }: { readonly run: Run }) {
  const curves = useMemo(
    () =>
      iterating(run).map((at): Curve => {
        const { records, result } = run
        const falls = gradientsToBreak(records!, at)
        const steps = survival(falls, falls.length).map(({ x, share }) => ({ x: Math.max(1, x), share }))
        const end = mostGradients(records!, at)
        return { name: result.attacks[at]!.name, color: `var(--run-${at % 6})`, steps, end }
      }),
    [run],
  )
  const draw = useMemo(() => drawing(curves, { label: 'gradients asked on one sample', log: true }), [curves])
  const texts = curves.map(({ name, steps, end }) => {
    const last = steps.at(-1)!
    return `${name} leaves ${percent(last.share, 1)} of what it tried after at most ${short(end)}; the last that broke took ${short(last.x)}.`
  })
  return (
    <Figure
      title="Share that each attack leaves against its gradients"
      summary={`${texts.join(' ')} Most attacks ask for one gradient an iteration; a curve that still falls at its end says that more of them may break more.`}
      draw={draw}
      legend={curves}
      numbers={numbersOf(curves, 'gradients', 'attack')}
    />
  )
}

interface Axis {
  readonly label: string
  readonly log: boolean
  /** Values to mark on it. */
  readonly marks?: readonly number[]
}

function drawing(curves: readonly Curve[], { label, log, marks: marked = [] }: Axis) {
  const first = log ? 1 : 0
  const end = Math.max(...curves.map(({ end }) => end))
  const marks = curves.map(({ color, steps, end }) => {
    const points = [...thinned(steps, pointsDrawn), { x: end, share: steps.at(-1)!.share }]
    const stroke = curves.length === 1 ? 'var(--accent)' : color
    return Plot.lineY(points, { x: 'x', y: 'share', curve: 'step-after', stroke, strokeWidth: 2 })
  })
  const rules = [Plot.ruleX(marked, { stroke: 'var(--ink-2)', strokeDasharray: '4 3' })]
  return (width: number): Plot.PlotOptions => ({
    x: log
      ? { type: 'log', label: `${label} →`, domain: [first, Math.max(2, end)], tickFormat: tick, ticks: width / 110 }
      : { label: `${label} →`, domain: [0, end], ticks: width / 90 },
    y: { label: '↑ share that stands', domain: [0, 1], grid: true, tickFormat: perCent, ticks: 5 },
    marks: [Plot.ruleY([0], { stroke: 'var(--line-strong)' }), ...rules, ...marks],
  })
}

/** 1k, 2.5k */
const tick = (value: number) => short(value).replace(/\.?0+(?=[kM])/, '')

function runText(run: Run, runs: readonly Run[]): string {
  return runs.length === 1 ? '' : `${run.name}: `
}

function named({ name, color }: Run) {
  return { name, color }
}

function numbersOf(curves: readonly Curve[], title: string, what = 'run') {
  const rows = curves.flatMap(({ name, steps }) =>
    thinned(steps, pointsListed).map(({ x, share }) => [
      ...(curves.length === 1 ? [] : [name]),
      significant(x),
      percent(share, 1),
    ]),
  )
  return { columns: [...(curves.length === 1 ? [] : [what]), title, 'share that stands'], rows }
}
