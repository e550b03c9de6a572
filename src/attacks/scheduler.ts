/**
 * Runs many searches at once. Collects the queries of the searches in flight into batches of the model's size, hands the
 * answers back, retires a search the moment it is decided and admits the next into the free lane. Counting, early stopping and
 * cancellation live here and nowhere else.
 */
import { type BatchModel, labelOf, type RowAccount } from '../model/batch-model.js'
import type { RowLoss } from '../model/losses.js'
import { randomStream } from '../random.js'
import { largestMagnitude } from '../tensor/kernels.js'
import { repair } from '../threat/repair.js'
import { contains, regionOf, type ThreatModel } from '../threat/threat.js'
import type { Answer, Attack, GradientReply, Proposal, Sample } from './attack.js'
import { searchOf } from './own-units.js'
import { nextOf, type RowQueue, type WaitingRow } from './queues.js'
import { type RoutedQuery, transferred } from './transfer.js'

export interface Search {
  readonly sample: Sample
  readonly attack: Attack
  /** Checked by the attack's schema. */
  readonly options: unknown
  /** What the attack's preparation found, if it has one. */
  readonly prepared?: Float32Array | undefined
}

export interface QueryCounts {
  forward: number
  gradient: number
}

export interface Outcome {
  /** 'hit': the judge accepted a point that was queried or proposed. 'error': the model's answer was not finite. */
  readonly status: 'hit' | 'exhausted' | 'error'
  readonly point: Proposal
  /** Of the model that is attacked. */
  readonly queries: Readonly<QueryCounts>
  /** Of a search on a surrogate: what it was asked, and whether a point that it misclassifies was offered to the target. */
  readonly transfer?: { readonly queries: Readonly<QueryCounts>; readonly fooledSurrogate: boolean }
  /** Gradient queries whose gradient was zero in every feature. */
  readonly zeroGradients: number
  readonly error?: string
}

export interface SchedulerOptions {
  /** What is attacked. */
  readonly model: BatchModel
  /** With one, attacks by gradients search on it, and `model` is asked for labels of what they offer only. */
  readonly surrogate?: BatchModel | undefined
  readonly threat: ThreatModel
  readonly seed: number
  /** The next search, undefined when none is at hand now. */
  take(): Search | undefined
  /** Resolves to true when `take` has something again, to false when it never will. Called only when no search is in flight. */
  more(): Promise<boolean>
  /** Whether the point really is an adversarial example. The point lies in the threat model's region. */
  judge(search: Search, point: Float32Array): Promise<boolean>
  /** Takes the result; may give the next search of the same sample, which keeps its lane. */
  decided(search: Search, outcome: Outcome): Search | undefined
  /** Called after every batch, once per row: its attack is charged with its share of the seconds. */
  spent?(attack: string, seconds: number): void
  /** Called for every row that was asked over a network. */
  answered?(search: Search, account: RowAccount): void
  /** Called for every row that was answered: the place to trace searches. */
  observed?: ((search: Search, seen: Seen) => void) | undefined
  /** Called after every batch: the place to fetch more work while searches are in flight. */
  batchDone?(): Promise<void>
  readonly now?: () => number
  readonly signal?: AbortSignal
  /** 'decided' (default): any verified hit inside the region ends a search. 'budget': only searches of that kind. 'never': for training. */
  readonly stop?: 'decided' | 'budget' | 'never'
}

/** One answered row, valid during the call. */
export interface Seen {
  /** What the model was asked about. */
  readonly point: Float32Array
  readonly logits: Float32Array
  /** Of gradient queries. */
  readonly loss: number | undefined
}

interface Lane {
  readonly search: Search
  /** How many searches of the same sample came before it. */
  readonly stage: number
  readonly steps: Generator<RoutedQuery, Proposal, Answer>
  readonly region: ReturnType<typeof regionOf>
  /** Where points may be asked about: the region or, for attacks of minimum distance, the box alone. */
  readonly reach: ReturnType<typeof regionOf>
  readonly queries: QueryCounts
  /** Of a search on a surrogate. */
  readonly transfer: { readonly queries: QueryCounts; fooledSurrogate: boolean } | undefined
  zeroGradients: number
  query: RoutedQuery
  /** One for each point of the largest query so far, reused from query to query. */
  readonly replies: Reply[]
  /** Replies still to come for the query. */
  open: number
  /** A reply of the query shows a misclassified point that may end the search. */
  suspect: boolean
  /** Set when the search came to its own end. */
  ended: { readonly proposal: Proposal } | undefined
  /** Set when the model's answer cannot be used. */
  problem: string | undefined
}

type Reply = { -readonly [K in keyof GradientReply]: GradientReply[K] }

interface Row extends WaitingRow {
  readonly lane: Lane
  readonly point: number
}

/** Rows that wait for one kind of answer of one model. */
interface Queue extends RowQueue<Row> {
  readonly model: BatchModel
  run(model: BatchModel, rows: readonly Row[]): Promise<void>
}

/**
 * Searches in flight for each row of a batch, for each model: a search waits in one of a model's two queues, so that with so many
 * of them one queue always fills a batch. More would only crowd the processor's cache.
 */
export const lanesPerRow = 2

const nothing = new Float32Array(0)
const none: RowLoss = { loss: 'cross-entropy', label: 0 }

/** Runs searches until there are no more. Throws what the model throws, and the signal's reason when aborted. */
export async function schedule(options: SchedulerOptions): Promise<void> {
  const { model, threat, surrogate } = options
  const now = options.now ?? (() => performance.now() / 1000)
  const queuesOf = (model: BatchModel) => ({
    gradient: { model, rows: [], run: runGradients } as Queue,
    forward: { model, rows: [], run: runScores } as Queue,
  })
  const target = queuesOf(model)
  const second = surrogate === undefined ? undefined : queuesOf(surrogate)
  const queues = [target, ...(second === undefined ? [] : [second])].flatMap(({ gradient, forward }) => [
    gradient,
    forward,
  ])
  const lanes = lanesPerRow * model.batch * (surrogate === undefined ? 1 : 2)
  let inFlight = 0
  let batches = 0

  for (;;) {
    while (inFlight < lanes) {
      const search = options.take()
      if (search === undefined) break
      inFlight++
      await begin(search)
    }
    options.signal?.throwIfAborted()
    if (inFlight === 0) {
      if (await options.more()) continue
      return
    }
    await runNext()
    await options.batchDone?.()
  }

  async function runNext(): Promise<void> {
    const { model, rows, run } = nextOf(queues, { batches, comes: inFlight === lanes })
    batches++
    await run(model, rows.splice(0, model.batch))
  }

  /** Starts a search, and the ones that follow it on the same sample, until one has a query. */
  async function begin(first: Search, stage = 0): Promise<void> {
    let search: Search | undefined = first
    for (let at = stage; search !== undefined; at++) {
      const lane = open(search, at)
      const step = lane.steps.next([])
      if (!step.done) {
        enqueue(lane, step.value)
        return
      }
      search = await conclude(lane, step.value)
    }
    inFlight--
  }

  function open(search: Search, stage: number): Lane {
    const { sample, attack } = search
    const random = (restart: number) => randomStream(options.seed, sample.index, attack.name, restart)
    const own = searchOf({ ...search, threat, random })
    const transfer =
      second !== undefined && attack.access === 'gradients'
        ? { queries: { forward: 0, gradient: 0 }, fooledSurrogate: false }
        : undefined
    const region = regionOf(threat, sample.input)
    const anywhere = threat.constraints !== undefined && attack.kind === 'minimum'
    return {
      search,
      stage,
      steps: transfer === undefined ? own : transferred(own, attack, sample, threat, transfer),
      region,
      reach: anywhere ? regionOf({ ...threat, epsilon: Number.POSITIVE_INFINITY }, sample.input) : region,
      queries: { forward: 0, gradient: 0 },
      transfer,
      zeroGradients: 0,
      query: { ask: 'labels', points: [] },
      replies: [],
      open: 0,
      suspect: false,
      ended: undefined,
      problem: undefined,
    }
  }

  function enqueue(lane: Lane, query: RoutedQuery): void {
    lane.query = query
    lane.open = query.points.length
    for (let point = 0; point < query.points.length; point++) {
      lane.replies[point] ??= { label: 0, logits: new Float32Array(model.classes), loss: 0, gradient: nothing }
    }
    const asked = second === undefined || onTarget(lane) ? target : second
    const { rows } = query.ask === 'gradients' ? asked.gradient : asked.forward
    for (let point = 0; point < query.points.length; point++) rows.push({ lane, point, since: batches })
  }

  function fill({ inputs, features, bound }: BatchModel, rows: readonly Row[]): void {
    rows.forEach(({ lane, point }, row) => {
      inputs.set(feasible(lane, lane.query.points[point]), row * features)
      const own = lane.search.sample.bound
      if (own !== undefined) bound?.set(own, row * own.length)
    })
  }

  /** What the model is asked in place of the point: itself, or where features have constraints the nearest that keeps them. */
  function feasible({ reach }: Lane, point: Float32Array): Float32Array {
    if (threat.constraints === undefined) return point
    const near = new Float32Array(point.length)
    repair(threat, reach, point, near)
    return near
  }

  function charge(rows: readonly Row[], seconds: number): void {
    if (options.spent === undefined) return
    for (const { lane } of rows) options.spent(lane.search.attack.name, seconds / rows.length)
  }

  async function runScores(model: BatchModel, rows: readonly Row[]): Promise<void> {
    const start = now()
    fill(model, rows)
    const logits = await model.scores(rows.length)
    rows.forEach(({ lane, point }, row) => {
      countsOf(lane).forward++
      const account = model.account?.(row)
      lane.problem ??= account?.problem
      if (account !== undefined) options.answered?.(lane.search, account)
      takeScores(lane, lane.replies[point], logits, row)
      options.observed?.(lane.search, seen(lane, point, undefined))
    })
    await advance(rows)
    charge(rows, now() - start)
  }

  async function runGradients(model: BatchModel, rows: readonly Row[]): Promise<void> {
    const start = now()
    fill(model, rows)
    const losses = rows.map(({ lane }) => (lane.query.ask === 'gradients' ? lane.query.loss : none))
    const result = await model.gradients(losses)
    const gradients = rowsOf(result.gradients, model.features)
    rows.forEach(({ lane, point }, row) => {
      const reply = lane.replies[point]
      countsOf(lane).gradient++
      takeScores(lane, reply, result.logits, row)
      reply.loss = result.losses[row]
      options.observed?.(lane.search, seen(lane, point, reply.loss))
      // Alone it is read before the next batch; with others it waits for theirs.
      reply.gradient = lane.query.points.length === 1 ? gradients[row] : gradients[row].slice()
      const size = largestMagnitude(reply.gradient)
      if (size === 0) lane.zeroGradients++
      if (!Number.isFinite(size) || !Number.isFinite(reply.loss))
        lane.problem ??= 'the loss or its gradient is not finite'
    })
    await advance(rows)
    charge(rows, now() - start)
  }

  function seen(lane: Lane, point: number, loss: number | undefined): Seen {
    return { point: feasible(lane, lane.query.points[point]), logits: lane.replies[point].logits, loss }
  }

  function takeScores(lane: Lane, reply: Reply, logits: Float32Array, row: number): void {
    for (let k = 0; k < reply.logits.length; k++) reply.logits[k] = logits[row * reply.logits.length + k]
    reply.label = labelOf(reply.logits)
    lane.open--
    if (reply.label < 0) lane.problem ??= 'the model answered with scores that are not finite'
    if (stops(lane) && onTarget(lane) && reply.label !== lane.search.sample.label) lane.suspect = true
  }

  function stops(lane: Lane): boolean {
    const stop = options.stop ?? 'decided'
    return stop === 'decided' || (stop === 'budget' && lane.search.attack.kind === 'budget')
  }

  /**
   * Lets every search whose query is complete go on. Synchronous for the many that just take their next step; the few
   * that may be decided wait for the judge after them.
   */
  async function advance(rows: readonly Row[]): Promise<void> {
    const judged: Lane[] = []
    for (const { lane, point } of rows) {
      if (lane.open > 0 || point !== lane.query.points.length - 1) continue
      if (lane.suspect || lane.problem !== undefined || goOn(lane) !== undefined) judged.push(lane)
    }
    for (const lane of judged) await decide(lane)
  }

  /** Takes the next step; the end of the search when it comes to one. */
  function goOn(lane: Lane): Lane['ended'] {
    const { replies, query } = lane
    const step = lane.steps.next(
      replies.length === query.points.length ? replies : replies.slice(0, query.points.length),
    )
    if (step.done) lane.ended = { proposal: step.value }
    else enqueue(lane, step.value)
    return lane.ended
  }

  async function decide(lane: Lane): Promise<void> {
    const next = await decision(lane)
    if (next === 'goes on') return
    if (next === undefined) inFlight--
    else await begin(next, lane.stage + 1)
  }

  async function decision(lane: Lane): Promise<Search | undefined | 'goes on'> {
    if (lane.problem !== undefined) return finish(lane, 'error', undefined)
    if (lane.ended !== undefined) return await conclude(lane, lane.ended.proposal)
    const hit = await hitOf(lane)
    if (hit !== undefined) {
      lane.steps.return(undefined)
      return finish(lane, 'hit', hit)
    }
    const ended = goOn(lane)
    return ended === undefined ? 'goes on' : await conclude(lane, ended.proposal)
  }

  async function hitOf(lane: Lane): Promise<Float32Array | undefined> {
    if (!lane.suspect) return undefined
    lane.suspect = false
    const { points } = lane.query
    // A model that draws at random is asked the same point many times over: only a majority is worth the judge's own draws.
    for (let start = 0, end = 0; start < points.length; start = end) {
      const point = points[start]
      let wrong = 0
      for (end = start; points[end] === point; end++) {
        if (lane.replies[end].label !== lane.search.sample.label) wrong++
      }
      if (wrong === 0 || 2 * wrong < end - start) continue
      const asked = feasible(lane, point)
      // A copy, for the search takes its point back when it ends.
      if (contains(threat, lane.region, asked) && (await options.judge(lane.search, asked))) return asked.slice()
    }
    return undefined
  }

  /** A search that came to its own end: its proposal is put into the region and judged. */
  async function conclude(lane: Lane, proposal: Proposal): Promise<Search | undefined> {
    if (proposal === undefined || options.stop === 'never') return finish(lane, 'exhausted', proposal)
    if (lane.search.attack.kind === 'budget') threat.norm.project(proposal, lane.region)
    const point = feasible(lane, proposal)
    const hit = await options.judge(lane.search, point)
    return finish(lane, hit ? 'hit' : 'exhausted', point)
  }

  function finish(lane: Lane, status: Outcome['status'], point: Proposal): Search | undefined {
    const { search, queries, transfer, zeroGradients, problem } = lane
    return options.decided(search, {
      status,
      point,
      queries,
      ...(transfer === undefined ? {} : { transfer }),
      zeroGradients,
      ...(problem === undefined ? {} : { error: problem }),
    })
  }
}

/** Whether the model that is attacked answers the lane's query, and not its surrogate. */
function onTarget({ transfer, query }: Lane): boolean {
  return transfer === undefined || query.of === 'target'
}

/** Where the lane's query counts. */
function countsOf(lane: Lane): QueryCounts {
  return lane.transfer === undefined || onTarget(lane) ? lane.queries : lane.transfer.queries
}

/** The rows of an array that a model may fill again and again. */
const views = new WeakMap<Float32Array, readonly Float32Array[]>()

function rowsOf(batch: Float32Array, width: number): readonly Float32Array[] {
  const known = views.get(batch)
  if (known !== undefined) return known
  const rows = Array.from({ length: batch.length / width }, (_, row) => batch.subarray(row * width, (row + 1) * width))
  views.set(batch, rows)
  return rows
}
