/** A strict reader of the XML that this program writes: elements, attributes and text; everything else is an error. */

export interface XmlElement {
  readonly name: string
  readonly attributes: Readonly<Record<string, string>>
  readonly children: readonly XmlElement[]
  readonly text: string
}

const entities: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" }

function decode(text: string): string {
  if (/[^\t\n\r\u{20}-\u{d7ff}\u{e000}-\u{fffd}\u{10000}-\u{10ffff}]/u.test(text))
    throw new Error('an illegal character')
  if (/<|&(?!(?:amp|lt|gt|quot|apos|#\d+);)|\]\]>/.test(text)) throw new Error(`unescaped: ${text}`)
  return text.replace(/&(#?\w+);/g, (_, name: string) =>
    name.startsWith('#') ? String.fromCodePoint(Number(name.slice(1))) : entities[name]!,
  )
}

export function parseXml(source: string): XmlElement {
  const declaration = '<?xml version="1.0" encoding="UTF-8"?>\n'
  if (!source.startsWith(declaration)) throw new Error('no declaration')
  type Open = { name: string; attributes: Record<string, string>; children: XmlElement[]; text: string }
  const stack: Open[] = [{ name: '', attributes: {}, children: [], text: '' }]
  const token = /<(\/?)([a-z-]+)((?: [a-z]+="[^"<]*")*)(\/?)>|([^<]+)/gy
  token.lastIndex = declaration.length
  while (token.lastIndex < source.length) {
    const match = token.exec(source)
    if (match === null) throw new Error('not well-formed')
    const [, closing, name, written, empty, text] = match
    const top = stack.at(-1)!
    if (text !== undefined) top.text += decode(text)
    else if (closing === '/') {
      if (stack.pop()!.name !== name) throw new Error(`</${name}> closes another element`)
      stack.at(-1)!.children.push(top)
    } else {
      const attributes = Object.fromEntries(
        [...written!.matchAll(/ ([a-z]+)="([^"]*)"/g)].map(([, key, value]) => [key!, decode(value!)]),
      )
      const element = { name: name!, attributes, children: [], text: '' }
      if (empty === '/') top.children.push(element)
      else stack.push(element)
    }
  }
  const [root] = stack[0]!.children
  if (stack.length !== 1 || stack[0]!.children.length !== 1 || root === undefined) throw new Error('no single root')
  return root
}
