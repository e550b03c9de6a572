/** `robustly init`: writes a config file, and a workflow for GitHub when asked to. Asks on a terminal; takes flags elsewhere. */
import { existsSync, readdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { Option } from 'commander'
import { RobustlyError } from '../../errors.js'
import { suites } from '../../evaluate/suite.js'
import { makeFolder, replaceText } from '../../jobs/files.js'
import { isAddress } from '../../jobs/service.js'
import { printable } from '../../printable.js'
import { evaluateOptions } from '../config/evaluate-options.js'
import { configNames } from '../config/load.js'
import { type OptionRow, toCommander } from '../config/option.js'
import { checkConfig } from '../config/schema.js'
import { type Environment, Interrupted } from '../environment.js'
import type { CommandEntry } from './command.js'

type Format = 'yaml' | 'json' | 'ts'
type Answers = Partial<Record<(typeof asked)[number], string>>

/** Options of the config file that is written, in its order. */
const asked = ['model', 'data', 'norm', 'epsilon', 'suite'] as const
/** What an evaluation cannot do without. */
const needed = ['model', 'data', 'epsilon'] as const

interface Options extends Answers {
  format: Format
  workflow?: boolean
  yes?: boolean
  force?: boolean
}

export const init: CommandEntry = {
  name: 'init',
  summary: 'write a config file: asks on a terminal, takes flags with --yes',
  examples: [
    'robustly init',
    'robustly init --yes --model model.onnx --data test.npz --epsilon 8/255',
    'robustly init --yes --model model.onnx --data test.npz --epsilon 8/255 --workflow',
  ],
  define(command, act, environment) {
    command.option('--model <model>', evaluateOptions.model.description)
    for (const name of asked.slice(1)) {
      const row: OptionRow = evaluateOptions[name]
      for (const each of toCommander({ ...row, default: undefined })) command.addOption(each)
    }
    command
      .addOption(new Option('--format <name>', 'of the config file').choices(Object.keys(formats)).default('yaml'))
      .option('--workflow', `write ${workflowPath} too, which evaluates on GitHub`)
      .option('--yes', 'ask nothing')
      .option('--force', 'overwrite files')
      .action((options: Options) => act(() => initCommand(options, environment)))
  },
}

const formats: Readonly<Record<Format, (config: object) => string | Promise<string>>> = {
  yaml: async config => {
    const { stringify } = await import('yaml')
    return `# What robustly evaluate is asked. Every option: docs/reference/config.md\n${stringify(config)}`
  },
  json: config => `${JSON.stringify(config, null, 2)}\n`,
  ts: config =>
    `import { defineConfig } from 'robustly'\n\nexport default defineConfig(${JSON.stringify(config, null, 2)})\n`,
}

const workflowPath = '.github/workflows/robustly.yml'

const workflow = `name: Robustness
on: [push, pull_request]
permissions:
  contents: read
jobs:
  robustly:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-node@v4
        with:
          node-version: 22
      - run: npx --yes robustly evaluate -o robustly.json -o robustly.html
      - uses: actions/upload-artifact@v4
        if: always()
        with:
          name: robustly
          path: |
            robustly.json
            robustly.html
`

async function initCommand(options: Options, environment: Environment): Promise<number> {
  const path = `robustly.config.${options.format}`
  const files = [path, ...(options.workflow ? [workflowPath] : [])]
  refuseExisting(files, options.force ?? false)
  const answers = await answered(options, environment)
  const config = Object.fromEntries(asked.flatMap(name => (answers[name] === undefined ? [] : [[name, answers[name]]])))
  checkConfig(config, 'what was said')
  replaceText(path, await formats[options.format](config))
  if (options.workflow) {
    makeFolder(dirname(workflowPath))
    replaceText(workflowPath, workflow)
  }
  const missing = [config.model, config.data].filter(
    file => file !== undefined && !isAddress(file) && !existsSync(file.replace(/:(train|test)$/, '')),
  )
  const lines = [
    ...files.map(file => `wrote ${file}`),
    ...missing.map(file => `${printable(file!)} is not there yet`),
    'Now: robustly evaluate',
  ]
  environment.stderr.write(`${lines.join('\n')}\n`)
  return 0
}

function refuseExisting(files: readonly string[], force: boolean): void {
  const present = files.filter(file => existsSync(file))
  if (present.length > 0 && !force) {
    throw new RobustlyError('usage', `${present.join(' and ')} ${present.length > 1 ? 'are' : 'is'} there already`, {
      hint: 'Add --force to overwrite.',
    })
  }
  const other = configNames.find(name => name !== files[0] && existsSync(name))
  if (other === undefined) return
  throw new RobustlyError('usage', `there is ${other} already, and a folder takes one config file`, {
    hint: `Edit it, or remove it first.`,
  })
}

async function answered(options: Options, environment: Environment): Promise<Answers> {
  const { stdin, stderr } = environment
  if (!options.yes && stdin.isTTY && stderr.isTTY) return await ask(options, environment)
  const missing = needed.filter(name => options[name] === undefined)
  if (missing.length === 0) return options
  throw new RobustlyError('usage', `not said: ${missing.map(name => `--${name}`).join(', ')}`, {
    hint: options.yes ? 'Give them.' : 'This is no terminal to ask on: give them.',
  })
}

/** What flags have not said. Ctrl-C ends with 130 and writes nothing. */
async function ask(options: Options, environment: Environment): Promise<Answers> {
  const { intro, isCancel, outro, select, text } = await import('@clack/prompts')
  const { stdin: input, stderr: output } = environment
  const io = { input, output }
  const checked = (name: (typeof asked)[number]) => (value: string | undefined) => {
    const row: OptionRow = evaluateOptions[name]
    const result = row.schema.safeParse(value ?? '')
    return result.success ? undefined : 'Something is missing or not right here.'
  }
  const answer = async (value: Promise<string | symbol>): Promise<string> => {
    const given = await value
    if (isCancel(given)) throw new Interrupted('SIGINT')
    return String(given)
  }
  const choices = (names: readonly string[], hints: (name: string) => string) =>
    names.map(name => ({ value: name, label: name, hint: hints(name) }))
  const questions: Readonly<Record<(typeof asked)[number], () => Promise<string | symbol>>> = {
    model: () =>
      text({
        ...io,
        message: 'Which model? (.onnx, or an address)',
        ...usual(endingIn('.onnx')),
        validate: checked('model'),
      }),
    data: () =>
      text({
        ...io,
        message: 'Which data? (.npz, folder of images, …)',
        ...usual(endingIn('.npz')),
        validate: checked('data'),
      }),
    norm: () =>
      select({
        ...io,
        message: 'How is a change measured?',
        options: choices(['Linf', 'L2', 'L1', 'L0'], norm => norms[norm]!),
      }),
    epsilon: () =>
      text({
        ...io,
        message: 'How large may it be?',
        placeholder: '8/255',
        defaultValue: '8/255',
        validate: orUsual(checked('epsilon')),
      }),
    suite: () =>
      select({
        ...io,
        message: 'Which attacks?',
        options: choices(['quick', 'standard', 'scores', 'labels'], name => suites.get(name)!.description),
      }),
  }
  intro('robustly init', { output })
  const answers: Answers = {}
  for (const name of asked) answers[name] = options[name] ?? (await answer(questions[name]()))
  outro('Thank you.', { output })
  return answers
}

const norms: Readonly<Record<string, string>> = {
  Linf: 'the largest change of any pixel or feature',
  L2: 'length',
  L1: 'sum of all changes',
  L0: 'number of changed values',
}

const usual = (file: string | undefined) => (file === undefined ? {} : { initialValue: file })
const orUsual = (check: (value: string | undefined) => string | undefined) => (value: string | undefined) =>
  value === undefined || value === '' ? undefined : check(value)

/** The only file of that kind here. */
function endingIn(ending: string): string | undefined {
  const found = readdirSync(process.cwd()).filter(name => name.endsWith(ending))
  return found.length === 1 ? join(found[0]!) : undefined
}
