/** How an adversarial example was found, query by query: where the run holds a trace of its search, else how to get one. */
import * as Plot from '@observablehq/plot'
import { useMemo } from 'preact/hooks'
import type { Trace } from '../../src/report/html/document.js'
import { numbersOf } from '../data/columns.js'
import type { Run } from '../data/report.js'
import { epsilonText, grouped, plural, significant } from '../data/words.js'
import { Command } from '../parts/copy.js'
import { Figure } from '../parts/figure.js'
import type { Example } from './example.js'

interface SearchProps {
  readonly run: Run
  readonly example: Example
}

export function Search({ run, example }: SearchProps) {
  const { replay } = run.document
  const trace = run.gallery!.traces[example.at]
  if (trace != null) return <Traced run={run} example={example} trace={trace} />
  if (replay === null) return null
  return (
    <details class="numbers">
      <summary>The search query by query</summary>
      <p class="note">It was not recorded. This searches again and records it; a new report then shows it here:</p>
      <Command text={`${replay} --trace ${example.index}`} label={`Command that traces sample ${example.index}`} />
    </details>
  )
}

/** One attack's part of the search; its queries are counted on from those of the attacks before it. */
interface Trail {
  readonly name: string
  readonly color: string
  readonly queries: number
  readonly margin: readonly Point[]
  readonly loss: readonly Point[]
  readonly distance: readonly Point[]
}

interface Point {
  readonly query: number
  readonly value: number
}

function trailsOf(run: Run, trace: Trace): Trail[] {
  let before = 0
  return trace.attacks.map(({ attack, queries, query, margin, loss, distance }, at) => {
    const places = Array.from(numbersOf(query), number => before + number)
    const points = (column: typeof margin | null) =>
      (column === null ? [] : Array.from(numbersOf(column)))
        .map((value, place) => ({ query: places[place]!, value }))
        .filter(({ value }) => Number.isFinite(value))
    before += queries
    return {
      name: run.result.attacks[attack]!.name,
      color: `var(--run-${at % 6})`,
      queries,
      margin: points(margin),
      loss: points(loss),
      distance: points(distance),
    }
  })
}

function Traced({ run, example, trace }: SearchProps & { readonly trace: Trace }) {
  const trails = useMemo(() => trailsOf(run, trace), [run, trace])
  const { norm, epsilonValue } = run.result.threat
  const drawn = trails.reduce((sum, { margin }) => sum + margin.length, 0)
  const asked = trails.reduce((sum, { queries }) => sum + queries, 0)
  const known = (what: 'margin' | 'loss' | 'distance') => trails.filter(trail => trail[what].length > 0)
  const figures = [
    {
      what: 'margin',
      title: 'Margin against queries',
      axis: 'score of the true class − best other',
      rule: 0,
      words: 'Below zero (dashed) the model is fooled.',
    },
    {
      what: 'loss',
      title: 'Loss against queries',
      axis: 'loss',
      rule: undefined,
      words: 'The loss whose gradient the attack asked for; each attack has its own.',
    },
    {
      what: 'distance',
      title: `Distance from the original against queries (${norm})`,
      axis: `distance (${norm})`,
      rule: epsilonValue,
      words: `Dashed: epsilon, ${epsilonText(run)}.`,
    },
  ] as const
  return (
    <section class="search">
      <h4>The search query by query</h4>
      <p>
        {drawn < asked ? `${grouped(drawn)} of ${plural(asked, 'query', 'queries')}, spread evenly. ` : ''}
        {trace.reproduced
          ? 'Searched again, with the same outcome as in the run.'
          : 'Searched again, with another outcome than in the run: the engine, the processor or chance differ.'}
      </p>
      {figures
        .filter(({ what }) => known(what).length > 0)
        .map(({ what, title, axis, rule, words }) => (
          <Figure
            key={what}
            title={`${title}, sample ${example.index}`}
            summary={`${known(what)
              .map(trail => pathText(trail, what))
              .join(' ')} ${words}`}
            draw={drawing(known(what), what, { axis, rule, end: asked })}
            legend={known(what)}
          />
        ))}
    </section>
  )
}

function pathText(trail: Trail, what: 'margin' | 'loss' | 'distance'): string {
  const { name, queries } = trail
  const values = trail[what].map(({ value }) => value)
  const lowest = values.reduce((a, b) => Math.min(a, b))
  const [first, last] = [values[0]!, values.at(-1)!]
  const least = what === 'margin' && lowest < last ? `, ${significant(lowest)} at the lowest` : ''
  return `${name}, ${plural(queries, 'query', 'queries')}: from ${significant(first)} to ${significant(last)}${least}.`
}

interface Axes {
  readonly axis: string
  readonly rule: number | undefined
  readonly end: number
}

function drawing(trails: readonly Trail[], what: 'margin' | 'loss' | 'distance', { axis, rule, end }: Axes) {
  const rules = rule === undefined ? [] : [Plot.ruleY([rule], { stroke: 'var(--ink-2)', strokeDasharray: '4 3' })]
  const lines = trails.flatMap(trail => [
    Plot.lineY(trail[what], { x: 'query', y: 'value', stroke: trail.color, strokeWidth: 1.5 }),
    Plot.dot(trail[what].slice(-1), { x: 'query', y: 'value', fill: trail.color, r: 3 }),
  ])
  return (width: number): Plot.PlotOptions => ({
    height: 190,
    x: { label: 'queries →', domain: [0, end], ticks: width / 110 },
    y: { label: `↑ ${axis}`, grid: true, ticks: 4, tickFormat: significant, zero: what === 'distance' },
    insetTop: 6,
    marks: [...rules, ...lines],
  })
}
