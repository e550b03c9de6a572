/** The table of report formats that files can have, by their ending. */
import { renderCsv } from './csv.js'
import { renderMarkdown } from './markdown.js'
import type { Result } from './schema.js'

export interface ReportFormat {
  readonly ending: string
  readonly description: string
  render(result: Result): string
}

export const reportFormats: readonly ReportFormat[] = [
  { ending: '.json', description: 'everything, versioned', render: result => `${JSON.stringify(result, null, 2)}\n` },
  { ending: '.csv', description: 'accuracies and attacks', render: renderCsv },
  { ending: '.md', description: 'a summary', render: renderMarkdown },
]
