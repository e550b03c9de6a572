/** Traces of searches as columns of the page: of long ones, queries spread evenly over them. */
import type { AttackTrace } from '../../evaluate/trace.js'
import { floats, integers } from './columns.js'
import type { Trace } from './document.js'
import { spread } from './gallery.js'

/** More points than this are one line to the eye. */
const mostDrawn = 400

/** `attacks` are the names in the order of the result; what is none of them is left out. */
export function embeddedTrace(
  { reproduced, attacks: traced }: { readonly reproduced: boolean; readonly attacks: readonly AttackTrace[] },
  attacks: readonly string[],
): Trace {
  const known = traced.filter(({ attack, margin }) => attacks.includes(attack) && margin.length > 0)
  return {
    reproduced,
    attacks: known.map(({ attack, margin, loss, distance }) => {
      const last = margin.length - 1
      const kept = [...new Set([...spread(margin.length, mostDrawn), last])]
      const column = (values: readonly (number | null)[]) => floats(kept.map(at => values[at] ?? Number.NaN))
      return {
        attack: attacks.indexOf(attack),
        queries: margin.length,
        query: integers(kept.map(at => at + 1)),
        margin: column(margin),
        loss: loss.every(value => value === null) ? null : column(loss),
        distance: column(distance),
      }
    }),
  }
}
