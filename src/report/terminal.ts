/** The closing table for people: as wide as the terminal allows, in colour or not, in Unicode or plain ASCII. */
import { printable } from '../printable.js'
import { constraintsText } from './constraints.js'
import type { Result } from './schema.js'

export interface TerminalOptions {
  /** Columns; at least 20 are used. */
  readonly width: number
  readonly color: boolean
  readonly unicode: boolean
  /** Path of the run folder and the command that replays it. */
  readonly run?: { readonly folder: string; readonly replay: string } | undefined
}

/** Below so many columns nothing stands side by side. */
const narrowest = 40

interface Style extends TerminalOptions {
  readonly bold: (text: string) => string
  readonly dim: (text: string) => string
  readonly good: (text: string) => string
  readonly bad: (text: string) => string
  readonly caution: (text: string) => string
  readonly rule: string
  readonly dash: string
  readonly epsilon: string
  readonly times: string
}

/** The whole closing report, with a newline at its end. */
export function renderTerminal(result: Result, options: TerminalOptions): string {
  const style = styleOf(options)
  const blocks = [
    header(result, style),
    attackTable(result, style),
    accuracies(result, style),
    distanceLines(result, style),
    footer(result, style),
  ]
  return `\n${blocks
    .filter(lines => lines.length > 0)
    .map(lines => lines.join('\n'))
    .join('\n\n')}\n`
}

function styleOf(options: TerminalOptions): Style {
  const width = Math.max(20, Math.min(options.width, 100))
  const paint = (code: string) => (text: string) => (options.color ? `\u001b[${code}m${text}\u001b[0m` : text)
  const { unicode } = options
  return {
    ...options,
    width,
    bold: paint('1'),
    dim: paint('2'),
    good: paint('32'),
    bad: paint('31'),
    caution: paint('33'),
    rule: unicode ? '─' : '-',
    dash: unicode ? '–' : '-',
    epsilon: unicode ? 'ε' : 'epsilon',
    times: unicode ? '×' : 'x',
  }
}

function header(result: Result, style: Style): string[] {
  const { model, data, threat } = result
  const shape = model.inputShape.join(style.times)
  const samples = `${grouped(data.count)} samples (${data.range[0]}:${data.range[1]})`
  const box = threat.box === null ? 'no box' : `box [${threat.box[0]}, ${threat.box[1]}]`
  const attack = result.suite === 'custom' ? 'attacks as given' : `suite ${result.suite}`
  const asked =
    result.endpoint === undefined
      ? []
      : [`${grouped(result.endpoint.requests)} requests`, `${grouped(result.endpoint.rows)} rows`]
  const mode = result.mode === 'individual' ? [`each attack on every sample`] : []
  const kept = constraintsText(threat)
  const constraints = kept === undefined ? [] : [kept]
  const gradients = (result.surrogates ?? []).map(({ file }) => `gradients of ${file}`)
  const rows: [string, string[]][] = [
    [
      'Model',
      [
        model.file,
        ...(model.parameters === null ? [] : [`${grouped(model.parameters)} parameters`]),
        `${model.classes} classes`,
        shape,
        ...asked,
      ],
    ],
    ['Data', [data.file, samples]],
    [
      'Threat',
      [
        `${threat.norm} ${style.epsilon} = ${threat.epsilon}`,
        box,
        ...constraints,
        attack,
        ...mode,
        ...gradients,
        `seed ${result.seed}`,
      ],
    ],
  ]
  return rows.flatMap(([name, parts]) => {
    const [first, ...others] = parts.map(part => printable(part))
    if (style.width < narrowest) return titled(name, [first!, ...others].join(', '), style)
    const lines = flow([first!, ...others], style.width - 11, style.unicode ? ' · ' : ', ')
    return lines.map((line, at) => {
      const text = at === 0 ? style.bold(line.slice(0, first!.length)) + line.slice(first!.length) : line
      return `  ${style.dim((at === 0 ? name : '').padEnd(7))}  ${text}`
    })
  })
}

interface Column {
  readonly title: string
  readonly cell: (attack: Result['attacks'][number]) => string
  /** Columns of higher numbers go first when the terminal is narrow. */
  readonly spare: number
  readonly paint?: ((text: string) => string) | undefined
}

/** A title, and what belongs to it indented below. */
function titled(title: string, text: string, style: Style): string[] {
  return [`  ${title}`, ...wrapped(text, style.width - 4).map(line => style.dim(`    ${line}`))]
}

function attackTable(result: Result, style: Style): string[] {
  const { count } = result.data
  if (style.width < narrowest) {
    return result.attacks.flatMap(({ name, broken, robustAfter }) =>
      wrapped(`${printable(name, 24)}: ${grouped(broken)} broken, ${grouped(robustAfter)} left`, style.width - 2).map(
        line => `  ${line}`,
      ),
    )
  }
  const columns: Column[] = [
    { title: 'Attack', cell: attack => printable(attack.name, 24), spare: 0, paint: style.bold },
    { title: 'Attempted', cell: attack => grouped(attack.attempted), spare: 2 },
    { title: 'Broken', cell: attack => grouped(attack.broken), spare: 0, paint: style.bad },
    { title: 'Left', cell: attack => grouped(attack.robustAfter), spare: 0, paint: style.good },
    { title: 'of all', cell: attack => percent(attack.robustAfter / count, 1), spare: 1, paint: style.good },
    { title: 'Forward', cell: attack => short(attack.queries.forward), spare: 4, paint: style.dim },
    {
      title: 'Gradient',
      cell: attack => short((attack.transfer ?? attack).queries.gradient),
      spare: 3,
      paint: style.dim,
    },
    { title: 'Time', cell: attack => duration(attack.seconds), spare: 3, paint: style.dim },
  ]
  for (let spare = 5; ; spare--) {
    const shown = columns.filter(column => column.spare < spare)
    const widths = shown.map(({ title, cell }) =>
      Math.max(title.length, ...result.attacks.map(attack => cell(attack).length)),
    )
    const room = style.width - 4 - widths.reduce((sum, width) => sum + width, 0)
    const gap = Math.min(4, Math.floor(room / Math.max(1, shown.length - 1)))
    if (gap < 2 && spare > 1) continue
    const space = ' '.repeat(Math.max(1, gap))
    const line = (texts: readonly string[], paints: readonly (Column['paint'] | undefined)[]) =>
      `  ${texts
        .map((text, at) => {
          const padded = at === 0 ? text.padEnd(widths[at]!) : text.padStart(widths[at]!)
          return (paints[at] ?? (same => same))(padded)
        })
        .join(space)}`
    const total = widths.reduce((sum, width) => sum + width, 0) + space.length * (shown.length - 1)
    return [
      line(
        shown.map(column => column.title),
        shown.map(() => style.dim),
      ),
      `  ${style.dim(style.rule.repeat(total))}`,
      ...result.attacks.map(attack =>
        line(
          shown.map(column => column.cell(attack)),
          shown.map(column => column.paint),
        ),
      ),
    ]
  }
}

function accuracies(result: Result, style: Style): string[] {
  const { standard, robust } = result.accuracy
  const rows = [
    ['Standard accuracy', standard, style.bold],
    ['Robust accuracy', robust, robust.value >= 0.5 ? style.good : style.bad],
  ] as const
  const texts = rows.map(([name, rate, paint]) => {
    const { correct, count, value, interval } = rate
    const main = `  ${name.padEnd(17)}  ${paint(percent(value, 2).padStart(8))}`
    const range = `${percent(interval[0], 1, false)} ${style.dash} ${percent(interval[1], 1)}`
    return { value, main, range: `[${range}]`, counts: `${grouped(correct)} of ${grouped(count)}` }
  })
  if (style.width < narrowest) {
    return rows.flatMap(([name], at) =>
      titled(name, `${percent(rows[at]![1].value, 2)} ${texts[at]!.range} at 95 %`, style),
    )
  }
  const longest = (which: 'range' | 'counts') => Math.max(...texts.map(text => text[which].length))
  const narrow = style.width < mainWidth + longest('range') + 2
  if (narrow) return texts.flatMap(({ main, range }) => [main, style.dim(`    ${range} at 95 %`)])
  const room = style.width - mainWidth - longest('range') - 2
  const counted = room >= longest('counts') + 2
  const bar = Math.min(24, room - longest('counts') - 4)
  const lines = texts.map(({ value, main, range, counts }) => {
    const drawn = bar < 6 ? '' : `  ${barOf(value, bar, style)}`
    const ending = counted ? `${range.padEnd(longest('range'))}  ${counts.padStart(longest('counts'))}` : range
    return `${main}${drawn}  ${style.dim(ending)}`
  })
  const indent = ' '.repeat(style.width < 60 ? 2 : 21)
  return [...lines, style.dim(`${indent}in brackets: 95 % confidence interval`)]
}

/** The median distance, and a few points of the curve; of several attacks what each found. */
function distanceLines({ distances }: Result, style: Style): string[] {
  if (distances === undefined) return []
  const { norm, median, quantiles, attacks, withoutDistance } = distances
  const text = (value: number | null) => (value === null ? style.dash : significant(value))
  const without = withoutDistance === 0 ? [] : [`${grouped(withoutDistance)} samples never broken`]
  const points = quantiles.map(({ share, distance }) => `${percent(share, 0)} ${text(distance)}`)
  const each =
    attacks.length < 2
      ? []
      : attacks.map(({ name, median: own, optimality: of }) => {
          const optimality = of === null ? style.dash : percent(of, 1)
          return `${printable(name, 24)} ${text(own)} (optimality ${optimality})`
        })
  const narrow = style.width < 60
  const separator = style.unicode ? ' · ' : ', '
  const block = (title: string, words: readonly string[]) => {
    if (words.length === 0) return []
    if (narrow) return titled(title, words.join(separator), style)
    const lines = wrapped(words.join(separator), style.width - 21)
    return lines.map((line, at) => `  ${(at === 0 ? title : '').padEnd(17)}  ${style.dim(line)}`)
  }
  return [
    ...block('Median distance', [text(median), `${norm}, an upper bound`, ...without]),
    ...block('Broken within', points),
    ...block('Median by attack', each),
  ]
}

/** Three significant digits, as a plain number. */
export function significant(value: number): string {
  return String(Number(value.toPrecision(3)))
}

/** Columns of an accuracy's name and value. */
const mainWidth = 29

const eighths = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉']

function barOf(value: number, width: number, style: Style): string {
  if (!style.unicode) {
    const full = Math.round(value * width)
    return `${'#'.repeat(full)}${'.'.repeat(width - full)}`
  }
  const parts = Math.round(value * width * 8)
  const drawn = '█'.repeat(Math.floor(parts / 8)) + eighths[parts % 8]!
  return drawn + style.dim('·'.repeat(width - drawn.length))
}

function footer(result: Result, style: Style): string[] {
  const lines: string[] = []
  for (const warning of result.warnings) {
    const [first, ...others] = wrapped(printable(warning, 1000), style.width - 6)
    lines.push(`  ${style.caution('!')} ${first ?? ''}`, ...others.map(line => `    ${line}`))
  }
  if (style.run !== undefined) {
    if (lines.length > 0) lines.push('')
    // Never broken: they are there to be copied.
    lines.push(`  ${style.dim('Run   ')}  ${printable(style.run.folder, 1000)}`)
    lines.push(`  ${style.dim('Replay')}  ${printable(style.run.replay, 2000)}`)
  }
  return lines
}

/** Joins parts by a separator, into lines no longer than `width` where the parts allow it. */
function flow(parts: readonly string[], width: number, separator: string): string[] {
  const lines: string[] = []
  for (const part of parts) {
    const last = lines.at(-1)
    if (last !== undefined && last.length + separator.length + part.length <= width) {
      lines[lines.length - 1] = `${last}${separator}${part}`
    } else lines.push(part)
  }
  return lines
}

/** Lines of at most so many characters, broken between words where that can be; a number keeps its per cent. */
export function wrapped(text: string, width: number): string[] {
  return flow(
    text.split(/ (?!%)/).flatMap(word => word.match(new RegExp(`.{1,${width}}`, 'gu')) ?? []),
    width,
    ' ',
  )
}

/** 12345 as 12,345. The same everywhere: locales are not asked. */
export function grouped(value: number): string {
  return String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, ',')
}

/** Three digits and a unit: 812, 12.3k, 4.56M. */
export function short(value: number): string {
  const units = ['', 'k', 'M', 'G', 'T']
  let at = 0
  while (value >= 999.5 && at < units.length - 1) {
    value /= 1000
    at++
  }
  const digits = at === 0 ? 0 : value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2
  return `${value.toFixed(digits)}${units[at]}`
}

/** A share as per cent. Never rounded to 0 or 100 when it is not. */
export function percent(share: number, digits: number, sign = true): string {
  const step = 10 ** -digits
  let value = Math.round((share * 100) / step) * step
  if (share > 0 && value <= 0) value = step
  if (share < 1 && value >= 100) value = 100 - step
  return `${value.toFixed(digits)}${sign ? ' %' : ''}`
}

/** Seconds as people say them: 0.4 s, 12 s, 3 min 20 s, 2 h 5 min. */
export function duration(seconds: number): string {
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`
  const whole = Math.round(seconds)
  if (whole < 60) return `${whole} s`
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`
}
