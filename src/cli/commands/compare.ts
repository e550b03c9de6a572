/** `robustly compare`: two runs on the same samples, sample by sample. */
import { compare as compareRuns } from '../../jobs/compare.js'
import { replaceText } from '../../jobs/files.js'
import { type Comparison, comparisonJson, comparisonMarkdown, comparisonText } from '../../report/comparison.js'
import type { Environment } from '../environment.js'
import { checkOutput, tellGithub } from '../outputs.js'
import * as parse from '../parse.js'
import type { CommandEntry } from './command.js'

interface Options {
  output?: string[]
  json?: boolean
}

const formats: readonly { readonly ending: string; render(comparison: Comparison): string }[] = [
  { ending: '.json', render: comparisonJson },
  { ending: '.md', render: comparisonMarkdown },
]

export const compare: CommandEntry = {
  name: 'compare',
  summary: 'compare two runs sample by sample: which became better or worse, and whether that is chance',
  examples: ['robustly compare runs/main runs/a', 'robustly compare runs/main runs/a -o comparison.md'],
  define(command, act, environment) {
    command
      .argument('<first>', 'a run folder')
      .argument('<second>', 'another, on the same data under the same threat model')
      .option('-o, --output <file>', 'write .json or .md; - prints JSON; may be repeated', parse.list)
      .option('--json', 'print JSON')
      .action((first: string, second: string, options: Options) =>
        act(async () => compareCommand([first, second], options, environment)),
      )
  },
}

function compareCommand(
  [first, second]: readonly [string, string],
  options: Options,
  environment: Environment,
): number {
  const outputs = (options.output ?? []).map(output => checkOutput(output, formats))
  const comparison = compareRuns(first, second)
  for (const { path, format } of outputs) if (path !== '-') replaceText(path, format.render(comparison))
  tellGithub(environment, '', comparisonMarkdown(comparison))
  const json = options.json || outputs.some(({ path }) => path === '-')
  environment.stdout.write(json ? comparisonJson(comparison) : comparisonText(comparison))
  return 0
}
