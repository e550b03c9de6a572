/** Paths into JSON: `predictions`, `outputs[0].data`, `results[*].scores`, `["odd name"].x`; `$` in front means the whole answer. */

type Step = { readonly key: string } | { readonly index: number } | 'each'

const token = /^(?:\.?([A-Za-z_][\w-]*)|\[(\d{1,9})\]|\[(\*)\]|\["([^"\]]*)"\])/

/** The steps of a path; a text says what is wrong with it. */
export function parsePath(text: string): readonly Step[] | string {
  let rest = text.trim().replace(/^\$(?=$|[.[])/, '')
  const steps: Step[] = []
  while (rest !== '') {
    const match = token.exec(rest)
    if (match === null) return `is not a path at "${rest.slice(0, 20)}": names, [0], [*] and ["name"] make a path`
    const [whole, name, index, each, quoted] = match
    if (index !== undefined) steps.push({ index: Number(index) })
    else if (each !== undefined) steps.push('each')
    else steps.push({ key: (name ?? quoted)! })
    rest = rest.slice(whole.length)
  }
  return steps
}

/** What lies at the path; undefined where nothing does. `[*]` gives the list of what lies at the rest of the path in each element. */
export function at(value: unknown, [step, ...rest]: readonly Step[]): unknown {
  if (step === undefined) return value
  if (step === 'each') {
    if (!Array.isArray(value)) return undefined
    const all = value.map(inner => at(inner, rest))
    return all.includes(undefined) ? undefined : all
  }
  if ('index' in step) return Array.isArray(value) ? at(value[step.index], rest) : undefined
  if (value === null || typeof value !== 'object' || !Object.hasOwn(value, step.key)) return undefined
  return at((value as Record<string, unknown>)[step.key], rest)
}
