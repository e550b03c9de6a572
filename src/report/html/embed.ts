/** Data inside a page: as JSON that no HTML parser mistakes for markup, whatever the texts in it are. */

/**
 * JSON for a `<script type="application/json">`. Inside a script only `</script` and `<!--` end or change what is read, so `<`
 * is written as an escape; U+2028 and U+2029 too, which older parsers take for line ends.
 */
export function embedded(value: unknown): string {
  return JSON.stringify(value).replace(/[<\u2028\u2029]/g, escapeOf)
}

function escapeOf(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}

export function dataElement(id: string, value: unknown): string {
  return `<script type="application/json" id="${id}">${embedded(value)}</script>`
}
