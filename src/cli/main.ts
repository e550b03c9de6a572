#!/usr/bin/env node
/** The entry of the command line. */
import { exitCodes } from '../errors.js'
import { printable } from '../printable.js'
import { type Environment, Interrupted } from './environment.js'
import { runProgram } from './program.js'

const controller = new AbortController()
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.on(name, () => {
    const reason = new Interrupted(name)
    if (controller.signal.aborted) process.exit(reason.exitCode)
    controller.abort(reason)
  })
}
// A reader that went away (`| head`) is no error: the work goes on, its words are dropped. Results that a full disk does not take are lost.
process.stderr.on('error', () => undefined)
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') return
  process.stderr.write(`error: the results cannot be written: ${printable(error.message)}\n`)
  process.exit(exitCodes['output-unwritable'])
})
const environment: Environment = {
  get stdin() {
    return process.stdin
  },
  stdout: process.stdout,
  stderr: process.stderr,
  variables: process.env,
  platform: process.platform,
  argv: process.argv.slice(2),
  signal: controller.signal,
}
process.exitCode = await runProgram(environment.argv, environment)
