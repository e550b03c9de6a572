/** The contract of a command. */
import type { Command } from 'commander'
import type { Environment } from '../environment.js'

export interface CommandEntry {
  readonly name: string
  readonly summary: string
  /** Shown before everything else of the help. */
  readonly examples: readonly string[]
  /** Adds arguments and options, and the action, which gives the exit code. */
  define(command: Command, act: (run: () => Promise<number>) => Promise<void>, environment: Environment): void
}
