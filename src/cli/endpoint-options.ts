/** Options of commands that can ask an endpoint; the limits come from the table that the endpoint file uses. */
import { type Command, InvalidArgumentError } from 'commander'
import { RobustlyError } from '../errors.js'
import { isAddress, openService, type Service, type ServiceParts } from '../jobs/service.js'
import { endpointLimits } from '../model/endpoint/schema.js'
import * as parse from './parse.js'

export interface EndpointOptions {
  endpoint?: string
  rowsPerRequest?: number
  /** Limits by their name on the command line. */
  [flag: string]: unknown
}

type LimitName = keyof typeof endpointLimits

const limits = Object.entries(endpointLimits) as [LimitName, (typeof endpointLimits)[LimitName]][]

/** `--query-budget <rows>` as commander names it: queryBudget. */
function nameOf(flag: string): string {
  return flag.replace(/^--| <.*$/g, '').replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase())
}

export function addEndpointOptions(command: Command): void {
  command
    .optionsGroup('Endpoints:')
    .option('--endpoint <file>', 'JSON that describes an endpoint (default: Open Inference Protocol v2)')
    .option('--rows-per-request <number>', 'samples of one request (default: 8, or what it takes)', parse.whole(1))
  for (const [, { flag, schema }] of limits) {
    const described = `${schema.description}${defaultText(schema.parse(undefined))}`
    if (flag.includes('<')) command.option(flag, described, text => readLimit(schema, text))
    else command.option(flag, described)
  }
}

function defaultText(value: unknown): string {
  return value === null || typeof value === 'boolean' ? '' : ` (default: ${String(value)})`
}

function readLimit(schema: (typeof endpointLimits)[LimitName]['schema'], text: string): unknown {
  const checked = schema.safeParse(/^\d+(\.\d+)?$/.test(text) ? Number(text) : text)
  if (checked.success) return checked.data
  throw new InvalidArgumentError(`${checked.error.issues[0]!.message}.`)
}

export function endpointParts(options: EndpointOptions): Pick<ServiceParts, 'file' | 'limits' | 'rowsPerRequest'> {
  const given = limits.map(([name, { flag }]) => [name, options[nameOf(flag)]] as const)
  return {
    file: options.endpoint,
    limits: Object.fromEntries(given.filter(([, value]) => value !== undefined)),
    rowsPerRequest: options.rowsPerRequest,
  }
}

/**
 * The endpoint that a command is about: an address in place of the model, or a file that holds one. undefined for a model file.
 * Throws `usage` and `config`.
 */
export function serviceOf(
  model: string | undefined,
  options: EndpointOptions,
  variables: ServiceParts['variables'],
): Service | undefined {
  const parts = endpointParts(options)
  if (model !== undefined && !isAddress(model)) {
    if (parts.file === undefined) return undefined
    throw new RobustlyError('usage', 'both a model file and an endpoint were given', { hint: 'Give one of them.' })
  }
  if (model === undefined && parts.file === undefined) {
    throw new RobustlyError('usage', "missing required argument 'model'", {
      hint: 'Give an .onnx file, the address of an endpoint, or --endpoint FILE.',
    })
  }
  return openService({ ...parts, address: model, variables })
}
