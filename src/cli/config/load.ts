/**
 * Finding and reading the config file. JSON and YAML are data: nothing in them is executed, however they are made. TypeScript and
 * JavaScript are code, like any script of the project they lie in.
 */
import { existsSync, readFileSync, statSync } from 'node:fs'
import { dirname, extname, isAbsolute, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { RobustlyError } from '../../errors.js'
import { fileProblem } from '../../jobs/files.js'
import { isAddress } from '../../jobs/service.js'
import { printable } from '../../printable.js'
import { type EvaluateSettings, evaluateOptions } from './evaluate-options.js'
import { deepest, parseJson } from './json.js'
import type { OptionRow } from './option.js'
import { checkConfig } from './schema.js'

/** A config file of data that is larger is none. */
const largest = 2 ** 20

type Reader = (path: string, text: string) => unknown

const readers: Readonly<Record<string, Reader>> = {
  '.ts': runCode,
  '.mts': runCode,
  '.js': runCode,
  '.mjs': runCode,
  '.json': (_, text) => parseJson(text),
  '.jsonc': (_, text) => parseJson(text, { comments: true }),
  '.yaml': (_, text) => readYaml(text),
  '.yml': (_, text) => readYaml(text),
}

export const configNames: readonly string[] = Object.keys(readers).map(ending => `robustly.config${ending}`)

/** The config file of the nearest folder that has one, from `start` up to the root of the repository. Throws `config` where two lie side by side. */
export function findConfig(start: string): string | undefined {
  for (let folder = resolve(start); ; folder = dirname(folder)) {
    const found = configNames.filter(name => existsSync(join(folder, name)))
    if (found.length > 1) {
      throw new RobustlyError('config', `${found.join(' and ')} lie side by side in ${printable(folder)}`, {
        hint: 'Keep one of them, or name one with --config.',
      })
    }
    if (found.length === 1) return join(folder, found[0]!)
    if (existsSync(join(folder, '.git')) || dirname(folder) === folder) return undefined
  }
}

/** What the file holds, checked; paths in it are seen from its folder. Throws `config`. */
export async function loadConfig(path: string): Promise<EvaluateSettings> {
  const reader = readers[extname(path).toLowerCase()]
  if (reader === undefined) {
    throw new RobustlyError('config', `${printable(path)} is no config file by its ending`, {
      hint: `Config files end in ${Object.keys(readers).join(', ')}.`,
    })
  }
  const settings = checkConfig(await read(path, reader), path)
  return withPaths(settings, dirname(resolve(path)))
}

async function read(path: string, reader: Reader): Promise<unknown> {
  const fail = (message: string, cause?: unknown): never => {
    throw new RobustlyError('config', `${printable(path)}: ${printable(message, 1000)}`, { cause })
  }
  let text: string
  try {
    const { size } = statSync(path)
    if (size > largest) return fail(`${size} bytes are too many for a config file`)
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if (error instanceof RobustlyError) throw error
    return fail(`cannot be read: ${fileProblem(error)}`, error)
  }
  try {
    return await reader(path, text)
  } catch (error) {
    if (error instanceof RangeError) return fail(`nested deeper than ${deepest} levels`, error)
    return fail(error instanceof Error ? error.message : String(error), error)
  }
}

/** Core schema of YAML 1.2: no tags of languages, every key once, aliases bounded. */
async function readYaml(text: string): Promise<unknown> {
  const { parseDocument } = await import('yaml')
  const document = parseDocument(text, { schema: 'core', version: '1.2', uniqueKeys: true, strict: true })
  const problem = document.errors[0] ?? document.warnings[0]
  if (problem !== undefined) {
    if (problem.message.startsWith('Maximum call stack')) throw new RangeError('too deep')
    throw new SyntaxError(problem.message)
  }
  const value: unknown = document.toJS({ maxAliasCount: 100 })
  checkDepth(value, 0)
  return value
}

function checkDepth(value: unknown, depth: number): void {
  if (depth > deepest) throw new RangeError('too deep')
  if (value === null || typeof value !== 'object') return
  for (const inner of Object.values(value)) checkDepth(inner, depth + 1)
}

/** The default export, or what a function that it is gives. `robustly` in it is this very program. */
async function runCode(path: string): Promise<unknown> {
  const { createJiti } = await import('jiti')
  const self = fileURLToPath(new URL('define.js', import.meta.url))
  const jiti = createJiti(import.meta.url, { fsCache: false, alias: { robustly: self } })
  const value: unknown = await jiti.import(resolve(path), { default: true })
  return typeof value === 'function' ? await (value as () => unknown)() : await value
}

/** Relative paths become paths as the working directory sees them. */
function withPaths(settings: EvaluateSettings, folder: string): EvaluateSettings {
  const placed = (value: unknown, member: true | string): unknown => {
    if (Array.isArray(value)) return value.map(each => placed(each, member))
    if (member !== true && typeof value === 'object' && value !== null) {
      return { ...value, [member]: placed((value as Record<string, unknown>)[member], true) }
    }
    if (typeof value !== 'string' || value === '-' || isAbsolute(value) || isAddress(value)) return value
    return join(folder, value)
  }
  const table: Readonly<Record<string, OptionRow>> = evaluateOptions
  return Object.fromEntries(
    Object.entries(settings).map(([name, value]) => {
      const path = table[name]?.path
      return [name, path === undefined ? value : placed(value, path)]
    }),
  )
}
