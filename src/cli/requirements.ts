/** Requirements on the command line: the option, how their outcomes are told, and the exit code. */
import type { Outcome, Status } from '../report/gate/decide.js'
import { metrics, ofAttack, parseRequirement, type Requirement } from '../report/gate/requirement.js'
import { outcomeText } from '../report/gate/words.js'
import { wrapped } from '../report/terminal.js'
import { type Environment, hasColor, hasUnicode } from './environment.js'

export const requirementHelp = `
Metrics:
${[...metrics].map(([name, { meaning }]) => `  ${name.padEnd(16)}  ${meaning}`).join('\n')}
  ${`ATTACK${ofAttack.ending}`.padEnd(16)}  ${ofAttack.meaning}`

/** May be given several times. */
export function requirement(text: string, before: readonly Requirement[] = []): Requirement[] {
  return [...before, parseRequirement(text)]
}

const signs: Readonly<Record<Status, readonly [unicode: string, ascii: string, color: string]>> = {
  met: ['✓', '+', '32'],
  'not-met': ['✗', 'x', '31'],
  undecided: ['?', '?', '33'],
}

/** A paragraph for each, as wide as the terminal. */
export function outcomeLines(outcomes: readonly Outcome[], environment: Environment): string {
  const color = hasColor(environment, environment.stdout)
  const column = hasUnicode(environment) ? 0 : 1
  const lines = outcomes.map(outcome => {
    const [sign, code] = [signs[outcome.status][column]!, signs[outcome.status][2]]
    const width = Math.max(20, environment.stdout.columns ?? Number.POSITIVE_INFINITY) - 4
    const text = Number.isFinite(width) ? wrapped(outcomeText(outcome), width).join('\n    ') : outcomeText(outcome)
    return `  ${color ? `\u001b[${code}m${sign}\u001b[0m` : sign} ${text}\n`
  })
  return `\n${lines.join('')}`
}

/** 1 unless all are met. */
export function outcomeCode(outcomes: readonly Outcome[]): number {
  return outcomes.every(({ status }) => status === 'met') ? 0 : 1
}
