/** How far adversarial examples lie, and how sure the model is: distances and margins over the samples. */
import * as Plot from '@observablehq/plot'
import { useMemo } from 'preact/hooks'
import { fateOf, isDistanceRun, median, smallestDistances } from '../data/derive.js'
import type { Run } from '../data/report.js'
import { epsilonText, grouped, plural, significant } from '../data/words.js'
import { Figure } from '../parts/figure.js'
import { EachRun } from '../parts/runs.js'
import type { Section } from './section.js'

export const distributions: Section = {
  id: 'distributions',
  title: 'Distances and margins',
  shows: ({ runs }) => runs.some(({ records }) => records !== null),
  component: ({ report: { runs } }) => (
    <EachRun runs={runs.filter(({ records }) => records !== null)}>
      {run => (
        <div class="pair">
          <Distances run={run} />
          <Margins run={run} />
        </div>
      )}
    </EachRun>
  ),
}

const bins = 40
const rounding = 1e-5

function Distances({ run }: { readonly run: Run }) {
  const { threat } = run.result
  const smallest = isDistanceRun(run)
  const values = useMemo(
    () =>
      (smallest ? smallestDistances(run.records!) : Array.from(run.records!.distance)).filter(
        distance => Number.isFinite(distance) && distance > 0,
      ),
    [run],
  )
  const end = values.reduce((most, value) => Math.max(most, value), threat.epsilonValue)
  const draw = useMemo(() => {
    const step = end === 0 ? 1 : end / bins
    // What attacks put onto epsilon may lie a rounding of float32 beyond it.
    const counted = histogram(
      values.map(value => value * (1 - rounding)),
      step,
      0,
    )
    return (width: number): Plot.PlotOptions => ({
      x: { label: `distance (${threat.norm}) →`, domain: [0, step * bins], ticks: width / 90 },
      y: { label: '↑ samples', grid: true, ticks: 5 },
      marks: [
        Plot.rectY(counted, { x1: 'from', x2: 'to', y: 'count', fill: 'var(--broken)', inset: 0.5 }),
        Plot.ruleX([threat.epsilonValue], { stroke: 'var(--ink-2)', strokeDasharray: '4 3' }),
        Plot.ruleY([0], { stroke: 'var(--line-strong)' }),
      ],
    })
  }, [values])
  if (values.length === 0) return <p class="weak">No adversarial example was found, so there are no distances.</p>
  const meaning = smallest
    ? 'The smallest distance that any attack found for each sample.'
    : 'Attacks inside a budget use as much of it as they may: these are not the smallest distances.'
  return (
    <Figure
      title={`Distance of the adversarial examples (${threat.norm})`}
      summary={`${plural(values.length, 'adversarial example')}, median ${significant(median(values))}. ${meaning} Dashed: epsilon ${epsilonText(run)}.`}
      draw={draw}
      numbers={histogramNumbers(`distance (${threat.norm})`, [['samples', values]])}
    />
  )
}

function Margins({ run }: { readonly run: Run }) {
  const groups = useMemo(() => {
    const records = run.records!
    const of = {
      standing: [] as number[],
      broken: [] as number[],
      misclassified: [] as number[],
      unknown: [] as number[],
    }
    for (let row = 0; row < records.count; row++) {
      const margin = records.margin[row]!
      if (Number.isFinite(margin)) of[fateOf(records, row)].push(margin)
    }
    return [
      { name: 'standing: at the clean sample', values: of.standing, color: 'var(--standing)' },
      { name: 'broken: at the adversarial example', values: of.broken, color: 'var(--broken)' },
      { name: 'misclassified: at the clean sample', values: of.misclassified, color: 'var(--misclassified)' },
    ].filter(({ values }) => values.length > 0)
  }, [run])
  const all = groups.flatMap(({ values }) => values)
  const draw = useMemo(() => {
    const low = all.reduce((least, value) => Math.min(least, value), 0)
    const high = all.reduce((most, value) => Math.max(most, value), 0)
    const step = (high - low || 1) / bins
    const counted = groups.flatMap(({ name, values, color }) =>
      histogram(values, step, 0).map(bin => ({ ...bin, name, color })),
    )
    return (width: number): Plot.PlotOptions => ({
      x: { label: 'margin (difference of scores) →', ticks: width / 90 },
      y: { label: '↑ samples', grid: true, ticks: 5 },
      marks: [
        Plot.rectY(counted, Plot.stackY({ x1: 'from', x2: 'to', y: 'count', fill: 'color', z: 'name', inset: 0.5 })),
        Plot.ruleX([0], { stroke: 'var(--ink-2)' }),
        Plot.ruleY([0], { stroke: 'var(--line-strong)' }),
      ],
    })
  }, [groups])
  if (all.length === 0) return <p class="weak">The model gave no scores, so there are no margins.</p>
  const medians = groups.map(({ name, values }) => `${name} ${significant(median(values))}`)
  return (
    <Figure
      title="Margin: score of the true class minus the best other score"
      summary={`Left of zero the model is wrong. Medians: ${medians.join('; ')}.`}
      draw={draw}
      legend={groups}
      numbers={histogramNumbers(
        'margin',
        groups.map(({ name, values }) => [name, values]),
      )}
    />
  )
}

interface Bin {
  readonly from: number
  readonly to: number
  readonly count: number
}

/** Counts in bins of equal width, one edge of them at `edge`. */
function histogram(values: readonly number[], step: number, edge: number): Bin[] {
  const counts = new Map<number, number>()
  for (const value of values) {
    const at = Math.floor((value - edge) / step)
    counts.set(at, (counts.get(at) ?? 0) + 1)
  }
  return [...counts]
    .sort(([a], [b]) => a - b)
    .map(([at, count]) => ({ from: edge + at * step, to: edge + (at + 1) * step, count }))
}

/** Quantiles say more in a table than forty bins. */
function histogramNumbers(title: string, groups: readonly (readonly [string, readonly number[]])[]) {
  const shares = [0, 0.1, 0.25, 0.5, 0.75, 0.9, 1]
  const rows = shares.map(share => [
    share === 0 ? 'smallest' : share === 1 ? 'largest' : share === 0.5 ? 'median' : `${share * 100} % below`,
    ...groups.map(([, values]) => {
      const sorted = [...values].sort((a, b) => a - b)
      return significant(sorted[Math.round(share * (sorted.length - 1))]!)
    }),
  ])
  return { columns: [title, ...groups.map(([name, values]) => `${name} (${grouped(values.length)})`)], rows }
}
