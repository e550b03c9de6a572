/** `robustly gate`: whether a run meets requirements, for build servers. */
import { statSync } from 'node:fs'
import { Option } from 'commander'
import { readEvaluated } from '../../jobs/evaluated.js'
import { gate as decideAll } from '../../jobs/gate.js'
import type { Decision } from '../../report/gate/decide.js'
import type { Requirement } from '../../report/gate/requirement.js'
import { reportFormats } from '../../report/index.js'
import type { Environment } from '../environment.js'
import { checkOutput, writeResults } from '../outputs.js'
import * as parse from '../parse.js'
import { outcomeCode, outcomeLines, requirement, requirementHelp } from '../requirements.js'
import type { CommandEntry } from './command.js'

interface Options {
  require?: Requirement[]
  decide: Decision
  output?: string[]
  json?: boolean
}

export const gate: CommandEntry = {
  name: 'gate',
  summary: 'decide whether a run meets requirements; exit code 1 if not',
  examples: [
    "robustly gate runs/a --require 'robust >= 0.45' --require 'standard >= 0.9'",
    "robustly gate runs/a --require 'drop <= 0.01 vs runs/main' -o gate.junit.xml -o gate.md",
    "robustly gate runs/a --require 'apgd-ce.robust >= 45 %' --require 'unknown <= 0'",
  ],
  define(command, act, environment) {
    command
      .argument('<run>', 'the run folder, or a result.json')
      .option('--require <text>', 'METRIC >= NUMBER, also <=, > and <; may be repeated', requirement)
      .addOption(
        new Option('--decide <how>', 'by the 95 % interval, all of which must meet it, or by the measured point')
          .choices(['interval', 'point'])
          .default('interval'),
      )
      .option(
        '-o, --output <file>',
        `write ${reportFormats.map(({ ending }) => ending).join(', ')}; may be repeated`,
        parse.list,
      )
      .option('--json', 'print JSON')
      .addHelpText('after', requirementHelp)
      .action((run: string, options: Options) => act(() => gateCommand(run, options, environment)))
  },
}

async function gateCommand(path: string, options: Options, environment: Environment): Promise<number> {
  const outputs = (options.output ?? []).map(output => checkOutput(output, reportFormats))
  const run = readEvaluated(path)
  const outcomes = decideAll(run, options.require ?? [], options.decide)
  const folder = run.verdicts !== undefined && statSync(path).isDirectory() ? path : undefined
  await writeResults(outputs, { result: run.result, folder, outcomes }, environment)
  environment.stdout.write(
    options.json ? `${JSON.stringify({ schemaVersion: 1, outcomes }, null, 2)}\n` : outcomeLines(outcomes, environment),
  )
  return outcomeCode(outcomes)
}
