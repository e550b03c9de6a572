/**
 * The HTML report: one file that opens from disk and asks nothing of any network. The page itself (`web/`) is built
 * once with the program; a report is that page with the data of the runs put into it.
 */
import { readFileSync } from 'node:fs'
import { compiledEntry } from '../../runtime/process.js'
import type { Result } from '../schema.js'
import { attackFacts } from './attack-facts.js'
import { elements, type ReportDocument, type RunData } from './document.js'
import { dataElement } from './embed.js'

/** Where the built page wants its data. */
const place = '<!--robustly:data-->'

/** One page for one run or several side by side. Throws `internal` when the page was not built. */
export function renderHtml(runs: readonly RunData[]): string {
  const documents = withDifferentNames(runs.map(run => run.document))
  const page: ReportDocument = { version: 1, tool: documents[0]!.result.tool, runs: documents }
  const data = [
    dataElement(elements.document, page),
    ...runs.flatMap(({ samples }, at) => (samples.length === 0 ? [] : [dataElement(elements.samples(at), samples)])),
  ]
  const [before, after] = template().split(place)
  return `${before}${data.join('\n')}${after}`
}

/** What can be shown when nothing but the result is at hand. */
export function withoutRecords(result: Result): RunData {
  const document = {
    name: result.model.file,
    created: null,
    result,
    command: null,
    replay: null,
    classNames: null,
    attacks: attackFacts(result),
    records: null,
    gallery: null,
  }
  return { document, samples: [] }
}

let built: string | undefined

function template(): string {
  built ??= readFileSync(compiledEntry(import.meta.url, './template.html'), 'utf8')
  return built
}

/** People tell runs apart by their names: the second of the same name gets a number. */
function withDifferentNames<T extends { readonly name: string }>(documents: readonly T[]): T[] {
  const taken = new Set<string>()
  return documents.map(document => {
    let name = document.name
    for (let count = 2; taken.has(name); count++) name = `${document.name} (${count})`
    taken.add(name)
    return { ...document, name }
  })
}
