/** Whether the number can be trusted: what the checks of the evaluation itself say. */
import { EachRun } from '../parts/runs.js'
import { DataTable } from '../parts/table.js'
import type { Section } from './section.js'

const signs = { pass: '✓ pass', warn: '! warn', fail: '✗ fail', 'not-run': '– not run' } as const

export const diagnostics: Section = {
  id: 'diagnostics',
  title: 'Is the number true?',
  shows: ({ runs }) => runs.some(({ result }) => result.diagnostics.length > 0),
  component: ({ report: { runs } }) => (
    <EachRun runs={runs}>
      {({ name, result }) => (
        <DataTable
          caption={`Checks of the evaluation, ${name}`}
          columns={[
            { title: 'Check', cell: ({ check }) => check },
            { title: 'Status', cell: ({ status }) => <span class={`status ${status}`}>{signs[status]}</span> },
            { title: 'What it means', cell: ({ meaning }) => meaning },
          ]}
          rows={result.diagnostics}
        />
      )}
    </EachRun>
  ),
}
