/** One row for each accuracy, each requirement, each attack, and each point of the security curve, for spreadsheets. */
import type { Outcome } from './gate/decide.js'
import type { Result } from './schema.js'

const columns = [
  'row',
  'name',
  'count',
  'correct',
  'value',
  'low',
  'high',
  'attempted',
  'broken',
  'failed',
  'left',
] as const
const queryColumns = ['forward_queries', 'gradient_queries', 'seconds'] as const

export function renderCsv(result: Result, outcomes: readonly Outcome[] = []): string {
  const accuracies = (['standard', 'robust', 'certified'] as const).flatMap(name => {
    const rate = result.accuracy[name]
    if (rate === null) return []
    const { count, correct, value, interval } = rate
    return [['accuracy', name, count, correct, value, interval[0], interval[1]]]
  })
  const requirements = outcomes.map(({ requirement, status, count, measured, interval }) => {
    const [low, high] = interval ?? ['', '']
    return [`requirement ${status}`, requirement, count, '', measured ?? '', low ?? '', high ?? '']
  })
  const attacks = result.attacks.map(({ name, attempted, broken, failed, robustAfter, queries, seconds }) => {
    const { forward, gradient } = queries
    return ['attack', name, '', '', '', '', '', attempted, broken, failed, robustAfter, forward, gradient, seconds]
  })
  const { quantiles, curve } = result.distances ?? { quantiles: [], curve: [] }
  const distances = [
    ...quantiles.map(({ share, distance }) => ['distance', `broken ${share}`, '', '', distance ?? '']),
    ...curve.map(({ epsilon, robust }) => ['curve', `epsilon ${epsilon}`, '', '', robust]),
  ]
  const header = [...columns, ...queryColumns]
  return [header, ...accuracies, ...requirements, ...attacks, ...distances]
    .map(row => header.map((_, at) => field(row[at] ?? '')).join(','))
    .map(line => `${line}\r\n`)
    .join('')
}

/** Text that a spreadsheet would run as a formula gets an apostrophe in front. */
export function field(value: string | number): string {
  if (typeof value === 'number') return String(value)
  const safe = /^\s*[=+\-@\t\r]/.test(value) ? `'${value}` : value
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
}
