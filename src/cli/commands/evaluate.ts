/** `robustly evaluate`: attack a model on data and report standard and robust accuracy. */
import { existsSync, statSync } from 'node:fs'
import { dirname, relative, resolve } from 'node:path'
import { type Command, Option } from 'commander'
import { attacks } from '../../attacks/index.js'
import { RobustlyError } from '../../errors.js'
import type { PlannedAttack } from '../../evaluate/spec.js'
import { suites } from '../../evaluate/suite.js'
import { type EvaluationEvent, evaluate as run } from '../../jobs/evaluate.js'
import { replaceText } from '../../jobs/files.js'
import { readRun } from '../../jobs/read-run.js'
import { isAddress } from '../../jobs/service.js'
import { printable } from '../../printable.js'
import { type ReportFormat, reportFormats } from '../../report/index.js'
import type { Result } from '../../report/schema.js'
import { quoted } from '../../report/shell.js'
import { duration, grouped, renderTerminal } from '../../report/terminal.js'
import type { NormName } from '../../threat/norm.js'
import { addEndpointOptions, type EndpointOptions, serviceOf } from '../endpoint-options.js'
import { type Environment, hasColor, hasUnicode, Interrupted } from '../environment.js'
import * as parse from '../parse.js'
import { startReporter } from '../progress.js'
import type { CommandEntry } from './command.js'

interface Options extends EndpointOptions {
  data: string
  norm: NormName
  epsilon: string
  suite?: string
  attack?: PlannedAttack[]
  surrogate?: string[]
  individual?: boolean
  samples?: [number, number | undefined]
  seed: number
  draws?: number
  mean?: number[]
  std?: number[]
  layout?: 'NCHW' | 'NHWC'
  box?: [number, number] | null
  surrogateGradients?: 'on' | 'off'
  output?: string[]
  json?: boolean
  run?: string
  resume?: boolean
  force?: boolean
  processes?: number
  threads?: number
  batch?: number
  engine?: 'native' | 'wasm'
  requireNative?: boolean
  memoryLimit?: number
  timeout: number
  allowHardlinks?: boolean
  quiet?: boolean
}

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
    'robustly evaluate https://host/v2/models/NAME --data test.npz --epsilon 8/255 --query-budget 100000',
  ],
  define(command, act, environment) {
    addOptions(command)
    command.action((model: string | undefined, options: Options) =>
      act(() => evaluateCommand(model, options, environment)),
    )
  },
}

function addOptions(command: Command): void {
  command
    .argument('[model]', 'the .onnx file, or the address of an endpoint')
    .optionsGroup('What is asked:')
    .requiredOption(
      '--data <path>',
      '.npz, .npy, IDX files, CIFAR .bin or image folder; :train or :test behind it picks a part',
    )
    .addOption(new Option('--norm <name>', 'Linf, L2, L1 or L0').argParser(parse.norm).default('Linf'))
    .requiredOption('--epsilon <radius>', 'how far an input may be changed, such as 8/255 or 0.3')
    .option('--suite <name>', `which attacks: ${[...suites.keys()].join(', ')} (default: quick)`)
    .option(
      '--attack <name>',
      `an attack: ${[...attacks.keys()].join(', ')}; with options as name:key=value,…; may be repeated`,
      parse.attack,
    )
    .option(
      '--surrogate <file>',
      'a model on which attacks by gradients run in place of this one; may be repeated: then on the mean of their logits',
      parse.list,
    )
    .option(
      '--individual',
      'run every attack on every sample (default for attacks of minimum distance: one run then gives all distances)',
    )
    .option('--no-individual', 'stop a sample at its first adversarial example')
    .option('--samples <start:end>', 'which samples (default: all)', parse.range)
    .addOption(new Option('--seed <number>', 'seed of all random numbers').argParser(parse.whole(0)).default(0))
    .option(
      '--draws <number>',
      'how often a model that draws at random is asked about a point; most must be wrong (default: 100)',
      parse.whole(1),
    )
    .optionsGroup('How data enter the model:')
    .option('--mean <numbers>', 'subtracted per channel', parse.numbers)
    .option('--std <numbers>', 'divided by, per channel', parse.numbers)
    .addOption(new Option('--layout <name>', 'what the model takes').choices(['NCHW', 'NHWC']))
    .option(
      '--box <low:high>',
      'range of valid values, or none (default: 0:1 for images, none for features)',
      parse.box,
    )
    .addOption(
      new Option(
        '--surrogate-gradients <mode>',
        'replace gradients that are zero by nature (Sign, Round, …), or refuse',
      )
        .choices(['on', 'off'])
        .default('on'),
    )
    .optionsGroup('Results:')
    .option('-o, --output <file>', `write ${endings()}; - prints JSON; may be repeated`, parse.list)
    .option('--json', 'print JSON instead of the table')
    .option('--run <folder>', 'run folder (default: a new one below runs/)')
    .option('--resume', 'continue the run in that folder')
    .option('--force', 'go on although the model is no better than guessing')
    .optionsGroup('Resources, which never change a result:')
    .option('--processes <number>', 'worker processes (default: measured)', parse.whole(1))
    .option('--threads <number>', 'threads of each (default: measured)', parse.whole(1))
    .option('--batch <rows>', 'rows of one call of the model (default: measured)', parse.whole(1))
    .option(
      '--memory-limit <bytes>',
      'of one worker, such as 2GB (default: its share of 80 % of the machine)',
      parse.bytes,
    )
    .addOption(
      new Option('--timeout <seconds>', 'a worker without a sign of life for so long is killed')
        .argParser(parse.seconds)
        .default(300),
    )
    .option('--allow-hardlinks', 'accept external data with several hard links')
  addEndpointOptions(command)
  command
    .optionsGroup('Other:')
    .addOption(
      new Option('--engine <name>', 'which ONNX Runtime; they round differently (default: native, else wasm)').choices([
        'native',
        'wasm',
      ]),
    )
    .option('--require-native', 'fail where the native engine does not load')
    .option('--quiet', 'no progress')
}

async function evaluateCommand(model: string | undefined, options: Options, environment: Environment): Promise<number> {
  const outputs = (options.output ?? []).map(checkOutput)
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
    ...question(service?.url ?? model!, options),
    service,
    ...resources(options),
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
  const data = outputs.some(({ format }) => format.wantsRun) ? await readRun(path) : undefined
  for (const { path, format } of outputs) if (path !== '-') replaceText(path, format.render(result, data))
  const json = options.json || outputs.some(output => output.path === '-')
  environment.stdout.write(json ? reportFormats[0]!.render(result) : table(result, path, environment))
  return result.unknown > 0 ? 4 : 0
}

function question(model: string, options: Options) {
  const { mean, std, layout } = options
  return {
    model,
    data: options.data,
    norm: options.norm,
    epsilon: options.epsilon,
    suite: options.suite,
    attacks: options.attack,
    surrogateModels: options.surrogate,
    individual: options.individual,
    samples: options.samples,
    seed: options.seed,
    draws: options.draws,
    space: { ...(mean && { mean }), ...(std && { std }), ...(layout && { layout }) },
    box: options.box,
    allowHardlinks: options.allowHardlinks,
    surrogateGradients: options.surrogateGradients,
    run: options.run,
    resume: options.resume,
    force: options.force,
  }
}

function resources(options: Options) {
  if (options.requireNative && options.engine === 'wasm') {
    throw new RobustlyError('usage', '--require-native and --engine wasm contradict each other')
  }
  return {
    processes: options.processes,
    threads: options.threads,
    batch: options.batch,
    engine: options.requireNative ? ('native' as const) : options.engine,
    memoryLimitBytes: options.memoryLimit,
    timeoutSeconds: options.timeout,
  }
}

/** Above this many samples people are told what to expect. */
const many = 1000
const usualQueries = 100

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
    const { chosen, samples } = event
    const { processes, plan, secondsPerQuery } = chosen
    const count = (number: number, one: string) => `${number} ${one}${number === 1 ? '' : processEnding(one)}`
    const how = `${count(processes, 'process')}, ${count(plan.threads, 'thread')} each, batch ${plan.batch}`
    if (secondsPerQuery === undefined || samples <= many) return [how]
    const most = (samples * event.attacks * usualQueries * secondsPerQuery) / processes
    return [
      how,
      `${grouped(samples)} samples: up to ${duration(most)}; --samples 0:${many} gives a first picture sooner`,
    ]
  }
  return []
}

const processEnding = (one: string) => (one.endsWith('s') ? 'es' : 's')

function checkOutput(path: string): { path: string; format: ReportFormat } {
  const format =
    path === '-' ? reportFormats[0] : reportFormats.find(({ ending }) => path.toLowerCase().endsWith(ending))
  if (format === undefined) {
    throw new RobustlyError('usage', `the ending of ${printable(path)} names no format; supported are ${endings()}`)
  }
  if (path === '-') return { path, format }
  if (existsSync(path) && statSync(path).isDirectory()) {
    throw new RobustlyError('usage', `${printable(path)} is a folder`, { hint: 'Name a file in it.' })
  }
  if (!existsSync(dirname(resolve(path)))) {
    throw new RobustlyError('usage', `the folder of ${printable(path)} does not exist`, { hint: 'Make it first.' })
  }
  return { path, format }
}

function endings(): string {
  return reportFormats.map(({ ending }) => ending).join(', ')
}

function table(result: Result, folder: string, environment: Environment): string {
  const path = shown(folder)
  return renderTerminal(result, {
    width: environment.stdout.columns ?? 80,
    color: hasColor(environment, environment.stdout),
    unicode: hasUnicode(environment),
    run: { folder: path, replay: `robustly replay ${quoted(path)}` },
  })
}

/** Short where the folder lies below the working directory. */
function shown(folder: string): string {
  const near = relative(process.cwd(), folder)
  return near === '' || near.startsWith('..') ? folder : near
}

function resumeText(folder: string, { argv }: Environment): string {
  const kept = argv.filter(
    (word, at) => word !== '--resume' && word !== '--run' && !word.startsWith('--run=') && argv[at - 1] !== '--run',
  )
  const words = ['robustly', ...kept, '--run', shown(folder), '--resume']
  return `stopped; what is done is kept. To continue:\n  ${words.map(word => quoted(withoutSecrets(word))).join(' ')}`
}

/** User name, password and query of an address are for the one who typed them. */
function withoutSecrets(word: string): string {
  if (!isAddress(word)) return word
  return word.replace(/\/\/[^/@]*@/, '//***@').replace(/\?.*$/, '?***')
}
