/** `robustly inspect`: what a model is; whether and how it can be attacked. */
import { Option } from 'commander'
import { RobustlyError } from '../../errors.js'
import type { InspectedModel } from '../../evaluate/facts.js'
import { inspectService, inspect as run } from '../../jobs/inspect.js'
import { printable } from '../../printable.js'
import { describeEndpoint } from '../describe-endpoint.js'
import { describeModel } from '../describe-model.js'
import { addEndpointOptions, type EndpointOptions, serviceOf } from '../endpoint-options.js'
import { type Environment, hasColor } from '../environment.js'
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
  const asked = { ...options, signal: environment.signal }
  const service = serviceOf(path, options, environment.variables)
  const dim = (text: string) => (hasColor(environment, environment.stdout) ? `\u001b[2m${text}\u001b[0m` : text)
  if (service !== undefined) {
    const endpoint = await inspectService(service, asked)
    environment.stdout.write(options.json ? `${JSON.stringify(endpoint, null, 2)}\n` : describeEndpoint(endpoint, dim))
    return 0
  }
  const model = await run(path!, asked)
  environment.stdout.write(options.json ? asJson(model) : describeModel(model, dim))
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
