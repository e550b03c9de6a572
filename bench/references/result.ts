/** docs/reference/result.md, from the schema of results. */
import { z } from 'zod'
import { resultSchema } from '../../src/report/schema.js'
import { code, heading, prose, table } from './markdown.js'

interface Property {
  readonly type?: string | readonly string[]
  readonly const?: unknown
  readonly description?: string
  readonly enum?: readonly unknown[]
  readonly anyOf?: readonly Property[]
  readonly items?: Property | false
  readonly prefixItems?: readonly Property[]
  readonly properties?: Readonly<Record<string, Property>>
  readonly required?: readonly string[]
}

export function resultDocument(): string {
  const rows = fields(z.toJSONSchema(resultSchema) as Property, '')
  return `${[
    heading('result.json'),
    `What \`robustly evaluate\` writes into the run folder, prints with \`--json\` and gives with \`-o FILE.json\`. \`robustly schema result\` prints its JSON Schema. Fields
are added, never renamed or given another meaning, within a \`schemaVersion\`: readers should ignore what they do not know. Numbers are finite; what is not
known is \`null\` or absent.`,
    table(['field', 'type', 'always', ''], rows),
  ].join('\n\n')}\n`
}

/** One row for each field, those inside behind the one that holds them: `attacks[].name`. */
function fields({ properties = {}, required = [] }: Property, path: string): string[][] {
  return Object.entries(properties).flatMap(([name, property]) => {
    const place = `${path}${name}`
    const { inner, suffix } = insides(property)
    const always = required.includes(name) ? 'yes' : ''
    const own = [code(place), typeText(property), always, prose(property.description ?? '')]
    return [own, ...inner.flatMap(each => fields(each, `${place}${suffix}.`))]
  })
}

/** The objects that a value holds or is. */
function insides(property: Property): { inner: readonly Property[]; suffix: string } {
  const { items, anyOf } = property
  if (items) return { inner: items.properties === undefined ? [] : [items], suffix: '[]' }
  const kinds = (anyOf ?? [property]).filter(each => each.properties !== undefined)
  return { inner: kinds.slice(0, 1), suffix: '' }
}

function typeText({ type, const: value, enum: values, anyOf, items, prefixItems }: Property): string {
  if (value !== undefined) return code(JSON.stringify(value))
  if (values !== undefined) return values.map(each => code(String(each))).join(', ')
  if (anyOf !== undefined) return [...new Set(anyOf.map(typeText))].join(' or ')
  if (prefixItems !== undefined) return `[${prefixItems.map(typeText).join(', ')}]`
  if (items) return `list of ${typeText(items)}`
  return [type ?? 'any']
    .flat()
    .map(each => (each === 'integer' ? 'whole number' : each))
    .join(' or ')
}
