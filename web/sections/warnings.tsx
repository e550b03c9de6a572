/** What a reader must know before believing the numbers, each with what to do about it. */

import { EachRun } from '../parts/runs.js'
import type { Section } from './section.js'

export const warnings: Section = {
  id: 'warnings',
  title: 'Before you believe it',
  shows: ({ runs }) => runs.some(({ result }) => result.warnings.length > 0),
  component: ({ report: { runs } }) => (
    <EachRun runs={runs}>
      {({ result }) =>
        result.warnings.length === 0 ? (
          <p class="weak">No warnings.</p>
        ) : (
          <ul class="warnings">
            {result.warnings.map(warning => (
              <li key={warning}>{warning}</li>
            ))}
          </ul>
        )
      }
    </EachRun>
  ),
}
