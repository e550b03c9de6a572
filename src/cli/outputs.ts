/** Files that results are written to, in the format that their ending names. */
import { existsSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { RobustlyError } from '../errors.js'
import { appendText, replaceText } from '../jobs/files.js'
import { readRun } from '../jobs/read-run.js'
import { printable } from '../printable.js'
import type { Outcome } from '../report/gate/decide.js'
import { annotations } from '../report/github.js'
import type { ReportFormat } from '../report/index.js'
import { renderMarkdown } from '../report/markdown.js'
import type { Result } from '../report/schema.js'
import type { Environment } from './environment.js'

export interface Output<Format> {
  readonly path: string
  readonly format: Format
}

/** The place of an output, checked before any work begins; `-` is the first format on stdout. Throws `usage`. */
export function checkOutput<Format extends { readonly ending: string }>(
  path: string,
  formats: readonly Format[],
): Output<Format> {
  const format = path === '-' ? formats[0] : formats.find(({ ending }) => path.toLowerCase().endsWith(ending))
  if (format === undefined) {
    const endings = formats.map(({ ending }) => ending).join(', ')
    throw new RobustlyError('usage', `the ending of ${printable(path)} names no format; supported are ${endings}`)
  }
  if (path !== '-') checkPlace(path)
  return { path, format }
}

/** Throws `usage` for a folder, or a file in a folder that is not there. */
export function checkPlace(path: string): void {
  if (existsSync(path) && statSync(path).isDirectory()) {
    throw new RobustlyError('usage', `${printable(path)} is a folder`, { hint: 'Name a file in it.' })
  }
  if (!existsSync(dirname(resolve(path)))) {
    throw new RobustlyError('usage', `the folder of ${printable(path)} does not exist`, { hint: 'Make it first.' })
  }
}

interface Results {
  readonly result: Result
  /** Run folder, undefined when only the result is at hand. */
  readonly folder: string | undefined
  readonly outcomes: readonly Outcome[]
}

/** Writes the files, and tells GitHub Actions where it runs this. */
export async function writeResults(
  outputs: readonly Output<ReportFormat>[],
  { result, folder, outcomes }: Results,
  environment: Environment,
): Promise<void> {
  const wanted = folder !== undefined && outputs.some(({ format }) => format.wantsRun)
  const run = wanted ? await readRun(folder) : undefined
  for (const { path, format } of outputs) {
    if (path !== '-') replaceText(path, format.render(result, run, outcomes))
  }
  tellGithub(environment, annotations(result, outcomes), renderMarkdown(result, outcomes))
}

/** Annotations to stderr, which the runner reads too; the summary beside what other steps have written. */
export function tellGithub({ variables, stderr }: Environment, lines: string, summary: string): void {
  const { GITHUB_ACTIONS, GITHUB_STEP_SUMMARY } = variables
  if (GITHUB_ACTIONS !== 'true') return
  stderr.write(lines)
  if (GITHUB_STEP_SUMMARY) appendText(GITHUB_STEP_SUMMARY, `${summary}\n`)
}
