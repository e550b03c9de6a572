/** What was required of the runs and what came of it, in the words of `robustly gate`. */
import * as Plot from '@observablehq/plot'
import { useMemo } from 'preact/hooks'
import type { Outcome } from '../../src/report/gate/decide.js'
import { intervalText, measuredText, outcomeText, statusWords } from '../../src/report/gate/words.js'
import { Figure, perCent } from '../parts/figure.js'
import { EachRun } from '../parts/runs.js'
import type { Section } from './section.js'

export const requirements: Section = {
  id: 'requirements',
  title: 'Requirements',
  shows: ({ runs }) => runs.some(({ result }) => result.requirements !== undefined),
  component: ({ report: { runs } }) => (
    <EachRun runs={runs}>
      {({ result: { requirements = [] } }) =>
        requirements.length === 0 ? (
          <p class="weak">Nothing was required of it.</p>
        ) : (
          <Outcomes outcomes={requirements} />
        )
      }
    </EachRun>
  ),
}

const marks = {
  met: { sign: '✓', color: 'var(--standing)' },
  'not-met': { sign: '✗', color: 'var(--broken)' },
  undecided: { sign: '?', color: 'var(--caution)' },
} as const

function Outcomes({ outcomes }: { readonly outcomes: readonly Outcome[] }) {
  // Differences, counts and distances have no axis in common with shares.
  const shares = useMemo(() => outcomes.filter(({ quantity }) => quantity === 'share'), [outcomes])
  return (
    <>
      <ul class="outcomes">
        {outcomes.map((outcome, at) => (
          <li key={at}>
            <span class="status" aria-hidden="true">
              {marks[outcome.status].sign}
            </span>
            {outcomeText(outcome)}
          </li>
        ))}
      </ul>
      {shares.length > 0 && <Shares shares={shares} />}
    </>
  )
}

/** Where the interval of each share lies, and where the threshold. */
function Shares({ shares }: { readonly shares: readonly Outcome[] }) {
  const draw = useMemo(() => {
    const points = shares.map(({ requirement, interval, measured, threshold, status }, row) => {
      const [low, high] = interval ?? [measured, measured]
      return { row, requirement, low, high, measured, threshold, color: marks[status].color }
    })
    return (): Plot.PlotOptions => ({
      height: 60 + 52 * shares.length,
      marginLeft: 12,
      x: { label: 'share of samples →', domain: [0, 1], grid: true, tickFormat: perCent, ticks: 5 },
      y: { axis: null, type: 'band', domain: points.map(({ row }) => row) },
      marks: [
        // Above its line, for beside it a phone has no room.
        Plot.text(points, { y: 'row', x: 0, text: 'requirement', textAnchor: 'start', dy: -16 }),
        Plot.ruleY(points, { y: 'row', x1: 'low', x2: 'high', stroke: 'color', strokeWidth: 4 }),
        Plot.dot(points, { y: 'row', x: 'measured', fill: 'color', r: 5 }),
        Plot.tickX(points, { y: 'row', x: 'threshold', stroke: 'var(--ink)', strokeWidth: 2, inset: 10 }),
      ],
    })
  }, [shares])
  return (
    <Figure
      title="Measured shares with their 95 % intervals, and what was required"
      summary={`Upright lines are thresholds. ${shares.map(shareText).join(' ')}`}
      draw={draw}
      numbers={{
        columns: ['requirement', 'measured', '95 % interval', 'outcome'],
        rows: shares.map(each => [each.requirement, measuredText(each), intervalText(each), statusWords[each.status]]),
      }}
    />
  )
}

function shareText(outcome: Outcome): string {
  return `${outcome.requirement}: ${measuredText(outcome)}, ${intervalText(outcome)}.`
}
