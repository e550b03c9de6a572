/**
 * JSON as data from strangers: like `JSON.parse`, but names that are given twice and nesting without end are errors, and errors name
 * the line. With `comments`, also comments and a comma behind the last element (JSONC, as editors write it).
 */

export interface JsonOptions {
  readonly comments?: boolean
}

/** No config needs to be deeper. */
export const deepest = 32

/** Throws SyntaxError with line and column. Objects have own properties only, whatever they are called. */
export function parseJson(text: string, { comments = false }: JsonOptions = {}): unknown {
  let at = text.startsWith('\ufeff') ? 1 : 0
  const value = read(0)
  skip()
  if (at < text.length) fail(`expected the end, got ${shown()}`)
  return value

  function read(depth: number): unknown {
    if (depth > deepest) fail(`nested deeper than ${deepest} levels`)
    skip()
    if (text[at] === '{') return readObject(depth)
    if (text[at] === '[') return readArray(depth)
    return readScalar()
  }

  function readObject(depth: number): object {
    const entries = new Map<string, unknown>()
    readList('}', () => {
      if (text[at] !== '"') fail(`expected a name in double quotes, got ${shown()}`)
      const name = readScalar() as string
      if (entries.has(name)) fail(`${JSON.stringify(name)} is given twice`)
      skip()
      if (text[at] !== ':') fail(`expected ":", got ${shown()}`)
      at++
      entries.set(name, read(depth + 1))
    })
    return Object.fromEntries(entries)
  }

  function readArray(depth: number): unknown[] {
    const items: unknown[] = []
    readList(']', () => items.push(read(depth + 1)))
    return items
  }

  function readList(end: string, readItem: () => void): void {
    at++
    for (let first = true; ; first = false) {
      skip()
      if (text[at] === end && first) break
      if (!first) {
        if (text[at] === end) break
        if (text[at] !== ',') fail(`expected "," or "${end}", got ${shown()}`)
        at++
        skip()
        if (comments && text[at] === end) break
      }
      readItem()
    }
    at++
  }

  /** Everything without parts is left to `JSON.parse`. */
  function readScalar(): unknown {
    const end = text[at] === '"' ? endOfString() : endOf(/[-+.\w]*/y)
    const word = text.slice(at, end)
    if (word === '') return fail(`expected a value, got ${shown()}`)
    try {
      const value: unknown = JSON.parse(word)
      at = end
      return value
    } catch {
      return fail(`${word.slice(0, 40)} is no JSON value`)
    }
  }

  function endOfString(): number {
    let end = at + 1
    while (end < text.length && text[end] !== '"' && text[end] !== '\n') end += text[end] === '\\' ? 2 : 1
    return end + 1
  }

  function skip(): void {
    for (let before = -1; before !== at; ) {
      before = at
      at = endOf(/[ \t\r\n]*/y)
      if (!comments) continue
      at = endOf(/(?:\/\/[^\n]*)?/y)
      if (text.startsWith('/*', at)) at = afterComment()
    }
  }

  function afterComment(): number {
    const end = text.indexOf('*/', at + 2)
    return end < 0 ? fail('the comment that begins here does not end') : end + 2
  }

  function endOf(pattern: RegExp): number {
    pattern.lastIndex = at
    return at + (pattern.exec(text)?.[0].length ?? 0)
  }

  function shown(): string {
    return at < text.length ? JSON.stringify(String.fromCodePoint(text.codePointAt(at)!)) : 'the end of the file'
  }

  function fail(message: string): never {
    const before = text.slice(0, at).split('\n')
    throw new SyntaxError(`line ${before.length}, column ${before.at(-1)!.length + 1}: ${message}`)
  }
}
