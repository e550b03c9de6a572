/** The program: commands from the table, errors as people read them, exit codes. */
import { Command, CommanderError } from 'commander'
import { RobustlyError } from '../errors.js'
import { version } from '../jobs/version.js'
import { printable } from '../printable.js'
import { commands } from './commands/index.js'
import { type Environment, Interrupted } from './environment.js'

export const exitCodeHelp = `
Exit codes:
  0    fine
  1    a requirement is not met, or a replay refutes what the run says
  2    usage or configuration
  3    a model, data set or run cannot be read or attacked
  4    incomplete: samples without a verdict, workers lost, or an output that cannot be written
  130  stopped by Ctrl-C, 143 by SIGTERM; the run can be resumed`

/** Runs one command line (without `node` and the script); gives the exit code and never throws. */
export async function runProgram(argv: readonly string[], environment: Environment): Promise<number> {
  let exitCode = 0
  const debug = argv.includes('--debug')
  const act = async (run: () => Promise<number>) => {
    exitCode = await run()
  }
  try {
    await buildProgram(act, environment).parseAsync([...argv], { from: 'user' })
    return exitCode
  } catch (error) {
    return report(error, { debug, environment })
  }
}

/** The tree of commands. `act` gets what a command does. */
export function buildProgram(act: (run: () => Promise<number>) => Promise<void>, environment: Environment): Command {
  const output = {
    writeOut: (text: string) => void environment.stdout.write(text),
    writeErr: (text: string) => void environment.stderr.write(text),
    outputError: (text: string, write: (text: string) => void) => write(printableLines(text)),
  }
  const shared = (command: Command, examples: readonly string[]) =>
    command
      .configureOutput(output)
      .exitOverride()
      .showHelpAfterError('(add --help for what is possible)')
      .allowExcessArguments(false)
      .addHelpText('before', `Examples:\n${examples.map(example => `  ${example}`).join('\n')}\n`)
      .addHelpText('after', exitCodeHelp)
  const program = shared(
    new Command('robustly'),
    commands.map(({ examples }) => examples[0]!),
  )
    .description('Measure the adversarial robustness of ONNX models: ONNX in, evidence out.')
    .version(version, '-V, --version')
  for (const { name, summary, examples, define } of commands) {
    const command = shared(program.command(name), examples).description(summary)
    define(command, act, environment)
    command.option('--debug', 'show where an error comes from')
  }
  return program
}

function report(error: unknown, { debug, environment }: { debug: boolean; environment: Environment }): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
  if (error instanceof Interrupted) return error.exitCode
  const lines: string[] = []
  if (error instanceof RobustlyError && error.code !== 'internal') {
    lines.push(`error: ${printable(error.message, 4000)}`)
    if (error.hint !== undefined) lines.push(`hint: ${printable(error.hint, 1000)}`)
  } else {
    const message = error instanceof Error ? error.message : String(error)
    lines.push(`error: ${printable(message.split('\n', 1)[0]!, 1000)}`)
    lines.push('hint: This is a defect of robustly. Please report it with what --debug shows.')
  }
  if (debug)
    for (let at: unknown = error; at instanceof Error; at = at.cause) lines.push(printableLines(at.stack ?? at.message))
  environment.stderr.write(`${lines.join('\n')}\n`)
  return error instanceof RobustlyError ? error.exitCode : 70
}

function printableLines(text: string): string {
  return text
    .split('\n')
    .map(line => printable(line, 1000))
    .join('\n')
}
