/** docs/reference/cli.md, from the tree of commands. */
import type { Command } from 'commander'
import { commands } from '../../src/cli/commands/index.js'
import type { Environment } from '../../src/cli/environment.js'
import { buildProgram, exitCodeHelp } from '../../src/cli/program.js'
import { code, heading, prose, table } from './markdown.js'

const environment: Environment = {
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  variables: {},
  platform: 'linux',
  argv: [],
  signal: new AbortController().signal,
}

export function commandDocument(): string {
  const program = buildProgram(async () => {}, environment)
  const sections = program.commands.map(command => section(command))
  const codes = exitCodeHelp
    .split('\n')
    .map(line => /^ {2}(\d+) +(.*)$/.exec(line))
    .filter(match => match !== null)
    .map(([, number, meaning]) => [number!, prose(meaning!)])
  const index = program.commands.map(command => [
    `[\`${command.name()}\`](#${command.name()})`,
    prose(command.description()),
  ])
  return `${[
    heading('The command line'),
    table(['command', 'what it does'], index),
    `Results go to stdout, progress and log lines to stderr. \`--debug\` with any command shows where an error comes from.`,
    `## Exit codes`,
    table(['code', 'meaning'], codes),
    ...sections,
  ].join('\n\n')}\n`
}

function section(command: Command): string {
  const { examples } = commands.find(({ name }) => name === command.name())!
  const usage = ['robustly', command.name(), ...command.registeredArguments.map(written), '[options]'].join(' ')
  const lines = command.registeredArguments.map(argument => [code(written(argument)), prose(argument.description)])
  const groups = new Map<string, (readonly string[])[]>()
  for (const option of command.createHelp().visibleOptions(command)) {
    if (option.long === '--help' || option.long === '--debug') continue
    const rows = groups.get(option.helpGroupHeading ?? '') ?? []
    groups.set(option.helpGroupHeading ?? '', rows)
    rows.push([
      code(option.flags),
      prose(option.description),
      choicesAndDefault(option.argChoices, option.defaultValue),
    ])
  }
  const tables = [...groups].map(([group, rows]) =>
    [...(group === '' ? [] : [`**${group.replace(/:$/, '')}**`]), table(['option', 'meaning', ''], rows)].join('\n\n'),
  )
  return [
    `## ${command.name()}`,
    `${prose(command.description())}.`,
    ['```', `${usage}`, '```'].join('\n'),
    `Examples:\n\n${['```', ...examples, '```'].join('\n')}`,
    ...(lines.length > 0 ? [table(['argument', 'meaning'], lines)] : []),
    ...tables,
  ].join('\n\n')
}

function written(argument: Command['registeredArguments'][number]): string {
  const name = `${argument.name()}${argument.variadic ? '...' : ''}`
  return argument.required ? `<${name}>` : `[${name}]`
}

function choicesAndDefault(choices: readonly string[] | undefined, usual: unknown): string {
  const parts = [
    ...(choices === undefined ? [] : [choices.map(code).join(', ')]),
    ...(usual === undefined || typeof usual === 'boolean' ? [] : [`default ${code(String(usual))}`]),
  ]
  return parts.join('; ')
}
