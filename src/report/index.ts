/** The table of report formats that files can have, by their ending. */
import { renderCsv } from './csv.js'
import type { Outcome } from './gate/decide.js'
import type { RunData } from './html/document.js'
import { renderHtml, withoutRecords } from './html/render.js'
import { renderJunit } from './junit.js'
import { renderMarkdown } from './markdown.js'
import { renderSarif } from './sarif.js'
import type { Result } from './schema.js'

export interface ReportFormat {
  readonly ending: string
  readonly description: string
  /** Whether the run itself should be given, because the format shows records too. */
  readonly wantsRun?: true
  /** `outcomes`: of the requirements that the run was held to. */
  render(result: Result, run?: RunData, outcomes?: readonly Outcome[]): string
}

export const reportFormats: readonly ReportFormat[] = [
  {
    ending: '.json',
    description: 'everything, versioned',
    render: (result, _, outcomes) => `${JSON.stringify(held(result, outcomes), null, 2)}\n`,
  },
  {
    ending: '.csv',
    description: 'accuracies and attacks',
    render: (result, _, outcomes) => renderCsv(result, outcomes),
  },
  { ending: '.md', description: 'a comment', render: (result, _, outcomes) => renderMarkdown(result, outcomes) },
  { ending: '.junit.xml', description: 'tests', render: (result, _, outcomes) => renderJunit(result, outcomes) },
  { ending: '.sarif', description: 'findings', render: (result, _, outcomes) => renderSarif(result, outcomes) },
  {
    ending: '.html',
    description: 'a page for people: figures, adversarial examples, provenance',
    wantsRun: true,
    render: (result, run = withoutRecords(result), outcomes) =>
      renderHtml([{ ...run, document: { ...run.document, result: held(run.document.result, outcomes) } }]),
  },
]

/** The result with what it was held to, where it was held to anything. */
function held(result: Result, outcomes: readonly Outcome[] = []): Result {
  return outcomes.length === 0 ? result : { ...result, requirements: [...outcomes] }
}
