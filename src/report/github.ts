/** Annotations of GitHub Actions: lines that its runner turns into marks on the build. */
import type { Outcome } from './gate/decide.js'
import { outcomeText } from './gate/words.js'
import type { Result } from './schema.js'

/** One line for each requirement that is not met, and each warning. */
export function annotations(result: Result, outcomes: readonly Outcome[] = []): string {
  const requirements = outcomes
    .filter(({ status }) => status !== 'met')
    .map(outcome => command(outcome.status === 'not-met' ? 'error' : 'warning', 'Requirement', outcomeText(outcome)))
  const warnings = result.warnings.map(warning => command('warning', result.model.file, warning))
  return [...requirements, ...warnings].map(line => `${line}\n`).join('')
}

/** https://docs.github.com/actions/reference/workflow-commands: data escapes % and line ends, properties also : and , */
export function command(kind: 'error' | 'warning' | 'notice', title: string, text: string): string {
  const property = data(title).replaceAll(':', '%3A').replaceAll(',', '%2C')
  return `::${kind} title=${property}::${data(text)}`
}

function data(text: string): string {
  return text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A')
}
