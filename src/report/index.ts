/** The table of report formats that files can have, by their ending. */
import { renderCsv } from './csv.js'
import type { RunData } from './html/document.js'
import { renderHtml, withoutRecords } from './html/render.js'
import { renderMarkdown } from './markdown.js'
import type { Result } from './schema.js'

export interface ReportFormat {
  readonly ending: string
  readonly description: string
  /** Whether the run itself should be given, because the format shows records too. */
  readonly wantsRun?: true
  render(result: Result, run?: RunData): string
}

export const reportFormats: readonly ReportFormat[] = [
  { ending: '.json', description: 'everything, versioned', render: result => `${JSON.stringify(result, null, 2)}\n` },
  { ending: '.csv', description: 'accuracies and attacks', render: renderCsv },
  { ending: '.md', description: 'a summary', render: renderMarkdown },
  {
    ending: '.html',
    description: 'a page for people: figures, adversarial examples, provenance',
    wantsRun: true,
    render: (result, run) => renderHtml([run ?? withoutRecords(result)]),
  },
]
