/**
 * The one error class. A code tells programs what happened; the message tells people what, where, expected against
 * got; `hint` says what to do next.
 */

/** Exit code of the command line for each error code. */
export const exitCodes = {
  usage: 2,
  config: 2,
  'model-unreadable': 3,
  'model-invalid': 3,
  'model-unsafe': 3,
  'model-unsupported': 3,
  'model-failed': 3,
  'endpoint-failed': 3,
  'budget-spent': 4,
  'data-unreadable': 3,
  'data-invalid': 3,
  'data-unsafe': 3,
  'data-unsupported': 3,
  'run-unreadable': 3,
  'run-mismatch': 2,
  'run-locked': 2,
  'memory-limit': 3,
  'time-limit': 4,
  'worker-lost': 4,
  'output-unwritable': 4,
  internal: 70,
} as const

export type ErrorCode = keyof typeof exitCodes

export class RobustlyError extends Error {
  override readonly name = 'RobustlyError'
  readonly code: ErrorCode
  /** The next step for the person who reads the message. */
  readonly hint: string | undefined

  constructor(code: ErrorCode, message: string, options: { hint?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.hint = options.hint
  }

  get exitCode(): number {
    return exitCodes[this.code]
  }
}
