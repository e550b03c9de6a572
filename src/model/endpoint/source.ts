/** An endpoint as a source of scores: batches become requests that are under way at once. */
import { type Access, withoutSecrets } from '../../runtime/http/access.js'
import { openClient, type Surroundings } from '../../runtime/http/client.js'
import { sizeOf } from '../../tensor/tensor.js'
import type { RowAccount } from '../batch-model.js'
import { applyInputPlan, type DataSpace, type InputPlan, planInput } from '../data-space.js'
import { type BoundInput, modelInputs } from '../inputs.js'
import type { ScoreSource } from '../score-source.js'
import { type Endpoint, inputInfo } from './schema.js'
import { placeholdersIn } from './template.js'
import { type Wire, wireOf } from './wire.js'

/** Asks for nothing. Throws what does not fit between data and input. */
export function openEndpoint(
  endpoint: Endpoint,
  {
    access,
    space,
    surroundings = {},
  }: { readonly access: Access; readonly space: DataSpace; readonly surroundings?: Surroundings },
): ScoreSource {
  const inputs = endpointInputs(endpoint, space)
  const { plan } = inputs
  const wire = wireOf(endpoint)
  const client = openClient(access, surroundings)
  const { classes, rowsPerRequest } = endpoint
  const features = sizeOf(plan.inputShape)
  let accounts: RowAccount[] = []
  let requests = 0
  let unusable = 0
  let seconds = 0

  /** Rows first … end - 1 in one request, of which some may be repetitions. */
  async function request(
    { samples, bound }: Pick<Rows, 'samples' | 'bound'>,
    [first, end]: readonly [number, number],
    into: Float32Array,
  ): Promise<void> {
    const count = end - first
    const sent = endpoint.fixedRows
      ? rowsPerRequest
      : count === 1 && samples.length > features
        ? atLeastTwo(rowsPerRequest)
        : count
    const number = requests++
    const body = bodyOf(wire, inputs, { samples, bound, first, end, sent })
    const reply = await client.ask({ method: wire.method, url: wire.url, body, rows: sent })
    const expected = { kind: endpoint.kind, count: sent, classes, classNames: endpoint.classNames }
    const scores = 'text' in reply ? wire.decode(reply.text, expected) : reply.problem
    const problem = typeof scores === 'string' ? `the endpoint failed: ${withoutSecrets(scores, access)}` : undefined
    if ('text' in reply && problem !== undefined) unusable++
    const { tries, milliseconds } = reply
    for (let row = first; row < end; row++) {
      accounts[row] = { problem, tries, milliseconds, request: number }
    }
    if (typeof scores === 'string') into.fill(Number.NaN, first * classes, end * classes)
    else into.set(scores.subarray(0, count * classes), first * classes)
  }

  return {
    classes,
    answers: endpoint.kind,
    rowsAtOnce: rowsPerRequest,
    async scores(samples, bound) {
      const start = performance.now()
      const count = samples.length / features
      const scores = new Float32Array(count * classes)
      accounts = new Array<RowAccount>(count)
      const answers: Promise<void>[] = []
      for (let first = 0; first < count; first += rowsPerRequest) {
        answers.push(request({ samples, bound }, [first, Math.min(first + rowsPerRequest, count)], scores))
      }
      await Promise.all(answers)
      seconds += (performance.now() - start) / 1000
      return scores
    },
    account: row => accounts[row],
    takeUsage() {
      const usage = client.takeUsage()
      const errors = usage.errors + unusable
      unusable = 0
      return { ...usage, errors }
    },
    get runtimeSeconds() {
      return seconds
    },
    [Symbol.asyncDispose]: async () => client.close(),
  }
}

/** What is done to samples on their way into the endpoint, and which of its inputs get constants of the data. */
export interface EndpointInputs {
  readonly plan: InputPlan
  readonly bound: readonly (BoundInput & { readonly datatype: string })[]
  /** What stands in for constants where none are given. */
  readonly example: Float32Array | undefined
}

/** Throws what does not fit between data and inputs. */
export function endpointInputs(endpoint: Inputs, space: DataSpace): EndpointInputs {
  const name = endpoint.protocol === 'v2' ? endpoint.input.name : '$samples'
  const others = (endpoint.protocol === 'v2' ? endpoint.others : placedInputs(endpoint)) ?? []
  const infos = others.map(each => inputInfo(each.name, each.datatype, each.shape))
  const attacked = inputInfo(name, 'FP32', endpoint.inputShape ?? undefined)
  const { bound } = modelInputs({ inputs: [attacked, ...infos] }, space)
  const datatypeOf = (input: string) => others.find(each => each.name === input)!.datatype
  return {
    plan: planInput(space, attacked),
    bound: bound.map(each => ({ ...each, datatype: datatypeOf(each.info.name) })),
    example: space.bound?.example,
  }
}

type Inputs =
  | Pick<Extract<Endpoint, { protocol: 'v2' }>, 'protocol' | 'inputShape' | 'input' | 'others'>
  | Pick<Extract<Endpoint, { protocol: 'json' }>, 'protocol' | 'inputShape' | 'request'>

/** The inputs that the body of a request names: they take values as the data have them, in any shape. */
function placedInputs({ request }: Pick<Extract<Endpoint, { protocol: 'json' }>, 'request'>) {
  const names = new Set(placeholdersIn(request).flatMap(({ input }) => input ?? []))
  return Array.from(names, name => ({ name, datatype: 'FP32', shape: undefined }))
}

/**
 * A single row of a batch goes as two: engines may take another path for one row, with other last bits, and the answer to a
 * point must not depend on how many others were asked with it.
 */
function atLeastTwo(rowsPerRequest: number): number {
  return Math.min(2, rowsPerRequest)
}

interface Rows {
  readonly samples: Float32Array
  /** Of each sample what the other inputs get; undefined: the example. */
  readonly bound?: Float32Array | undefined
  readonly first: number
  readonly end: number
  /** Rows to send: those after the last repeat it. */
  readonly sent: number
}

/** The body of a request for so many rows, each on its way through the plan. */
export function bodyOf(wire: Wire, inputs: EndpointInputs, { samples, bound, first, end, sent }: Rows): string {
  const { plan, example } = inputs
  const features = sizeOf(plan.inputShape)
  const width = example?.length ?? 0
  const rows = new Float32Array(sent * features)
  const others = inputs.bound.map(({ info, datatype, shape, size }) => ({
    name: info.name,
    datatype,
    shape,
    values: new Float32Array(sent * size),
  }))
  for (let row = 0; row < sent; row++) {
    const from = Math.min(first + row, end - 1)
    rows.set(applyInputPlan(plan, samples.subarray(from * features, (from + 1) * features)), row * features)
    const own = bound === undefined ? example : bound.subarray(from * width, (from + 1) * width)
    inputs.bound.forEach(({ offset, size }, at) => {
      others[at]!.values.set(own!.subarray(offset, offset + size), row * size)
    })
  }
  return wire.encode(rows, sent, plan.inputShape, others)
}
