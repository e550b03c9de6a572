/** The result as Markdown, for pull requests and summaries. */

import { printable } from '../printable.js'
import { constraintsText } from './constraints.js'
import type { Outcome, Status } from './gate/decide.js'
import { intervalText, measuredText, outcomeText, statusWords } from './gate/words.js'
import type { Result } from './schema.js'
import { duration, grouped, percent, significant } from './terminal.js'

/** Not shown: whoever writes the comment finds the one of last time by it. */
export const marker = '<!-- robustly:result -->'

export function renderMarkdown(result: Result, outcomes: readonly Outcome[] = []): string {
  const { model, data, threat, accuracy } = result
  const box = threat.box === null ? 'no box' : `box [${threat.box[0]}, ${threat.box[1]}]`
  const limits = [box, constraintsText(threat)].filter(text => text !== undefined).join('; ')
  const rates = (['standard', 'robust', 'certified'] as const).flatMap(name => {
    const rate = accuracy[name]
    if (rate === null) return []
    const interval = `${percent(rate.interval[0], 1, false)} – ${percent(rate.interval[1], 1)}`
    return [
      `| ${name} | ${percent(rate.value, 2)} | ${interval} | ${grouped(rate.correct)} of ${grouped(rate.count)} |`,
    ]
  })
  const attacks = result.attacks.map(({ name, attempted, broken, robustAfter, queries, seconds }) => {
    const numbers = [attempted, broken, robustAfter, queries.forward, queries.gradient].map(grouped)
    return `| ${[escaped(name), ...numbers, duration(seconds)].join(' | ')} |`
  })
  const warnings = result.warnings.map(warning => `- ${escaped(warning)}`)
  return `${[
    marker,
    `## Robustness of ${escaped(model.file)}`,
    '',
    `${escaped(data.file)}, samples ${data.range[0]} to ${data.range[1] - 1}; ${threat.norm}, epsilon ${escaped(threat.epsilon)}, ${limits}; seed ${result.seed}; robustly ${escaped(result.tool.version)}`,
    '',
    ...requirementLines(outcomes),
    '| accuracy | value | 95 % interval | samples |',
    '| --- | ---: | ---: | ---: |',
    ...rates,
    '',
    '| attack | attempted | broken | left | forward queries | gradient queries | time |',
    '| --- | ---: | ---: | ---: | ---: | ---: | ---: |',
    ...attacks,
    ...distanceLines(result),
    ...(warnings.length > 0 ? ['', '**Warnings**', '', ...warnings] : []),
  ].join('\n')}\n`
}

const signs: Readonly<Record<Status, string>> = { met: '✅', 'not-met': '❌', undecided: '⚠️' }

function requirementLines(outcomes: readonly Outcome[]): string[] {
  if (outcomes.length === 0) return []
  const rows = outcomes.map(outcome => {
    const cells = [outcome.requirement, statusWords[outcome.status], measuredText(outcome), intervalText(outcome)]
    return `| ${signs[outcome.status]} ${cells.map(escaped).join(' | ')} |`
  })
  const missed = outcomes.filter(({ status }) => status !== 'met').map(outcome => `- ${escaped(outcomeText(outcome))}`)
  return [
    '| requirement | | measured | 95 % interval |',
    '| --- | --- | ---: | ---: |',
    ...rows,
    '',
    ...(missed.length === 0 ? [] : [...missed, '']),
  ]
}

function distanceLines({ distances }: Result): string[] {
  if (distances === undefined) return []
  const { norm, median, quantiles, attacks, withoutDistance } = distances
  const text = (value: number | null) => (value === null ? '–' : significant(value))
  const share = (value: number | null) => (value === null ? '–' : percent(value, 1))
  return [
    '',
    `Median distance ${text(median)} (${norm}, an upper bound; ${grouped(withoutDistance)} samples never broken).`,
    '',
    `| broken | ${quantiles.map(each => percent(each.share, 0)).join(' | ')} |`,
    `| --- |${' ---: |'.repeat(quantiles.length)}`,
    `| within | ${quantiles.map(each => text(each.distance)).join(' | ')} |`,
    '',
    '| attack | samples with a distance | median distance | optimality |',
    '| --- | ---: | ---: | ---: |',
    ...attacks.map(
      ({ name, found, median: own, optimality }) =>
        `| ${escaped(name)} | ${grouped(found)} | ${text(own)} | ${share(optimality)} |`,
    ),
  ]
}

/** Text from files must not become markup, a link, a mention or a reference to an issue. */
export function escaped(text: string): string {
  return printable(text, 1000)
    .replace(/[\\`*_{}[\]()#+!|~$-]/g, '\\$&')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('@', '&#64;')
    .replaceAll('://', '&#58;//')
    .replace(/\bwww\./gi, '$&&#8203;')
}
