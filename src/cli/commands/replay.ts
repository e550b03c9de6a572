/** `robustly replay`: verify every adversarial example of a run again. */
import { Option } from 'commander'
import { replay as run } from '../../jobs/replay.js'
import type { ReplayFindings } from '../../jobs/replay-run.js'
import { type SampleTrace, trace } from '../../jobs/trace.js'
import { printable } from '../../printable.js'
import { quoted } from '../../report/shell.js'
import { grouped } from '../../report/terminal.js'
import { addEndpointOptions, type EndpointOptions, endpointParts } from '../endpoint-options.js'
import { type Environment, hasUnicode } from '../environment.js'
import * as parse from '../parse.js'
import { startReporter } from '../progress.js'
import type { CommandEntry } from './command.js'

interface Options extends EndpointOptions {
  model?: string
  data?: string
  trace?: number[]
  engine?: 'native' | 'wasm'
  json?: boolean
  quiet?: boolean
}

export const replay: CommandEntry = {
  name: 'replay',
  summary: 'verify every adversarial example of a run again, on the original model file',
  examples: [
    'robustly replay runs/2026-01-31T12-00-00Z-model',
    'robustly replay runs/a --model elsewhere/model.onnx',
    'robustly replay runs/a --trace 3,17   (then the report of the run shows these searches query by query)',
  ],
  define(command, act, environment) {
    command
      .argument('<run>', 'the run folder')
      .option('--model <model>', 'the model, where it has moved: a file, whose hash must be the same, or an address')
      .option('--data <path>', 'the data, where they have moved; their hash must be the same')
      .option(
        '--trace <samples>',
        'search these samples again and record every query for the report, in place of verifying the run',
        parse.indices,
      )
      .addOption(new Option('--engine <name>', 'which ONNX Runtime').choices(['native', 'wasm']))
      .option('--json', 'print JSON')
      .option('--quiet', 'no progress')
    addEndpointOptions(command)
    command.action((folder: string, options: Options) => act(() => replayCommand(folder, options, environment)))
  },
}

async function replayCommand(folder: string, options: Options, environment: Environment): Promise<number> {
  const reporter = startReporter(environment, { quiet: options.quiet ?? false })
  const { model, data, engine } = options
  const { file, limits } = endpointParts(options)
  const service = { file, limits, variables: environment.variables }
  const asked = { model, data, engine, service, onProgress: reporter.progress, signal: environment.signal }
  if (options.trace !== undefined) {
    const traces = await trace(folder, options.trace, asked).finally(reporter.end)
    environment.stdout.write(options.json ? `${JSON.stringify(traces, null, 2)}\n` : describeTraces(traces, folder))
    return traces.every(({ reproduced }) => reproduced) ? 0 : 1
  }
  const findings = await run(folder, asked).finally(reporter.end)
  environment.stdout.write(
    options.json ? `${JSON.stringify(findings, null, 2)}\n` : describe(findings, hasUnicode(environment)),
  )
  return findings.refuted + findings.damaged > 0
    ? 1
    : findings.records < findings.expected || findings.unanswered !== undefined
      ? 4
      : 0
}

function describeTraces(traces: readonly SampleTrace[], folder: string): string {
  const lines = traces.map(({ index, reproduced, attacks }) => {
    const searches = attacks.map(({ attack, margin }) => `${attack} ${grouped(margin.length)} queries`)
    const outcome = reproduced ? 'the same record' : 'ANOTHER record than that of the run'
    return `  sample ${index}: ${searches.join(', ') || 'no search: it is misclassified as it is'}; ${outcome}`
  })
  return `\n${lines.join('\n')}\n\n  To look at: robustly report ${quoted(printable(folder))} -o report.html\n`
}

function describe(findings: ReplayFindings, unicode: boolean): string {
  const { records, expected, confirmedAdversarial, confirmedMisclassified, withoutProof, refuted, damaged } = findings
  const rows: [string, number][] = [
    ['adversarial examples confirmed', confirmedAdversarial],
    ['misclassified clean samples confirmed', confirmedMisclassified],
    ['refuted', refuted],
    ['without anything to replay (robust or without a verdict)', withoutProof],
  ]
  if (findings.unanswered !== undefined) rows.push(['without an answer of the endpoint', findings.unanswered.count])
  if (damaged > 0) rows.push(['damaged or doubled lines', damaged])
  if (records < expected) rows.push(['samples without a record: the run is not complete', expected - records])
  const width = Math.max(...rows.map(([, count]) => grouped(count).length))
  const lines = rows.map(([text, count]) => `  ${grouped(count).padStart(width)}  ${text}`)
  const sign = unicode ? '·' : '-'
  const reasons = findings.refutations.map(({ index, reason }) => `    ${sign} sample ${index}: ${printable(reason)}`)
  const { test } = findings
  const how =
    test === undefined
      ? []
      : [
          `  The model draws at random: a verdict is refuted when at most ${test.refutedAtMost} of ${test.draws} new draws are wrong`,
          `  (binomial test of "wrong at least half of the time"; ${test.level * 100} % for the whole run).`,
        ]
  const verdict =
    refuted + damaged > 0 ? 'The run does not hold.' : 'Every broken verdict holds on the original model file.'
  return `\n${[...lines, ...reasons, '', ...how, `  ${verdict}`].join('\n')}\n`
}
