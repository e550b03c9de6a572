/** Options of commands that can ask an endpoint; the limits come from the table that the endpoint file uses. */
import type { Command } from 'commander'
import { RobustlyError } from '../errors.js'
import { isAddress, openService, type Service, type ServiceParts } from '../jobs/service.js'
import { type EndpointFile, endpointLimits } from '../model/endpoint/schema.js'
import { evaluateOptions, groups } from './config/evaluate-options.js'
import { attributeOf, type OptionRow, toCommander } from './config/option.js'

export interface EndpointOptions {
  endpoint?: string | EndpointFile
  rowsPerRequest?: number
  /** Limits by their name on the command line. */
  [flag: string]: unknown
}

type LimitName = keyof typeof endpointLimits

const limits = Object.entries(endpointLimits) as [LimitName, (typeof endpointLimits)[LimitName]][]

/** The rows of the table of options, for commands that only ask. */
export function addEndpointOptions(command: Command): void {
  command.optionsGroup(groups.endpoints)
  const rows: readonly OptionRow[] = Object.values(evaluateOptions)
  for (const row of rows.filter(({ group }) => group === groups.endpoints)) {
    for (const each of toCommander(row)) command.addOption(each)
  }
}

export function endpointParts(options: EndpointOptions): Pick<ServiceParts, 'file' | 'limits' | 'rowsPerRequest'> {
  const given = limits.map(([name, { flag }]) => [name, options[attributeOf(flag)]] as const)
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
    if (parts.file === undefined) return withoutService(options)
    throw new RobustlyError('usage', 'both a model file and an endpoint were given', { hint: 'Give one of them.' })
  }
  if (model === undefined && parts.file === undefined) {
    throw new RobustlyError('usage', "missing required argument 'model'", {
      hint: 'Give an .onnx file, the address of an endpoint, or --endpoint FILE.',
    })
  }
  return openService({ ...parts, address: model, variables })
}

/** A limit that nothing holds is worse than none. */
function withoutService(options: EndpointOptions): undefined {
  const [flag] = limits.map(([, each]) => each.flag).filter(each => typeof options[attributeOf(each)] === 'number')
  if (flag === undefined) return undefined
  throw new RobustlyError('usage', `${flag.split(' ')[0]} is for endpoints, and the model is a file`, {
    hint: "Attacks have budgets of their own, such as --attack square:queries=500; a file's workers are bounded by --processes, --memory-limit and --timeout.",
  })
}

/** User name, password and query of an address are for the one who typed them. */
export function withoutSecrets(word: string): string {
  if (!isAddress(word)) return word
  return word.replace(/\/\/[^/@]*@/, '//***@').replace(/\?.*$/, '?***')
}
