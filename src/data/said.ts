/**
 * What can be said of data behind their path, `adult.csv:label=income,bind=context=region`: which part, which columns are what, what the
 * model's other inputs get, and which classes the labels are.
 */
import { createHash } from 'node:crypto'
import { RobustlyError } from '../errors.js'
import { printable } from '../printable.js'

/** Which columns of a table (`.csv`, `.parquet`) are what: `adult.csv:label=income,drop=id,encode=one-hot`. */
export interface TableOptions {
  /** Column of the labels, by name or number; default: one named label, target, class or y, else the last. */
  readonly label?: string
  readonly drop?: readonly string[]
  /** How columns of texts become numbers; default: they are refused. Texts count in sorted order. */
  readonly encode?: 'one-hot' | 'codes'
}

/** An input of the model that is not attacked, and the column or array that it gets. Several columns of one input stand side by side. */
export interface Binding {
  readonly input: string
  readonly column: string
}

/** Added to every label, or the class of the model for each label of the data. */
export type Relabelling = number | readonly number[]

export interface Said {
  readonly split?: 'train' | 'test'
  readonly table?: TableOptions
  readonly bind?: readonly Binding[]
  readonly relabel?: Relabelling
}

/** What a format lets people say, beside `train`, `test` and `relabel`. */
export interface Sayable {
  /** Shown in messages: `a table`. */
  readonly noun: string
  readonly keys: readonly (keyof TableOptions | 'bind')[]
}

/** A path with something said behind it, the shortest that it can be. */
export const saidBehind = /^(.+?):((?:train|test)(?:,[a-z]+=.*)?|[a-z]+=.*)$/s

/** How each key is written, for messages. */
const examples: Readonly<Record<string, string>> = {
  label: 'label=NAME',
  drop: 'drop=NAME',
  encode: 'encode=one-hot (or codes)',
  bind: 'bind=INPUT=NAME',
  relabel: 'relabel=-1 (or 2:0:1)',
}

/** Reads what stands behind a path. Throws `usage`. */
export function parseSaid(text: string, { noun, keys }: Sayable): Said {
  const allowed: readonly string[] = [...keys, 'relabel']
  const fail = (what: string): never => {
    throw new RobustlyError('usage', `behind the path of ${noun} stands ${printable(what, 80)}`, {
      hint: `What can be said there, with commas between: ${allowed.map(key => examples[key]).join(', ')}.`,
    })
  }
  let split: Said['split']
  let relabel: Said['relabel']
  const table: { label?: string; drop?: string[]; encode?: 'one-hot' | 'codes' } = {}
  const bind: Binding[] = []
  for (const [at, part] of text.split(',').entries()) {
    const [key = '', ...rest] = part.split('=')
    const value = rest.join('=')
    if (at === 0 && (part === 'train' || part === 'test')) split = part
    else if (!allowed.includes(key) || value === '') fail(part)
    else if (key === 'label') table.label = value
    else if (key === 'drop') table.drop = [...(table.drop ?? []), value]
    else if (key === 'bind') bind.push(bindingIn(value))
    else if (key === 'relabel') relabel = relabellingIn(value) ?? fail(part)
    else if (value === 'one-hot' || value === 'codes') table.encode = value
    else fail(part)
  }
  return {
    ...(split !== undefined && { split }),
    ...(Object.keys(table).length > 0 && { table }),
    ...(bind.length > 0 && { bind }),
    ...(relabel !== undefined && { relabel }),
  }
}

/** `INPUT=NAME`; the name alone where both are the same. */
function bindingIn(text: string): Binding {
  const at = text.indexOf('=')
  return at < 0 ? { input: text, column: text } : { input: text.slice(0, at), column: text.slice(at + 1) }
}

function relabellingIn(text: string): Relabelling | undefined {
  if (/^[+-]\d{1,6}$/.test(text)) return Number(text)
  return /^\d{1,6}(:\d{1,6})+$/.test(text) ? text.split(':').map(Number) : undefined
}

/** The hash of data as they are taken: that of the files where nothing was said. */
export function hashOf(hash: string, { bind, relabel }: Pick<Said, 'bind' | 'relabel'>): string {
  if (bind === undefined && relabel === undefined) return hash
  const said = JSON.stringify([bind?.map(({ input, column }) => [input, column]) ?? null, relabel ?? null])
  return createHash('sha256').update(`${hash}  ${said}\n`).digest('hex')
}
