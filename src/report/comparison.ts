/** A comparison of two runs, and how it looks in a terminal and in Markdown. */
import { printable } from '../printable.js'
import { escaped } from './markdown.js'
import type { Result } from './schema.js'
import { grouped, significant } from './terminal.js'

export interface Compared {
  /** Samples that both runs tell this of. */
  readonly count: number
  /** Rates on these samples. */
  readonly first: number
  readonly second: number
  /** Rate of the second minus rate of the first. */
  readonly difference: number
  /** 95 % confidence interval of the difference. */
  readonly interval: readonly [number, number]
  /** McNemar's exact test. */
  readonly probability: number
  /** Samples that only the first has right, and that only the second has, by index. */
  readonly lost: readonly number[]
  readonly won: readonly number[]
}

export interface Comparison {
  readonly runs: readonly [Side, Side]
  readonly threat: Result['threat']
  readonly data: { readonly file: string; readonly sha256: string }
  readonly standard: Compared
  /** Without the samples that have no verdict in one of the runs. */
  readonly robust: Compared
  readonly withoutVerdict: number
}

export interface Side {
  readonly name: string
  readonly model: string
  readonly sha256: string
  readonly samples: readonly number[]
  readonly suite: string
  readonly attacks: readonly string[]
  readonly seed: number
  readonly version: string
}

/** Indices that are written out; JSON holds all. */
const shown = 20

export function comparisonJson(comparison: Comparison): string {
  return `${JSON.stringify({ schemaVersion: 1, ...comparison }, null, 2)}\n`
}

const percentOf = (value: number) => `${(100 * value).toFixed(2)} %`
const points = (value: number) => `${value > 0 ? '+' : ''}${(100 * value).toFixed(2)}`

function rowsOf({ standard, robust }: Comparison): string[][] {
  return (
    [
      ['standard', standard],
      ['robust', robust],
    ] as const
  ).map(([name, { count, first, second, difference, interval, probability, lost, won }]) => [
    name,
    grouped(count),
    percentOf(first),
    percentOf(second),
    points(difference),
    `${points(interval[0])} to ${points(interval[1])}`,
    grouped(lost.length),
    grouped(won.length),
    probability < 0.0001 ? '< 0.0001' : significant(probability),
  ])
}

const titles = ['accuracy', 'samples', 'first', 'second', 'points', '95 % interval', 'lost', 'won', 'McNemar p']

function notesOf({ robust, withoutVerdict, runs }: Comparison): string[] {
  const list = (indices: readonly number[]) =>
    `${indices.slice(0, shown).join(', ')}${indices.length > shown ? `, and ${grouped(indices.length - shown)} more` : ''}`
  const [first, second] = runs.map(({ attacks }) => attacks.join(', '))
  return [
    ...(robust.lost.length > 0 ? [`Robust only in the first: samples ${list(robust.lost)}.`] : []),
    ...(robust.won.length > 0 ? [`Robust only in the second: samples ${list(robust.won)}.`] : []),
    ...(withoutVerdict > 0
      ? [`${grouped(withoutVerdict)} samples without a verdict in one of the runs are left out of the robust accuracy.`]
      : []),
    ...(first === second
      ? []
      : [`The attacks differ: ${first} against ${second}. The stronger ones lower what they met.`]),
  ]
}

/** Lines for a terminal, with a newline at the end. */
export function comparisonText(comparison: Comparison): string {
  const rows = [titles, ...rowsOf(comparison)]
  const widths = titles.map((_, at) => Math.max(...rows.map(row => row[at]!.length)))
  const table = rows.map(row =>
    row.map((cell, at) => (at === 0 ? cell.padEnd(widths[at]!) : cell.padStart(widths[at]!))).join('  '),
  )
  const [first, second] = comparison.runs
  const { threat, data } = comparison
  const heading = [
    `first   ${first.model} (${first.name})`,
    `second  ${second.model} (${second.name})`,
    `on      ${data.file}, ${threat.norm} epsilon ${threat.epsilon}`,
  ]
  const lines = [...heading, '', ...table, '', ...notesOf(comparison)]
  return `\n${lines.map(line => `  ${printable(line, 1000).trimEnd()}`.trimEnd()).join('\n')}\n`
}

export function comparisonMarkdown(comparison: Comparison): string {
  const [first, second] = comparison.runs
  const { threat, data } = comparison
  const rows = rowsOf(comparison).map(cells => `| ${cells.map(escaped).join(' | ')} |`)
  const notes = notesOf(comparison).map(note => `- ${escaped(note)}`)
  return `${[
    '<!-- robustly:comparison -->',
    `## ${escaped(first.model)} against ${escaped(second.model)}`,
    '',
    `First ${escaped(first.name)}, second ${escaped(second.name)}; ${escaped(data.file)}; ${threat.norm}, epsilon ${escaped(threat.epsilon)}.`,
    '',
    `| ${titles.join(' | ')} |`,
    `| --- |${' ---: |'.repeat(titles.length - 1)}`,
    ...rows,
    ...(notes.length === 0 ? [] : ['', ...notes]),
  ].join('\n')}\n`
}
