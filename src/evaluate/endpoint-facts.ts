/** What an endpoint is, found by asking it: its metadata, its classes, whether it answers twice alike, and how many rows it takes. */
import { createHash } from 'node:crypto'
import { RobustlyError } from '../errors.js'
import type { DataSpace } from '../model/data-space.js'
import type { Endpoint, Mapping } from '../model/endpoint/schema.js'
import { bodyOf, endpointInputs, openEndpoint } from '../model/endpoint/source.js'
import { wireOf } from '../model/endpoint/wire.js'
import { areProbabilities, type ScoreSource } from '../model/score-source.js'
import { loadEngine } from '../runtime/engine.js'
import { type Access, withoutRows, withoutSecrets } from '../runtime/http/access.js'
import { budgetSpent, type Client, openClient } from '../runtime/http/client.js'
import { addUsage, type Usage } from '../runtime/http/usage.js'
import { sizeOf } from '../tensor/tensor.js'
import { canonical } from './canonical.js'
import { randomSample } from './compare.js'
import { metadataOf, type StatedEndpoint, spaceOfEndpoint, statedBy, unanswered } from './endpoint-metadata.js'
import type { ModelFacts } from './worker-api.js'

export interface InspectEndpointOptions {
  /** Without what gets one in. */
  readonly url: string
  readonly mapping: Mapping
  readonly access: Access
  /** How samples enter the model; without it samples are taken in the shape that the endpoint states. */
  readonly space?: DataSpace
  readonly engine?: 'native' | 'wasm' | undefined
}

export interface InspectedEndpoint extends ModelFacts {
  /** The address. */
  readonly file: string
  readonly sha256: string
  readonly endpoint: Endpoint
  /** Median of the first answers to one row. */
  readonly secondsPerAnswer: number
  /** What finding this out has used. */
  readonly usage: Usage
}

/** Throws `endpoint-failed` when it does not answer, `model-unsupported` when its answers are no scores, `config` for a shape that does not fit. */
export async function inspectEndpoint(options: InspectEndpointOptions): Promise<InspectedEndpoint> {
  const { url, mapping, access } = options
  const engine = await loadEngine(options.engine === undefined ? {} : { require: options.engine })
  const client = openClient(access)
  let usage: Usage | undefined
  const add = (more: Usage | undefined) => {
    if (more !== undefined) usage = usage === undefined ? more : addUsage(usage, more)
  }
  try {
    const stated =
      mapping.protocol === 'v2' ? await metadataOf(client, url, mapping, options.space) : statedBy(url, mapping)
    add(client.takeUsage())
    const space = options.space ?? spaceOfEndpoint(stated)
    const left = () => withoutRows(access, usage?.rows ?? 0)
    const probe = await probed(stated, { client, left, space, add })
    const { endpoint, randomised, warnings, notes, secondsPerAnswer } = probe
    const { kind, version, notice } = engine
    return {
      file: url,
      sha256: identityOf(url, mapping),
      parameters: null,
      classes: endpoint.classes,
      inputShape: endpointInputs(endpoint, space).plan.inputShape,
      notes,
      ...(randomised && { randomised }),
      warnings,
      engine: notice === undefined ? { kind, version } : { kind, version, notice },
      endpoint,
      secondsPerAnswer,
      usage: usage!,
    }
  } catch (error) {
    if (!(error instanceof RobustlyError)) throw error
    const { code, message, hint } = error
    throw new RobustlyError(code, withoutSecrets(message, access), hint === undefined ? {} : { hint })
  } finally {
    client.close()
  }
}

/** The identity of an endpoint: its address and what is said of it. Neither headers nor limits are part of it. */
export function identityOf(url: string, mapping: Mapping): string {
  return createHash('sha256').update(canonical({ url, mapping })).digest('hex')
}

interface Probing {
  readonly client: Client
  /** The access with what is left of its budget. */
  readonly left: () => Access
  readonly space: DataSpace
  readonly add: (usage: Usage | undefined) => void
}

interface Probe {
  readonly endpoint: Endpoint
  readonly randomised: boolean
  readonly notes: string[]
  readonly warnings: string[]
  readonly secondsPerAnswer: number
}

/** Asks about random samples: one row twice, then a full request. */
async function probed(stated: StatedEndpoint, { client, left, space, add }: Probing): Promise<Probe> {
  const notes: string[] = []
  const warnings: string[] = []
  const { wished, ...rest } = stated
  const sample = randomSample(space.sampleShape, 0)
  const milliseconds: number[] = []
  const ask = async (endpoint: Endpoint, samples: Float32Array): Promise<Float32Array | string> => {
    await using source: ScoreSource = openEndpoint(endpoint, { access: left(), space })
    const scores = await source.scores(samples)
    add(source.takeUsage?.())
    const account = source.account?.(0)
    milliseconds.push(account?.milliseconds ?? 0)
    if (account?.problem?.includes(budgetSpent)) throw unanswered(stated.url, account.problem)
    return account?.problem ?? scores
  }
  // Nobody knows the classes yet: an answer to one row tells them.
  const classes = stated.classes ?? (await countClasses(client, stated, space, sample))
  add(client.takeUsage())
  const endpoint = { ...rest, classes } as Endpoint
  const first = await ask(endpoint, sample)
  if (typeof first === 'string') throw unanswered(stated.url, first)
  const second = await ask(endpoint, sample)
  if (typeof second === 'string') throw unanswered(stated.url, second)
  const randomised = !near(first, second, 1e-3)
  if (!first.every(Number.isFinite))
    warnings.push('The endpoint answers random inputs with scores that are not finite.')
  else if (!randomised && first.some((value, i) => value !== second[i])) {
    warnings.push('Two equal requests get answers that differ in their last digits: results may vary a little.')
  }
  if (endpoint.kind === 'probabilities' && !areProbabilities(first)) {
    const sum = first.reduce((total, value) => total + value, 0)
    warnings.push(`The scores are said to be probabilities, but they sum to ${sum.toPrecision(4)}.`)
  }
  if (endpoint.kind === 'scores' && areProbabilities(first))
    notes.push('the scores are probabilities: attacks see their logarithms')
  if (endpoint.kind === 'labels')
    notes.push('it tells labels only: attacks by scores are not possible, and there are no margins')
  if (endpoint.protocol === 'v2' && endpoint.input.datatype === 'UINT8') {
    notes.push('inputs are sent as round(255 x): distances are those before rounding')
  }
  const rows = await rowsTaken(endpoint, { ask, sample, first, space })
  if (rows < endpoint.rowsPerRequest) {
    if (wished) throw unanswered(stated.url, `it does not take ${endpoint.rowsPerRequest} rows in a request`)
    notes.push('it takes one row in a request')
  }
  return {
    endpoint: { ...endpoint, rowsPerRequest: rows },
    randomised,
    notes,
    warnings,
    secondsPerAnswer: median(milliseconds.slice(0, 2)) / 1000,
  }
}

/** How many scores one row gets. Throws `model-unsupported` when that is no classifier. */
async function countClasses(
  client: Client,
  stated: StatedEndpoint,
  space: DataSpace,
  samples: Float32Array,
): Promise<number> {
  const endpoint = { ...stated, classes: 0 }
  const wire = wireOf(endpoint)
  const count = stated.fixedRows ? stated.rowsPerRequest : 1
  const body = bodyOf(wire, endpointInputs(endpoint, space), { samples, first: 0, end: 1, sent: count })
  const reply = await client.ask({ method: wire.method, url: wire.url, body, rows: count })
  const { kind, classNames } = stated
  const scores =
    'text' in reply ? wire.decode(reply.text, { kind, count, classes: undefined, classNames }) : reply.problem
  if (typeof scores === 'string') throw unanswered(stated.url, scores)
  if (scores.length >= 2 * count) return scores.length / count
  throw new RobustlyError(
    'model-unsupported',
    `${stated.url} gives one score for a sample, expected one for each of at least 2 classes`,
    {
      hint: 'For an endpoint that tells labels, describe it in a file with "kind": "labels" and "classes".',
    },
  )
}

interface FullRequest {
  readonly ask: (endpoint: Endpoint, samples: Float32Array) => Promise<Float32Array | string>
  readonly sample: Float32Array
  /** The answer to the sample alone. */
  readonly first: Float32Array
  readonly space: DataSpace
}

/** The number of rows if a full request gives what its samples give one by one, else 1. */
async function rowsTaken(endpoint: Endpoint, { ask, sample, first, space }: FullRequest): Promise<number> {
  const { rowsPerRequest: rows, fixedRows } = endpoint
  if (rows === 1 || fixedRows) return rows
  const size = sizeOf(space.sampleShape)
  const samples = new Float32Array(rows * size)
  for (let row = 0; row < rows - 1; row++) samples.set(randomSample(space.sampleShape, row + 1), row * size)
  samples.set(sample, (rows - 1) * size)
  const all = await ask(endpoint, samples)
  if (typeof all === 'string') return 1
  const last = all.subarray((rows - 1) * first.length)
  return near(first, last, 1e-2) ? rows : 1
}

/** Whether no two values differ by more than a share of the largest. What is not finite is near to everything. */
function near(a: Float32Array, b: Float32Array, share: number): boolean {
  const scale = Math.max(1e-6, ...a.map(Math.abs))
  return a.every((value, i) => !(Math.abs(value - b[i]) > share * scale))
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
}
