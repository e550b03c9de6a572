/** From an address, a file that describes it and limits from the command line to an endpoint that can be asked. */
import { readFileSync, statSync } from 'node:fs'
import { RobustlyError } from '../errors.js'
import {
  type Endpoint,
  type EndpointFile,
  endpointLimits,
  endpointSchema,
  type Mapping,
  mappingOf,
} from '../model/endpoint/schema.js'
import { printable } from '../printable.js'
import { type Access, type ClientLimits, splitAccess } from '../runtime/http/access.js'
import { fileProblem } from './files.js'

/** An endpoint as it is asked: `mapping` with the address is its identity, `access` is kept nowhere. */
export interface Service {
  readonly url: string
  readonly mapping: Mapping
  readonly access: Access
}

export interface ServiceParts {
  /** Address; default: the one of the file. */
  readonly address?: string | undefined
  /** Path of a file of JSON that describes the endpoint, or the description itself. Without it: Open Inference Protocol v2. */
  readonly file?: string | EndpointFile | undefined
  /** Limits that go before those of the file. */
  readonly limits?: Partial<ClientLimits> | undefined
  readonly rowsPerRequest?: number | undefined
  /** The environment, for headers. */
  readonly variables: Readonly<Record<string, string | undefined>>
}

/** Whether a model is an address instead of a file. */
export function isAddress(model: string): boolean {
  return /^[a-z][a-z0-9+.-]+:\/\//i.test(model)
}

/** Throws `config` and `usage` with what is wrong. */
export function openService(parts: ServiceParts): Service {
  const { url, access, file } = openAccess(parts)
  const { rowsPerRequest = file.rowsPerRequest } = parts
  const mapping = { ...mappingOf(file), ...(rowsPerRequest !== undefined && { rowsPerRequest }) }
  return { url: mapping.protocol === 'v2' ? modelAddress(url) : url, mapping, access }
}

/** What it takes to ask the endpoint of a run again. */
export function reopenService(
  parts: ServiceParts,
  { protocol }: Pick<Endpoint, 'protocol'>,
): Pick<Service, 'url' | 'access'> {
  const { url, access } = openAccess(parts)
  return { url: protocol === 'v2' ? modelAddress(url) : url, access }
}

function openAccess(parts: ServiceParts): { url: string; access: Access; file: EndpointFile } {
  const { variables, limits } = parts
  const described = parts.file ?? endpointSchema.parse({ protocol: 'v2' })
  const file = typeof described === 'string' ? readEndpointFile(described) : described
  const address = parts.address ?? file.url
  if (address === undefined) {
    throw new RobustlyError('usage', 'the endpoint has no address', {
      hint: 'Give it in place of the model, or as "url" in the file.',
    })
  }
  return { ...splitAccess(address, { headers: file.headers, limits: limitsOf(file, limits), variables }), file }
}

function limitsOf(file: EndpointFile, over: Partial<ClientLimits> = {}): ClientLimits {
  const names = Object.keys(endpointLimits) as (keyof ClientLimits)[]
  return Object.fromEntries(names.map(name => [name, over[name] ?? file[name]])) as unknown as ClientLimits
}

/** The address of the model itself: what comes before `/infer`. */
function modelAddress(url: string): string {
  const base = url.replace(/\/+$/, '').replace(/\/infer$/, '')
  if (/\/v2\/models\/[^/]+(\/versions\/[^/]+)?$/.test(base)) return base
  throw new RobustlyError('config', `${printable(url)} is no address of a model by the Open Inference Protocol v2`, {
    hint: 'Give https://HOST/v2/models/NAME, or describe another service in a file and give it with --endpoint.',
  })
}

/** A description larger than this is none. */
const largest = 2 ** 20

function readEndpointFile(path: string): EndpointFile {
  const fail = (message: string): never => {
    throw new RobustlyError('config', `the endpoint file ${printable(path)} ${message}`)
  }
  let checked: ReturnType<typeof endpointSchema.safeParse>
  try {
    if (statSync(path).size > largest) fail('is too large')
    checked = endpointSchema.safeParse(JSON.parse(readFileSync(path, 'utf8')))
  } catch (error) {
    if (error instanceof RobustlyError) throw error
    if (error instanceof RangeError) return fail('is nested too deeply')
    return fail(error instanceof SyntaxError ? 'is not JSON' : `cannot be read: ${fileProblem(error)}`)
  }
  if (checked.success) return checked.data
  const issues = checked.error.issues.map(({ path, message }) =>
    printable(`${path.join('.') || 'it'}: ${message}`, 200),
  )
  return fail(`is not right: ${issues.join('; ')}`)
}
