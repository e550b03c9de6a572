/**
 * Text from files (names, keys, messages of libraries) made safe to print: no terminal escapes, no control characters,
 * no marks that reorder what is read. Renderers still escape for their own format (HTML, XML, Markdown).
 */

/** Longest text shown by default, in UTF-16 units; the rest is cut and marked with an ellipsis. */
const defaultLimit = 300

/** Runs of white space become one blank; ANSI sequences, C0 and C1 controls, bidi and zero-width marks are dropped. */
export function printable(text: string, limit = defaultLimit): string {
  const clean = text
    .replace(/[\t\n\v\f\r\u0085\u2028\u2029]+/gu, ' ')
    .replace(/\p{Cc}\][^\p{Cc}]*(?:\p{Cc}\\|\p{Cc})/gu, '') // OSC: window titles, hyperlinks
    .replace(/(?:\p{Cc}\[|\u009b)[0-?]*[ -/]*[@-~]/gu, '') // CSI: colours, cursor movement
    .replace(/[\p{Cc}\p{Bidi_Control}\u200b\ufeff]/gu, '')
    .replace(/\p{Cs}/gu, '\ufffd') // a lone surrogate
  return clean.length > limit ? `${clean.slice(0, limit)}…` : clean
}
