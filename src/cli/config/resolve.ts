/** Puts the options together: flags before environment before config file before defaults, and remembers where each comes from. */
import { InvalidArgumentError } from 'commander'
import { RobustlyError } from '../../errors.js'
import { printable } from '../../printable.js'
import type { Environment } from '../environment.js'
import { shown } from '../paths.js'
import { type EvaluateSettings, evaluateOptions } from './evaluate-options.js'
import { findConfig, loadConfig } from './load.js'
import { longFlag, type OptionRow, variableOf } from './option.js'
import { nearest } from './suggest.js'

const rows: readonly (readonly [string, OptionRow])[] = Object.entries(evaluateOptions)

export interface Resolved {
  readonly settings: EvaluateSettings
  /** For every option that has a value where it comes from, in words. */
  readonly origins: ReadonlyMap<string, string>
  /** Path of the config file, where there is one. */
  readonly config: string | undefined
  readonly notices: readonly string[]
}

interface Layer {
  readonly values: Readonly<Record<string, unknown>>
  readonly origin: (name: string, row: OptionRow) => string
}

/** `config`: a path, false for none, undefined for the one that is found. Throws `config`. */
export async function resolveOptions(
  flags: EvaluateSettings,
  { config, variables }: { readonly config: string | false | undefined } & Pick<Environment, 'variables'>,
): Promise<Resolved> {
  const path = config === undefined ? findConfig(process.cwd()) : config || undefined
  const file = path === undefined ? {} : await loadConfig(path)
  const layers: Layer[] = [
    { values: withNulls(flags), origin: (_, { flag }) => (flag === undefined ? 'argument' : `flag ${longFlag(flag)}`) },
    { values: fromVariables(variables), origin: name => `environment ${variableOf(name)}` },
    { values: file, origin: () => `config ${shown(path ?? '')}` },
    { values: Object.fromEntries(rows.map(([name, row]) => [name, row.default])), origin: () => 'default' },
  ]
  return { ...merge(layers), config: path, notices: misspelt(variables) }
}

/** Commander makes '' of a null that was read. No option that may be null takes an empty text. */
function withNulls(flags: EvaluateSettings): Readonly<Record<string, unknown>> {
  const values: Record<string, unknown> = { ...flags }
  for (const [name, { schema }] of rows) {
    if (values[name] === '' && schema.safeParse(null).success) values[name] = null
  }
  return values
}

function merge(layers: readonly Layer[]): Pick<Resolved, 'settings' | 'origins'> {
  const settings: Record<string, unknown> = {}
  const origins = new Map<string, string>()
  const decided = new Set<string>()
  for (const { values, origin } of layers) {
    const given = rows.filter(([name]) => values[name] !== undefined && !decided.has(name))
    for (const [name, row] of given) {
      settings[name] = values[name]
      origins.set(name, origin(name, row))
    }
    for (const [name, { replaces }] of given) {
      decided.add(name)
      if (replaces !== undefined) decided.add(replaces)
    }
  }
  return { settings, origins }
}

const several = ';'

function fromVariables(variables: Environment['variables']): Record<string, unknown> {
  const values: Record<string, unknown> = {}
  for (const [name, row] of rows) {
    const variable = variableOf(name)
    const text = variables[variable]
    if (row.callOnly || text === undefined || text === '') continue
    try {
      values[name] = row.repeatable ? text.split(several).map(word => readWord(row, word.trim())) : readWord(row, text)
    } catch (error) {
      if (!(error instanceof InvalidArgumentError)) throw error
      const message = `the variable ${variable} is "${printable(text, 100)}": ${error.message.replace(/^E/, 'e').replace(/\.$/, '')}`
      throw new RobustlyError('config', message)
    }
  }
  return values
}

const switches: Readonly<Record<string, boolean>> = { true: true, '1': true, false: false, '0': false }

function readWord({ read, choices }: OptionRow, word: string): unknown {
  if (read === undefined) {
    const value = Object.hasOwn(switches, word.toLowerCase()) ? switches[word.toLowerCase()] : undefined
    if (value === undefined) throw new InvalidArgumentError('Expected true or false.')
    return value
  }
  if (choices !== undefined && !choices.includes(word)) {
    throw new InvalidArgumentError(`Expected ${choices.join(' or ')}.`)
  }
  return read(word)
}

/** Variables that nearly name an option. Others may belong to something else. */
function misspelt(variables: Environment['variables']): string[] {
  const known = rows.filter(([, { callOnly }]) => !callOnly).map(([name]) => variableOf(name))
  return Object.keys(variables).flatMap(variable => {
    if (!variable.startsWith('ROBUSTLY_') || known.includes(variable)) return []
    const near = nearest(variable, known)
    return near === undefined ? [] : [`the variable ${variable} names no option; did you mean ${near}?`]
  })
}
