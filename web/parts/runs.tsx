/** The same part for every run, side by side, each under its name when there are several. */
import type { ComponentChildren } from 'preact'
import type { Run } from '../data/report.js'

export function EachRun({
  runs,
  children,
}: {
  readonly runs: readonly Run[]
  readonly children: (run: Run) => ComponentChildren
}) {
  if (runs.length === 1) return <>{children(runs[0]!)}</>
  return (
    <div class="runs">
      {runs.map(run => (
        <div key={run.name} class="run">
          <h3>
            <span class="swatch" style={{ background: run.color }} />
            {run.name}
          </h3>
          {children(run)}
        </div>
      ))}
    </div>
  )
}
