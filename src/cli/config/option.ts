/**
 * The contract of an option. A table of options feeds the command line, the environment (`ROBUSTLY_…`), the config file, its JSON
 * Schema, the types and the documents, so that a name, a default and a description are written once.
 */
import { Option } from 'commander'
import { z } from 'zod'

export interface OptionRow<Value = unknown> {
  /** As commander writes it: `-o, --output <file>`; absent: not on the command line. */
  readonly flag?: string
  readonly group: string
  readonly description: string
  /** What a config file may hold; gives the value. */
  readonly schema: z.ZodType<Value>
  /** One word of the command line or the environment as a value, or as one of several; absent: a switch. Throws commander's error. */
  readonly read?: (text: string) => unknown
  /** May be given several times; the value is the list. */
  readonly repeatable?: true
  readonly default?: NoInfer<Value>
  readonly choices?: readonly string[]
  /** Words that a shell may offer; others are possible. */
  readonly suggestions?: readonly string[]
  /** Description of `--no-…`. */
  readonly negation?: string
  /** The value is a path, or several, or holds one in the member of this name: of a config file, as seen from its folder. */
  readonly path?: true | string
  /** Says the same in another way: given in one place, it also replaces that option of places that count less. */
  readonly replaces?: string
  /** For a single call only: neither in a config file nor in the environment. */
  readonly callOnly?: true
}

export type OptionTable = Readonly<Record<string, OptionRow>>

/** Value of an option. */
export type ValueOf<Row> = Row extends OptionRow<infer Value> ? Value : never

/** Infers the type of a row from its schema. */
export function option<Value>(row: OptionRow<Value>): OptionRow<Value> {
  return row
}

/** A text of a config file, read as the flag's text is. */
export function written<Value>(read: (text: string) => Value) {
  return z.string().transform((text, context): Value => {
    try {
      return read(text)
    } catch (error) {
      context.addIssue({ code: 'custom', message: (error as Error).message.replace(/^E(.*)\.$/, 'e$1') })
      return z.NEVER
    }
  })
}

/** A row as commander takes it; a switch with a negation gives two, what is no flag none. */
export function toCommander(row: OptionRow): Option[] {
  const { flag, read, repeatable } = row
  if (flag === undefined) return []
  const described = new Option(flag, row.description)
  if (row.choices !== undefined) described.choices(row.choices)
  else if (read !== undefined && repeatable) {
    described.argParser<readonly unknown[]>((text, before = []) => [...before, read(text)])
  } else if (read !== undefined) described.argParser(read)
  if (row.default !== undefined) described.default(row.default)
  if (row.negation === undefined) return [described]
  return [described, new Option(flag.replace('--', '--no-'), row.negation)]
}

/** `-o, --output <file>`: `--output`. */
export function longFlag(flag: string): string {
  return /--[a-z-]+/.exec(flag)![0]
}

/** `--query-budget <rows>` as commander names it: queryBudget. */
export function attributeOf(flag: string): string {
  return longFlag(flag)
    .slice(2)
    .replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase())
}

/** queryBudget: ROBUSTLY_QUERY_BUDGET. */
export function variableOf(name: string): string {
  return `ROBUSTLY_${name.replace(/[A-Z]/g, letter => `_${letter}`).toUpperCase()}`
}
