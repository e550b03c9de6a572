/** Outcomes in words, the same in every format. */
import { printable } from '../../printable.js'
import { grouped, significant } from '../terminal.js'
import type { Outcome, Status } from './decide.js'
import type { Quantity } from './requirement.js'

export const statusWords: Readonly<Record<Status, string>> = {
  met: 'met',
  'not-met': 'not met',
  undecided: 'undecided, which counts as not met',
}

/** `0.4712` as 47.12 %; differences in points. Enough digits to tell a number from the threshold beside it. */
const written: Readonly<Record<Quantity, (value: number) => string>> = {
  share: value => `${(100 * value).toFixed(2)} %`,
  difference: value => `${(100 * value).toFixed(2)} points`,
  count: grouped,
  distance: significant,
}

export function measuredText({ measured, quantity }: Outcome): string {
  return measured === null ? 'without end' : written[quantity](measured)
}

export function intervalText({ interval, quantity }: Outcome): string {
  if (interval === null) return ''
  const [low, high] = interval.map(end => (end === null ? 'no limit' : written[quantity](end)))
  return `${low} to ${high}`
}

/** `robust >= 0.45 is undecided, …: 47.00 % of 1,000 samples (43.87 % to 50.15 % at 95 %), …`, one paragraph. */
export function outcomeText(outcome: Outcome): string {
  const { requirement, status, count, interval, pairs } = outcome
  const samples = `${grouped(count)} ${count === 1 ? 'sample' : 'samples'}`
  const range = interval === null ? '' : ` (${intervalText(outcome)} at 95 %)`
  const test =
    pairs === undefined
      ? ''
      : `; lost ${grouped(pairs.onlyFirst)}, won ${grouped(pairs.onlySecond)} samples, McNemar p = ${significant(pairs.probability)}`
  return printable(
    `${requirement} is ${statusWords[status]}: ${measuredText(outcome)} on ${samples}${range}${byText(outcome)}${test}.${moreText(outcome)}`,
    4000,
  )
}

function byText({ by, status, quantity, decidedBy, interval }: Outcome): string {
  if (by === null) return ''
  const what = decidedBy === 'point' || interval === null ? 'it' : 'the interval'
  const amount = quantity === 'share' ? `${(100 * by).toFixed(2)} points` : written[quantity](by)
  if (status === 'met') return by === 0 ? ', just so' : `, ${amount} to spare`
  return status === 'undecided'
    ? `, ${what} reaches ${amount} beyond the threshold`
    : `, ${what} misses it by ${amount}`
}

function moreText({ status, moreSamples }: Outcome): string {
  if (status !== 'undecided') return ''
  if (moreSamples === null) return ' More samples at this rate would not decide it.'
  return ` Some ${grouped(moreSamples)} more samples at this rate would decide it.`
}
