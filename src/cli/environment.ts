/** What the program may know of the world around it: streams, variables, the size of the terminal. */

export interface Environment {
  readonly stdin: NodeJS.ReadStream
  readonly stdout: NodeJS.WriteStream
  readonly stderr: NodeJS.WriteStream
  readonly variables: Readonly<Record<string, string | undefined>>
  readonly platform: string
  /** The words of the command line, without `node` and the script. */
  readonly argv: readonly string[]
  readonly signal: AbortSignal
}

/** Why an evaluation was stopped, and the exit code that tells. */
export class Interrupted extends Error {
  override readonly name = 'Interrupted'
  readonly exitCode: number
  constructor(signal: 'SIGINT' | 'SIGTERM') {
    super(`stopped by ${signal}`)
    this.exitCode = signal === 'SIGINT' ? 130 : 143
  }
}

/** https://no-color.org and its counterpart; without either, colour is for terminals. */
export function hasColor({ variables }: Environment, stream: NodeJS.WriteStream): boolean {
  const { NO_COLOR, FORCE_COLOR, TERM } = variables
  if (FORCE_COLOR !== undefined) return FORCE_COLOR !== '0' && FORCE_COLOR !== 'false'
  if (NO_COLOR !== undefined && NO_COLOR !== '') return false
  return stream.isTTY === true && TERM !== 'dumb'
}

/** A locale decides when one is set; otherwise terminals of today are taken at their word. */
export function hasUnicode({ variables, platform }: Environment): boolean {
  const { LC_ALL, LC_CTYPE, LANG, TERM, WT_SESSION } = variables
  if (TERM === 'dumb' || TERM === 'linux') return false
  const locale = LC_ALL || LC_CTYPE || LANG
  if (locale !== undefined && locale !== '') return /utf-?8/i.test(locale)
  return platform !== 'win32' || WT_SESSION !== undefined
}

/** Whether a line may be redrawn in place. */
export function canRedraw({ stderr, variables }: Environment): boolean {
  const { TERM, CI } = variables
  return stderr.isTTY === true && TERM !== 'dumb' && (CI === undefined || CI === '' || CI === 'false')
}
