/**
 * JUnit XML, which build servers read: a suite of the requirements, and one for each attack with what it left standing. Requirements
 * about one attack stand in its suite. Without requirements nothing fails, for no number is wrong by itself.
 */
import type { Outcome } from './gate/decide.js'
import { outcomeText, statusWords } from './gate/words.js'
import type { Result } from './schema.js'
import { grouped, percent } from './terminal.js'

interface Case {
  readonly name: string
  readonly seconds: number
  readonly failure?: { readonly kind: 'failure' | 'error'; readonly type: string; readonly text: string }
  readonly output: string
}

interface Suite {
  readonly name: string
  readonly seconds: number
  readonly cases: readonly Case[]
}

export function renderJunit(result: Result, outcomes: readonly Outcome[] = []): string {
  const known = new Set(result.attacks.map(({ name }) => name))
  const general = outcomes.filter(({ attack }) => attack === null || !known.has(attack))
  const suites: Suite[] = [
    ...(general.length === 0 ? [] : [{ name: 'requirements', seconds: 0, cases: general.map(caseOf) }]),
    ...result.attacks.map(attack => ({
      name: attack.name,
      seconds: attack.seconds,
      cases: [attackCase(attack, result), ...outcomes.filter(outcome => outcome.attack === attack.name).map(caseOf)],
    })),
  ]
  const name = `robustly: ${result.model.file}`
  const seconds = suites.reduce((sum, suite) => sum + suite.seconds, 0)
  const counts = countsOf(suites.flatMap(({ cases }) => cases))
  const lines = [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites name="${escapeXml(name)}" ${counts} time="${seconds.toFixed(3)}">`,
    ...suites.flatMap(suite => suiteLines(suite, result)),
    '</testsuites>',
  ]
  return `${lines.join('\n')}\n`
}

function suiteLines({ name, seconds, cases }: Suite, { model, data, threat, tool }: Result): string[] {
  const properties: readonly (readonly [string, string])[] = [
    ['model', model.file],
    ['model.sha256', model.sha256],
    ['data', data.file],
    ['data.sha256', data.sha256],
    ['threat', `${threat.norm} ${threat.epsilon}`],
    ['robustly', tool.version],
  ]
  return [
    `  <testsuite name="${escapeXml(name)}" ${countsOf(cases)} time="${seconds.toFixed(3)}">`,
    '    <properties>',
    ...properties.map(([key, value]) => `      <property name="${key}" value="${escapeXml(value)}"/>`),
    '    </properties>',
    ...cases.flatMap(each => caseLines(each, name)),
    '  </testsuite>',
  ]
}

function caseLines({ name, seconds, failure, output }: Case, suite: string): string[] {
  const failed =
    failure === undefined
      ? []
      : [
          `      <${failure.kind} type="${escapeXml(failure.type)}" message="${escapeXml(failure.text)}">${escapeXml(failure.text)}</${failure.kind}>`,
        ]
  return [
    `    <testcase classname="${escapeXml(`robustly.${suite}`)}" name="${escapeXml(name)}" time="${seconds.toFixed(3)}">`,
    ...failed,
    `      <system-out>${escapeXml(output)}</system-out>`,
    '    </testcase>',
  ]
}

function caseOf(outcome: Outcome): Case {
  const text = outcomeText(outcome)
  const base = { name: outcome.requirement, seconds: 0, output: text }
  if (outcome.status === 'met') return base
  return { ...base, failure: { kind: 'failure', type: statusWords[outcome.status], text } }
}

/** An attack that ran has done its work; one that had to leave samples without a verdict has not. */
function attackCase(
  { name, attempted, broken, failed, robustAfter, seconds }: Result['attacks'][number],
  result: Result,
): Case {
  const left = `${percent(robustAfter / result.data.count, 2)} of all ${grouped(result.data.count)} samples left`
  const output = `${name}: attempted ${grouped(attempted)}, broken ${grouped(broken)}; ${left}`
  const base = { name: `${name} on ${grouped(attempted)} samples`, seconds, output }
  if (failed === 0) return base
  return {
    ...base,
    failure: { kind: 'error', type: 'without a verdict', text: `${grouped(failed)} samples without a verdict` },
  }
}

function countsOf(cases: readonly Case[]): string {
  const of = (kind: 'failure' | 'error') => cases.filter(({ failure }) => failure?.kind === kind).length
  return `tests="${cases.length}" failures="${of('failure')}" errors="${of('error')}"`
}

/** For text and attributes. What XML 1.0 cannot hold at all, even escaped, becomes the replacement character. */
export function escapeXml(text: string): string {
  return text
    .replace(/[^\t\n\r\u{20}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]/gu, '\ufffd')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&apos;')
    .replace(/[\t\n\r]/g, character => `&#${character.charCodeAt(0)};`)
}
