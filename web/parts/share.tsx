/** A rate as a bar with its interval: percentages that can be compared at a glance down a column. */
import { percent } from '../data/words.js'

interface RateLike {
  readonly value: number
  readonly interval: readonly [number, number] | readonly number[]
}

export function RateBar({ rate, tone }: { readonly rate: RateLike; readonly tone: 'standard' | 'robust' }) {
  const [low = 0, high = 1] = rate.interval
  return (
    <span class="rate">
      <span class="rate-value">{percent(rate.value, 1)}</span>
      <span class={`rate-bar ${tone}`} aria-hidden="true">
        <span class="fill" style={{ width: `${100 * rate.value}%` }} />
        <span class="whisker" style={{ left: `${100 * low}%`, width: `${100 * (high - low)}%` }} />
      </span>
    </span>
  )
}

export function intervalText([low = 0, high = 1]: readonly number[]): string {
  return `${percent(low, 1, false)} – ${percent(high, 1)}`
}
