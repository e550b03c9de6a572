/** An endpoint as a source of scores: batches become requests that are under way at once. */
import { type Access, withoutSecrets } from '../../runtime/http/access.js'
import { openClient, type Surroundings } from '../../runtime/http/client.js'
import { sizeOf } from '../../tensor/tensor.js'
import type { RowAccount } from '../batch-model.js'
import { applyInputPlan, type DataSpace, type InputPlan, planInput } from '../data-space.js'
import type { ScoreSource } from '../score-source.js'
import type { Endpoint } from './schema.js'
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
  const plan = inputPlanOf(endpoint, space)
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
    samples: Float32Array,
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
    const body = bodyOf(wire, plan, { samples, first, end, sent })
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
    async scores(samples) {
      const start = performance.now()
      const count = samples.length / features
      const scores = new Float32Array(count * classes)
      accounts = new Array<RowAccount>(count)
      const answers: Promise<void>[] = []
      for (let first = 0; first < count; first += rowsPerRequest) {
        answers.push(request(samples, [first, Math.min(first + rowsPerRequest, count)], scores))
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

/** What is done to a sample on its way into the endpoint. */
export function inputPlanOf({ inputShape }: Pick<Endpoint, 'inputShape'>, space: DataSpace): InputPlan {
  const shape = inputShape?.map(dim => dim ?? undefined)
  return planInput(space, { name: 'input', dtype: 'float32', shape })
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
  readonly first: number
  readonly end: number
  /** Rows to send: those after the last repeat it. */
  readonly sent: number
}

/** The body of a request for so many rows, each on its way through the plan. */
export function bodyOf(wire: Wire, plan: InputPlan, { samples, first, end, sent }: Rows): string {
  const features = sizeOf(plan.inputShape)
  const rows = new Float32Array(sent * features)
  for (let row = 0; row < sent; row++) {
    const from = Math.min(first + row, end - 1) * features
    rows.set(applyInputPlan(plan, samples.subarray(from, from + features)), row * features)
  }
  return wire.encode(rows, sent, plan.inputShape)
}
