/** The config file as a schema: derived from the table of options, for checking and for editors. */
import { z } from 'zod'
import { attacks } from '../../attacks/index.js'
import { RobustlyError } from '../../errors.js'
import { printable } from '../../printable.js'
import { type EvaluateSettings, type EvaluateTable, evaluateOptions } from './evaluate-options.js'
import type { OptionRow } from './option.js'
import { nearest } from './suggest.js'

const rows: readonly (readonly [string, OptionRow])[] = Object.entries(evaluateOptions)
const configurable = rows.filter(([, { callOnly }]) => !callOnly)

type CallOnly = 'json' | 'resume' | 'force' | 'quiet'
/** What a config file holds: options of `robustly evaluate`, by the names of docs/reference/config.md. */
export type Config = {
  readonly [Name in Exclude<keyof EvaluateTable, CallOnly>]?: z.input<EvaluateTable[Name]['schema']>
}

const configSchema = z.strictObject({
  $schema: z.string().optional(),
  ...Object.fromEntries(configurable.map(([name, { schema }]) => [name, schema.optional()])),
})

/** Checks what a config file holds; `where` names the file in messages. Throws `config` with every mistake. */
export function checkConfig(value: unknown, where: string): EvaluateSettings {
  const checked = configSchema.safeParse(value)
  if (checked.success) {
    const { $schema: _, ...settings } = checked.data
    return settings
  }
  const problems = checked.error.issues.flatMap(issue => describeIssue(issue, value))
  throw new RobustlyError('config', `${printable(where)}: ${problems.join('; ')}`, {
    hint: 'docs/reference/config.md lists the options; robustly schema config gives editors their schema.',
  })
}

type Issue = z.core.$ZodIssue

function describeIssue(issue: Issue, root: unknown): string[] {
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map(key => unknownKey(key, issue.path))
  }
  if (issue.code === 'invalid_union') return describeUnion(issue, root)
  const name = pathText(issue.path)
  const got = valueAt(root, issue.path)
  if (issue.path.length === 0) return [`expected options by their names, got ${kindOf(got)}`]
  const expected = printable(issue.message).replace(/^Invalid (input|option): /, '')
  // Messages of other places have said what they got.
  if (issue.code === 'custom' && expected.includes(', expected ')) return [expected]
  return [`${name}: ${expected}${expected.includes('received') ? '' : `, got ${shortly(got)}`}`]
}

/** Of the ways in which a value may be written, the one that comes nearest: it gets furthest before it fails. */
function describeUnion(issue: Issue & { code: 'invalid_union' }, root: unknown): string[] {
  const depth = (issues: readonly Issue[]) => Math.max(...issues.map(each => each.path.length * 2 + rank(each)))
  const ways = [...issue.errors].sort((a, b) => depth(b) - depth(a))
  const best = ways[0]
  if (best === undefined || depth(best) === 0) {
    const kinds = ways.flatMap(way => way.map(each => ('expected' in each ? String(each.expected) : '')))
    const expected = [...new Set(kinds)].filter(Boolean).join(' or ')
    return [
      `${pathText(issue.path)}: ${expected === '' ? issue.message : `expected ${expected}`}, got ${shortly(valueAt(root, issue.path))}`,
    ]
  }
  return best.flatMap(each => describeIssue({ ...each, path: [...issue.path, ...each.path] } as Issue, root))
}

const rank = (issue: Issue) => (issue.code === 'invalid_type' && issue.path.length === 0 ? 0 : 1)

function unknownKey(key: string, path: readonly PropertyKey[]): string {
  const place = pathText([...path, key])
  const only = path.length === 0 ? rows.find(([name]) => name === key)?.[1] : undefined
  if (only?.callOnly) return `${place} belongs on the command line (${only.flag})`
  const near = nearest(key, keysAt(path))
  return `${place} is no option${near === undefined ? '' : `; did you mean ${near}?`}`
}

interface Place {
  readonly anyOf?: readonly Place[]
  readonly oneOf?: readonly Place[]
  readonly items?: Place
  readonly properties?: Readonly<Record<string, Place>>
}

/** The keys that objects at a place may have, whichever way they are written. */
function keysAt(path: readonly PropertyKey[]): string[] {
  const ways = (place: Place): Place[] => (place.anyOf ?? place.oneOf)?.flatMap(ways) ?? [place]
  const inside = (place: Place, key: PropertyKey) =>
    typeof key === 'number' ? place.items : place.properties?.[String(key)]
  const places = path.reduce<Place[]>(
    (found, key) => found.flatMap(place => inside(place, key) ?? []).flatMap(ways),
    [configJsonSchema()],
  )
  return places.flatMap(({ properties = {} }) => Object.keys(properties))
}

/** `attacks[0].options` */
function pathText(path: readonly PropertyKey[]): string {
  const text = path.map((key, at) => (typeof key === 'number' ? `[${key}]` : `${at === 0 ? '' : '.'}${String(key)}`))
  return printable(text.join(''), 100)
}

function valueAt(root: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (value, key) =>
      typeof value === 'object' && value !== null && Object.hasOwn(value, key)
        ? (value as Record<PropertyKey, unknown>)[key]
        : undefined,
    root,
  )
}

function kindOf(value: unknown): string {
  return value === null ? 'null' : Array.isArray(value) ? 'an array' : typeof value
}

function shortly(value: unknown): string {
  if (value !== null && typeof value === 'object') return kindOf(value)
  return printable(typeof value === 'string' ? JSON.stringify(value) : String(value), 40)
}

/** JSON Schema (draft 2020-12) of config files, for editors: with the table's descriptions and defaults, and every attack's options. */
export function configJsonSchema(): object {
  const { properties: all = {}, $defs } = z.toJSONSchema(configSchema, { io: 'input', unrepresentable: 'any' })
  const properties = configurable.map(([name, row]) => {
    const suggested = name === 'attacks' ? attackItems() : name === 'suite' ? { enum: row.suggestions } : {}
    const usual = row.default === undefined ? {} : { default: row.default }
    return [name, { ...(all[name] as object), ...suggested, description: row.description, ...usual }]
  })
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'Configuration of robustly evaluate',
    type: 'object',
    additionalProperties: false,
    properties: { $schema: { type: 'string' }, ...Object.fromEntries(properties) },
    $defs,
  }
}

function attackItems(): object {
  const named = [...attacks.values()].map(({ name, options }) => {
    const { $schema: _, ...schema } = z.toJSONSchema(options, { io: 'input', unrepresentable: 'any' })
    const properties = { name: { const: name }, options: schema }
    return { type: 'object', properties, required: ['name'], additionalProperties: false }
  })
  return { items: { anyOf: [{ type: 'string', description: 'NAME or NAME:option=value,…' }, ...named] } }
}
