/** `robustly inspect`: what a model is; whether and how it can be attacked. */
import { Option } from 'commander'
import { RobustlyError } from '../../errors.js'
import type { InspectedModel } from '../../evaluate/facts.js'
import { type DataFindings, findingsInWords } from '../../evaluate/preflight.js'
import { inspectService, inspect as run } from '../../jobs/inspect.js'
import { printable } from '../../printable.js'
import { grouped } from '../../report/terminal.js'
import { describeEndpoint } from '../describe-endpoint.js'
import { addEndpointOptions, type EndpointOptions, serviceOf } from '../endpoint-options.js'
import { type Environment, hasColor, hasUnicode } from '../environment.js'
import * as parse from '../parse.js'
import type { CommandEntry } from './command.js'

interface Options extends EndpointOptions {
  data?: string
  mean?: number[]
  std?: number[]
  layout?: 'NCHW' | 'NHWC'
  scale?: number
  channels?: 'rgb' | 'bgr'
  engine?: 'native' | 'wasm'
  allowHardlinks?: boolean
  surrogateGradients?: 'on' | 'off'
  json?: boolean
}

export const inspect: CommandEntry = {
  name: 'inspect',
  summary: 'say what a model is; whether and how it can be attacked',
  examples: [
    'robustly inspect model.onnx',
    'robustly inspect model.onnx --data test.npz',
    'robustly inspect model.onnx --json',
    'robustly inspect https://host/v2/models/NAME',
  ],
  define(command, act, environment) {
    command
      .argument('[model]', 'the .onnx file, or the address of an endpoint')
      .option('--data <path>', 'data to try the model on: shape, range of values, normalisation, colours, labels')
      .option('--mean <numbers>', 'subtracted per channel', parse.numbers)
      .option('--std <numbers>', 'divided by, per channel', parse.numbers)
      .addOption(new Option('--layout <name>', 'what the model takes').choices(['NCHW', 'NHWC']))
      .option('--scale <number>', 'multiplies every value', parse.positive)
      .addOption(new Option('--channels <order>', 'order of colours that the model takes').choices(['rgb', 'bgr']))
      .addOption(new Option('--engine <name>', 'which ONNX Runtime').choices(['native', 'wasm']))
      .option('--allow-hardlinks', 'accept external data with several hard links')
      .addOption(
        new Option('--surrogate-gradients <mode>', 'gradients for steps such as Sign and Round')
          .choices(['on', 'off'])
          .default('on'),
      )
      .option('--json', 'print JSON')
    addEndpointOptions(command)
    command.action((model: string | undefined, options: Options) =>
      act(() => inspectCommand(model, options, environment)),
    )
  },
}

async function inspectCommand(path: string | undefined, options: Options, environment: Environment): Promise<number> {
  const { data, mean, std, layout, scale, channels, engine, allowHardlinks, surrogateGradients } = options
  const space = {
    ...(mean && { mean }),
    ...(std && { std }),
    ...(layout && { layout }),
    ...(scale && { scale }),
    ...(channels && { channels }),
  }
  const service = serviceOf(path, options, environment.variables)
  if (service !== undefined) {
    const endpoint = await inspectService(service, { data, space, engine, signal: environment.signal })
    const dim = (text: string) => (hasColor(environment, environment.stdout) ? `\u001b[2m${text}\u001b[0m` : text)
    environment.stdout.write(options.json ? `${JSON.stringify(endpoint, null, 2)}\n` : describeEndpoint(endpoint, dim))
    return 0
  }
  const model = await run(path!, {
    data,
    space,
    engine,
    allowHardlinks,
    surrogates: surrogateGradients,
    signal: environment.signal,
  })
  environment.stdout.write(options.json ? asJson(model) : describe(model, environment))
  if (model.missing.size === 0 || model.blackBox !== undefined) return 0
  throw new RobustlyError(
    'model-unsupported',
    `no gradient gets through ${listed(model.missing)}: attacks with gradients are not possible`,
    {
      hint: 'Export the model without these operators, for instance with the scores before the last steps as its output.',
    },
  )
}

function listed(missing: InspectedModel['missing']): string {
  return [...missing]
    .map(([name, nodes]) => {
      const named = nodes.filter(node => node !== '').slice(0, 3)
      const where = named.length === 0 ? '' : ` (${named.map(node => `"${printable(node, 60)}"`).join(', ')})`
      return `${printable(name, 60)}${nodes.length > 1 ? ` x ${nodes.length}` : ''}${where}`
    })
    .join(', ')
}

function dataRow({ count, correct }: DataFindings): [string, string[]] {
  return ['Data', [`${correct} of the first ${count} samples are classified correctly`]]
}

function asJson(model: InspectedModel): string {
  const shapes = (infos: InspectedModel['inputs']) =>
    infos.map(({ name, dtype, typeText, shape }) => ({
      name,
      type: typeText ?? dtype,
      shape: shape?.map(dim => dim ?? null) ?? null,
    }))
  const { inputs, outputs, missing, ...rest } = model
  const value = {
    ...rest,
    inputs: shapes(inputs),
    outputs: shapes(outputs),
    missing: [...missing].map(([operator, nodes]) => ({ operator, nodes })),
  }
  return `${JSON.stringify(value, null, 2)}\n`
}

function describe(model: InspectedModel, environment: Environment): string {
  const color = hasColor(environment, environment.stdout)
  const unicode = hasUnicode(environment)
  const dim = (text: string) => (color ? `\u001b[2m${text}\u001b[0m` : text)
  const shapeOf = (info: InspectedModel['inputs'][number]) =>
    `${printable(info.name, 40)}  ${info.typeText ?? info.dtype} [${info.shape?.map(each => (each === undefined ? '?' : printable(String(each), 20))).join(', ') ?? 'unknown'}]`
  const batch = model.inputs[0]?.shape?.[0]
  const rows: [string, readonly string[]][] = [
    ['Model', [printable(model.file)]],
    [
      'Made by',
      [model.producer === '' ? 'not stated' : printable(model.producer), `IR ${model.irVersion}, opset ${model.opset}`],
    ],
    [
      'Input',
      [
        ...model.inputs.map(shapeOf),
        typeof batch === 'number' ? `batch fixed to ${batch}, made free for attacks` : 'any batch',
      ],
    ],
    ['Output', [...model.outputs.map(shapeOf), `${model.classes} classes`]],
    ['Parameters', [grouped(model.parameters)]],
    ...(model.multiplyAdds === null
      ? []
      : ([['Cost', [`${grouped(model.multiplyAdds)} multiply-adds per sample`]]] as [string, string[]][])),
    [
      'Takes',
      [...(model.layout === null ? [] : [model.layout]), model.inputRange, ...(model.quantised ? ['quantised'] : [])],
    ],
    ...(model.data === undefined ? [] : [dataRow(model.data)]),
    ['SHA-256', [model.sha256]],
    ['Engine', [`ONNX Runtime ${model.engine.version} (${model.engine.kind})`]],
  ]
  const head = rows.flatMap(([name, parts]) =>
    parts.map((part, at) => `  ${dim((at === 0 ? name : '').padEnd(10))}  ${part}`),
  )
  const width = Math.max(...model.operators.map(({ name }) => printable(name, 40).length))
  const operators = model.operators.map(({ name, count, gradient }) => {
    const mark = gradient ? (unicode ? '✓' : 'yes') : unicode ? '✗ no gradient' : 'no gradient'
    return `  ${printable(name, 40).padEnd(width)}  ${grouped(count).padStart(5)}  ${mark}`
  })
  const notes = [
    ...model.notes.map(note => `  i ${printable(note)}`),
    ...(model.randomised ? ['  ! It draws at random: evaluate it with --suite rand.'] : []),
    ...model.warnings.map(text => `  ! ${printable(text)}`),
    ...(model.data === undefined ? [] : findingsInWords(model.data).map(text => `  ! ${text}`)),
  ]
  const verdict =
    model.missing.size === 0 && model.blackBox === undefined
      ? 'Attacks with gradients, scores and labels are possible.'
      : 'Only attacks with scores or labels are possible.'
  const blocks = [head, [dim('  Operators'), ...operators], notes, [`  ${verdict}`]].filter(block => block.length > 0)
  return `\n${blocks.map(block => block.join('\n')).join('\n\n')}\n`
}
