/** `robustly evaluate`: attack a model on data and report standard and robust accuracy. */
import { join } from 'node:path'
import type { Command } from 'commander'
import { RobustlyError } from '../../errors.js'
import { type EvaluationEvent, evaluate as run } from '../../jobs/evaluate.js'
import { readEvaluated } from '../../jobs/evaluated.js'
import { replaceText } from '../../jobs/files.js'
import { gate } from '../../jobs/gate.js'
import { printable } from '../../printable.js'
import type { Outcome } from '../../report/gate/decide.js'
import { reportFormats } from '../../report/index.js'
import type { Result } from '../../report/schema.js'
import { quoted } from '../../report/shell.js'
import { duration, grouped, renderTerminal } from '../../report/terminal.js'
import { type EvaluateSettings, evaluateOptions } from '../config/evaluate-options.js'
import { configNames } from '../config/load.js'
import { attributeOf, type OptionRow, toCommander, variableOf } from '../config/option.js'
import { printConfig } from '../config/print.js'
import { resolveOptions } from '../config/resolve.js'
import { serviceOf, withoutSecrets } from '../endpoint-options.js'
import { type Environment, hasColor, hasUnicode, Interrupted } from '../environment.js'
import { checkOutput, writeResults } from '../outputs.js'
import { shown } from '../paths.js'
import { startReporter } from '../progress.js'
import { outcomeCode, outcomeLines } from '../requirements.js'
import type { CommandEntry } from './command.js'

/** With what every evaluation needs. */
type Settings = EvaluateSettings & Required<Pick<EvaluateSettings, 'data' | 'epsilon' | 'norm' | 'seed' | 'timeout'>>

export const evaluate: CommandEntry = {
  name: 'evaluate',
  summary: 'attack a model on data; report standard and robust accuracy',
  examples: [
    'robustly evaluate model.onnx --data test.npz --epsilon 8/255',
    'robustly evaluate model.onnx --data mnist/ --norm Linf --epsilon 0.3 --samples 0:1000',
    'robustly evaluate model.onnx --data test.npz --norm L2 --epsilon 0.5 --attack pgd:steps=40,restarts=5',
    'robustly evaluate model.onnx --data test.npz --norm L2 --epsilon 0.5 --attack ddn --attack fmn   (and distances)',
    'robustly evaluate model.onnx --data test.npz --epsilon 8/255 --suite transfer --surrogate older.onnx',
    'robustly evaluate model.onnx --data test.npz --epsilon 8/255 --run runs/a --resume',
    "robustly evaluate model.onnx --data test.npz --epsilon 8/255 --require 'robust >= 0.45' -o result.junit.xml",
    'robustly evaluate https://host/v2/models/NAME --data test.npz --epsilon 8/255 --query-budget 100000',
  ],
  define(command, act, environment) {
    addOptions(command)
    command.action((model: string | undefined) => act(() => configured(model, command, environment)))
  },
}

function addOptions(command: Command): void {
  const { model, ...rows } = evaluateOptions
  command.argument('[model]', model.description)
  const all: readonly OptionRow[] = Object.values(rows)
  for (const group of new Set(all.map(row => row.group))) {
    command.optionsGroup(group)
    for (const row of all.filter(row => row.group === group)) {
      for (const each of toCommander(row)) command.addOption(each)
    }
  }
  command
    .optionsGroup('Configuration:')
    .option('--config <file>', `config file (default: ${configNames[0]}, .json, .yaml, … here or above)`)
    .option('--no-config', 'read no config file')
    .option('--print-config', 'print every option with where it comes from, and do nothing')
}

async function configured(model: string | undefined, command: Command, environment: Environment): Promise<number> {
  const { config, printConfig: only } = command.opts<{ config: string | boolean; printConfig?: boolean }>()
  const resolved = await resolveOptions(
    { ...flagsOf(command), ...(model !== undefined && { model }) },
    { config: config === true ? undefined : config, variables: environment.variables },
  )
  const { settings, notices } = resolved
  const lines = [...notices, ...(resolved.config === undefined ? [] : [`config file ${shown(resolved.config)}`])]
  if (!settings.quiet) for (const line of lines) environment.stderr.write(`${printable(line)}\n`)
  if (only) {
    environment.stdout.write(printConfig(resolved, { json: settings.json ?? false }))
    return 0
  }
  return await evaluateCommand(complete(settings), environment)
}

/** What was said on this command line, by the names of the table. */
function flagsOf(command: Command): EvaluateSettings {
  const values = command.opts<Record<string, unknown>>()
  const rows: readonly (readonly [string, OptionRow])[] = Object.entries(evaluateOptions)
  return Object.fromEntries(
    rows.flatMap(([name, { flag }]) => {
      const attribute = flag === undefined ? undefined : attributeOf(flag)
      const isGiven = attribute !== undefined && command.getOptionValueSource(attribute) === 'cli'
      return isGiven ? [[name, values[attribute]]] : []
    }),
  )
}

function complete(settings: EvaluateSettings): Settings {
  const { data, epsilon, norm, seed, timeout } = settings
  for (const [name, value] of Object.entries({ data, epsilon })) {
    if (value !== undefined) continue
    throw new RobustlyError('usage', `${name} is missing`, {
      hint: `Give --${name}, or ${name} in a config file, or the variable ${variableOf(name)}.`,
    })
  }
  return { ...settings, data: data!, epsilon: epsilon!, norm: norm!, seed: seed!, timeout: timeout! }
}

async function evaluateCommand(options: Settings, environment: Environment): Promise<number> {
  const { model } = options
  const outputs = (options.outputs ?? []).map(output => checkOutput(output, reportFormats))
  // A baseline that cannot be read is found before the work rather than after it.
  for (const { baseline } of options.requirements ?? []) if (baseline !== undefined) readEvaluated(baseline)
  if (options.resume && options.run === undefined) {
    throw new RobustlyError('usage', '--resume needs the run folder', { hint: 'Add --run FOLDER.' })
  }
  const reporter = startReporter(environment, { quiet: options.quiet ?? false })
  let folder: string | undefined
  const onEvent = (event: EvaluationEvent) => {
    if (event.kind === 'started') folder = event.folder
    if (event.kind === 'progress') reporter.progress(event.progress)
    else for (const line of linesOf(event)) reporter.line(line)
  }
  const { signal } = environment
  const service = serviceOf(model, options, environment.variables)
  const { result, folder: path } = await run({
    ...asked(service?.url ?? model!, options),
    service,
    onEvent,
    signal,
  })
    .catch(error => {
      if (error instanceof Interrupted && folder !== undefined) {
        reporter.end()
        environment.stderr.write(`${resumeText(folder, environment)}\n`)
      }
      throw error
    })
    .finally(reporter.end)
  const { outcomes, refusal } = held(path, options)
  // Reports of the run, made later, tell what it was held to.
  if (outcomes.length > 0) replaceText(join(path, 'result.json'), jsonOf(result, outcomes))
  await writeResults(outputs, { result, folder: path, outcomes }, environment)
  const json = options.json || outputs.some(output => output.path === '-')
  environment.stdout.write(json ? jsonOf(result, outcomes) : table(result, path, environment))
  if (refusal !== undefined) throw refusal
  if (outcomes.length > 0) environment[json ? 'stderr' : 'stdout'].write(outcomeLines(outcomes, environment))
  return outcomeCode(outcomes) || (result.unknown > 0 ? 4 : 0)
}

const jsonOf = (result: Result, outcomes: readonly Outcome[]) => reportFormats[0]!.render(result, undefined, outcomes)

/** What cannot be decided is said after the results are out, for they were dear. */
function held(folder: string, { requirements, decide }: Settings): { outcomes: readonly Outcome[]; refusal?: unknown } {
  if (requirements === undefined) return { outcomes: [] }
  try {
    return { outcomes: gate(readEvaluated(folder), requirements, decide) }
  } catch (refusal) {
    return { outcomes: [], refusal }
  }
}

/** The library's options have the names of the table. */
function asked(model: string, { requireNative, ...options }: Settings) {
  if (requireNative && options.engine === 'wasm') {
    throw new RobustlyError('usage', '--require-native and --engine wasm contradict each other')
  }
  return { ...options, model, ...(requireNative && { engine: 'native' as const }) }
}

/** Above this many samples people are told what to expect. */
const many = 1000

function linesOf(event: EvaluationEvent): string[] {
  if (event.kind === 'notice') return [event.text]
  if (event.kind === 'inspected') {
    const { engine, surrogates = [] } = event.model
    return [...(engine.notice === undefined ? [] : [engine.notice]), ...surrogates.map(text => printable(text))]
  }
  if (event.kind === 'started') {
    const before = event.done > 0 ? [`${grouped(event.done)} of ${grouped(event.total)} samples are there already`] : []
    return [...before, `run folder ${shown(event.folder)}`]
  }
  if (event.kind === 'chosen') {
    const { chosen, samples, mostSeconds } = event
    const { processes, plan } = chosen
    const count = (number: number, one: string) => `${number} ${one}${number === 1 ? '' : processEnding(one)}`
    const how = `${count(processes, 'process')}, ${count(plan.threads, 'thread')} each, batch ${plan.batch}`
    const most = samples > many ? mostSeconds() : undefined
    if (most === undefined) return [how]
    const time = `some ${duration(most)} for the model's answers where no sample breaks`
    return [how, `${grouped(samples)} samples: ${time}; --samples 0:${many} gives a first picture sooner`]
  }
  return []
}

const processEnding = (one: string) => (one.endsWith('s') ? 'es' : 's')

function table(result: Result, folder: string, environment: Environment): string {
  const path = shown(folder)
  return renderTerminal(result, {
    width: environment.stdout.columns ?? 80,
    color: hasColor(environment, environment.stdout),
    unicode: hasUnicode(environment),
    run: { folder: path, replay: `robustly replay ${quoted(path)}` },
  })
}

function resumeText(folder: string, { argv }: Environment): string {
  const kept = argv.filter(
    (word, at) => word !== '--resume' && word !== '--run' && !word.startsWith('--run=') && argv[at - 1] !== '--run',
  )
  const words = ['robustly', ...kept, '--run', shown(folder), '--resume']
  return `stopped; what is done is kept. To continue:\n  ${words.map(word => quoted(withoutSecrets(word))).join(' ')}`
}
