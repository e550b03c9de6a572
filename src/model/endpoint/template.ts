/**
 * The body of a request with values standing for what is sent: `"$samples"` (all of a request) or `"$sample"` (one), `"$shape"` and
 * `"$count"`. `"$samples.NAME"` stands for what the data bind to the input NAME, which is not attacked; so do the others.
 */

export interface Placeholder {
  readonly of: 'samples' | 'sample' | 'shape' | 'count'
  /** The input that is not attacked; undefined: the one that is. */
  readonly input: string | undefined
}

/** Placeholders of a template, in order. */
export function placeholdersIn(template: unknown): Placeholder[] {
  if (typeof template === 'string') return [placeholderIn(template) ?? []].flat()
  if (template === null || typeof template !== 'object') return []
  return Object.values(template).flatMap(placeholdersIn)
}

/** The template as JSON, with texts of JSON in the place of its placeholders. */
export function filled(template: unknown, textOf: (placeholder: Placeholder) => string): string {
  const inside = (inner: unknown) => filled(inner, textOf)
  if (typeof template === 'string') {
    const placeholder = placeholderIn(template)
    return placeholder === undefined ? JSON.stringify(template) : textOf(placeholder)
  }
  if (Array.isArray(template)) return `[${template.map(inside).join(',')}]`
  if (template === null || typeof template !== 'object') return JSON.stringify(template)
  const members = Object.entries(template).map(([key, inner]) => `${JSON.stringify(key)}:${inside(inner)}`)
  return `{${members.join(',')}}`
}

function placeholderIn(text: string): Placeholder | undefined {
  const match = /^\$(samples|sample|shape|count)(?:\.(.+))?$/s.exec(text)
  return match === null ? undefined : { of: match[1] as Placeholder['of'], input: match[2] }
}
