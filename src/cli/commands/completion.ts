/** `robustly completion`: scripts by which a shell completes commands, options and their values; made from the commands themselves. */
import { Argument, type Command } from 'commander'
import { evaluateOptions } from '../config/evaluate-options.js'
import { attributeOf, type OptionRow } from '../config/option.js'
import type { CommandEntry } from './command.js'

interface Word {
  readonly name: string
  readonly description: string
}

interface Completed extends Word {
  readonly flags: readonly (Word & {
    readonly short: string | undefined
    readonly takesValue: boolean
    /** Empty: a file, or anything. */
    readonly values: readonly string[]
  })[]
  /** Words that an argument may be. */
  readonly words: readonly string[]
}

export const completion: CommandEntry = {
  name: 'completion',
  summary: 'print a script that completes command lines, for bash, zsh or fish',
  examples: [
    'source <(robustly completion bash)',
    'robustly completion zsh > ~/.zfunc/_robustly',
    'robustly completion fish > ~/.config/fish/completions/robustly.fish',
  ],
  define(command, act, environment) {
    command.addArgument(new Argument('<shell>', 'the shell').choices(Object.keys(shells))).action((shell: string) =>
      act(async () => {
        environment.stdout.write(shells[shell]!(command.parent!.commands.map(completed)))
        return 0
      }),
    )
  },
}

const shells: Readonly<Record<string, (commands: readonly Completed[]) => string>> = { bash, zsh, fish }

function completed(command: Command): Completed {
  const name = command.name()
  const rows: readonly OptionRow[] = name === 'evaluate' ? Object.values(evaluateOptions) : []
  const suggestions = new Map(
    rows.flatMap(({ flag, suggestions = [] }) => (flag ? [[attributeOf(flag), suggestions]] : [])),
  )
  const flags = command.createHelp().visibleOptions(command)
  return {
    name,
    description: command.description(),
    flags: flags.map(option => ({
      name: option.long ?? '',
      short: option.short,
      description: option.description,
      takesValue: option.required || option.optional,
      values: option.argChoices ?? suggestions.get(option.attributeName()) ?? [],
    })),
    words: command.registeredArguments.flatMap(({ argChoices = [] }) => argChoices),
  }
}

function bash(commands: readonly Completed[]): string {
  const reply = (words: readonly string[]) => `COMPREPLY=($(compgen -W '${words.join(' ')}' -- "$cur"))`
  const patterns = (name: string, { short, name: long }: Completed['flags'][number]) =>
    [long, ...(short === undefined ? [] : [short])].map(flag => `'${name} ${flag}'`).join('|')
  const values = commands.flatMap(({ name, flags }) =>
    flags.flatMap(flag =>
      flag.takesValue
        ? [`    ${patterns(name, flag)}) ${flag.values.length > 0 ? `${reply(flag.values)}; ` : ''}return ;;`]
        : [],
    ),
  )
  const options = commands.map(({ name, flags }) => `      ${name}) ${reply(flags.map(flag => flag.name))} ;;`)
  const words = commands.flatMap(each => (each.words.length > 0 ? [`      ${each.name}) ${reply(each.words)} ;;`] : []))
  return `# Completion of robustly for bash.
_robustly() {
  local cur="\${COMP_WORDS[COMP_CWORD]}" prev="\${COMP_WORDS[COMP_CWORD-1]}" command="\${COMP_WORDS[1]}"
  COMPREPLY=()
  if [[ $COMP_CWORD -eq 1 ]]; then
    ${reply(commands.map(({ name }) => name))}
    return
  fi
  case "$command $prev" in
${values.join('\n')}
  esac
  if [[ $cur == -* ]]; then
    case "$command" in
${options.join('\n')}
    esac
  else
    case "$command" in
${words.join('\n')}
    esac
  fi
}
complete -o default -o bashdefault -F _robustly robustly
`
}

/** A text in single quotes, for shells that write a quote as '\''. */
const quoted = (text: string) => `'${text.replaceAll("'", "'\\''")}'`

function zsh(commands: readonly Completed[]): string {
  const named = commands.map(
    ({ name, description }) => `    ${quoted(`${name}:${description.replaceAll(':', '\\:')}`)}`,
  )
  const text = (description: string) => description.replaceAll(/[[\]:\\]/g, '\\$&')
  const specs = (command: Completed) => [
    ...command.flags.flatMap(({ name, short, description, takesValue, values }) => {
      const what = takesValue ? `:value:${values.length > 0 ? `(${values.join(' ')})` : '_files'}` : ''
      return [name, ...(short === undefined ? [] : [short])].map(flag =>
        quoted(`*${flag}[${text(description)}]${what}`),
      )
    }),
    quoted(`*:argument:${command.words.length > 0 ? `(${command.words.join(' ')})` : '_files'}`),
  ]
  const cases = commands.map(
    command => `    ${command.name})\n      _arguments \\\n        ${specs(command).join(' \\\n        ')} ;;`,
  )
  return `#compdef robustly
# Completion of robustly for zsh.
_robustly() {
  local -a commands=(
${named.join('\n')}
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  local command="$words[2]"
  shift words
  (( CURRENT-- ))
  case "$command" in
${cases.join('\n')}
  esac
}
if [[ "$funcstack[1]" == _robustly ]]; then _robustly "$@"; else compdef _robustly robustly; fi
`
}

function fish(commands: readonly Completed[]): string {
  const text = (description: string) => `'${description.replaceAll(/['\\]/g, '\\$&')}'`
  const lines = commands.flatMap(({ name, description, flags, words }) => {
    const inside = `complete -c robustly -n '__fish_seen_subcommand_from ${name}'`
    return [
      `complete -c robustly -f -n __fish_use_subcommand -a ${name} -d ${text(description)}`,
      ...flags.map(flag => {
        const short = flag.short === undefined ? '' : ` -s ${flag.short.slice(1)}`
        const values = flag.values.length > 0 ? ` -x -a '${flag.values.join(' ')}'` : flag.takesValue ? ' -r' : ''
        return `${inside} -l ${flag.name.slice(2)}${short}${values} -d ${text(flag.description)}`
      }),
      ...(words.length > 0 ? [`${inside} -f -a '${words.join(' ')}'`] : []),
    ]
  })
  return `# Completion of robustly for fish.\n${lines.join('\n')}\n`
}
