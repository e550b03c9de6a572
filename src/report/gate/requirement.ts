/** A requirement as people write it, `robust >= 0.45` or `drop <= 1 % vs runs/main`, and what each metric is. */
import { RobustlyError } from '../../errors.js'
import { printable } from '../../printable.js'

export const comparisons = ['>=', '<=', '>', '<'] as const
export type ComparisonSign = (typeof comparisons)[number]

/** What a metric's numbers are: shares of samples, differences of such shares, counts, or distances in the norm of the threat model. */
export type Quantity = 'share' | 'difference' | 'count' | 'distance'

interface MetricEntry {
  readonly quantity: Quantity
  readonly meaning: string
}

/** Every metric but `ATTACK.robust`, which each attack of a run has. */
export const metrics: ReadonlyMap<string, MetricEntry> = new Map<string, MetricEntry>([
  ['standard', { quantity: 'share', meaning: 'standard accuracy' }],
  ['robust', { quantity: 'share', meaning: 'robust accuracy; a sample without a verdict is not robust' }],
  ['certified', { quantity: 'share', meaning: 'certified accuracy' }],
  ['drop', { quantity: 'difference', meaning: 'robust accuracy of the baseline minus that of the run' }],
  ['unknown', { quantity: 'count', meaning: 'samples without a verdict' }],
  [
    'median-distance',
    { quantity: 'distance', meaning: 'least epsilon at which at most half of all samples are robust' },
  ],
])
export const ofAttack = {
  ending: '.robust',
  meaning: 'share of all samples that are robust after this attack and, in a cascade, those before it',
} as const

export interface Requirement {
  /** As it was written, blanks put in order. */
  readonly text: string
  readonly metric: string
  /** The attack, of `ATTACK.robust`. */
  readonly attack?: string
  readonly quantity: Quantity
  readonly sign: ComparisonSign
  readonly threshold: number
  /** Path of a run folder or result.json. */
  readonly baseline?: string
}

const examples = "such as 'robust >= 0.45', 'standard >= 90 %' or 'drop <= 0.01 vs baseline.json'"

/** Longer than any requirement. */
const longest = 2000

/** Throws `usage`, saying which part cannot be read. */
export function parseRequirement(written: string): Requirement {
  const fail = (why: string, hint?: string): never => {
    throw new RobustlyError('usage', `the requirement "${printable(written, 200)}" cannot be read: ${why}`, {
      hint: hint ?? `Write METRIC, one of ${comparisons.join(' ')}, and a number, ${examples}.`,
    })
  }
  if (written.length > longest) return fail(`it is longer than ${longest} characters`)
  const match = /^\s*([^\s<>=!]+)\s*([<>=!]+)\s*([^\s%<>=!]+)\s*(%?)(?:\s+vs\s+(\S|\S.*\S))?\s*$/u.exec(written)
  if (match === null) return fail('it has another form')
  const [, metric, sign, number, percent, baseline] = match as unknown as string[]
  if (!isSign(sign!)) return fail(`"${printable(sign!, 20)}" is none of ${comparisons.join(' ')}`)
  const { quantity, attack } = metricOf(metric!, fail)
  const value = numberOf(number!)
  if (Number.isNaN(value)) return fail(`"${printable(number!, 40)}" is no number`)
  if (percent !== '' && quantity !== 'share' && quantity !== 'difference')
    return fail(`${metric} is not given in per cent`)
  const threshold = percent === '' ? value : value / 100
  const range = ranges[quantity]
  if (!range.holds(threshold)) return fail(`${metric} is ${range.says}`, range.hint?.(value))
  if (quantity === 'difference' && baseline === undefined) {
    return fail(`${metric} needs something to compare with`, `Add: vs PATH, a run folder or a result.json.`)
  }
  if (quantity !== 'difference' && baseline !== undefined) return fail(`only drop takes "vs", ${metric} stands alone`)
  const against = baseline === undefined ? '' : ` vs ${baseline}`
  return {
    text: `${metric} ${sign} ${number}${percent === '' ? '' : ' %'}${against}`,
    metric: metric!,
    quantity,
    sign: sign as ComparisonSign,
    threshold,
    ...(attack !== undefined && { attack }),
    ...(baseline !== undefined && { baseline }),
  }
}

function isSign(text: string): text is ComparisonSign {
  return comparisons.some(sign => sign === text)
}

function metricOf(name: string, fail: (why: string, hint: string) => never): { quantity: Quantity; attack?: string } {
  const entry = metrics.get(name)
  if (entry !== undefined) return { quantity: entry.quantity }
  if (name.endsWith(ofAttack.ending) && name.length > ofAttack.ending.length) {
    return { quantity: 'share', attack: name.slice(0, -ofAttack.ending.length) }
  }
  return fail(
    `there is no metric "${printable(name, 60)}"`,
    `There are: ${[...metrics.keys()].join(', ')}, and ATTACK${ofAttack.ending} for each attack of the run.`,
  )
}

/** `0.45`, `8/255`, `1e-3`; NaN for everything else. */
function numberOf(text: string): number {
  const decimal = /^[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?$/i
  const parts = text.split('/')
  if (parts.length > 2 || !parts.every(part => decimal.test(part))) return Number.NaN
  const value = parts.length === 1 ? Number(text) : Number(parts[0]) / Number(parts[1])
  return Number.isFinite(value) ? value : Number.NaN
}

interface Range {
  readonly holds: (value: number) => boolean
  readonly says: string
  readonly hint?: (value: number) => string | undefined
}

const asPercent = (value: number) => (Math.abs(value) <= 100 ? `Write ${value} % or ${value / 100}.` : undefined)
const ranges: Readonly<Record<Quantity, Range>> = {
  share: { holds: value => value >= 0 && value <= 1, says: 'a share between 0 and 1', hint: asPercent },
  difference: { holds: value => value >= -1 && value <= 1, says: 'a difference between -1 and 1', hint: asPercent },
  count: { holds: value => Number.isSafeInteger(value) && value >= 0, says: 'a whole number of samples' },
  distance: { holds: value => value >= 0, says: 'a distance, at least 0' },
}

/** A requirement as others may read it: where a baseline lies on this machine is nobody's business. */
export function shownText({ text, baseline }: Requirement): string {
  return baseline === undefined ? text : `${text.slice(0, -baseline.length)}${withoutFolders(baseline)}`
}

/** The last part of a path that starts at a root; other paths stay. */
export function withoutFolders(path: string): string {
  if (!/^(?:[/\\]|[a-z]:)/i.test(path)) return path
  return path.split(/[/\\]/).filter(Boolean).at(-1) ?? ''
}
