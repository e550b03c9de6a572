/**
 * Runs many searches at once. Collects the queries of the searches in flight into batches of the model's size, hands the
 * answers back, retires a search the moment it is decided and admits the next into the free lane. Counting, early stopping and
 * cancellation live here and nowhere else.
 */
import { type BatchModel, labelOf } from '../model/batch-model.js'
import type { RowLoss } from '../model/losses.js'
import { randomStream } from '../random.js'
import { contains, regionOf, type ThreatModel } from '../threat/threat.js'
import type { Attack, GradientReply, Proposal, Query, Sample, Steps } from './attack.js'

export interface Search {
  readonly sample: Sample
  readonly attack: Attack
  /** Checked by the attack's schema. */
  readonly options: unknown
}

export interface QueryCounts {
  forward: number
  gradient: number
}

export interface Outcome {
  /** 'hit': the judge accepted a point that was queried or proposed. 'error': the model's answer was not finite. */
  readonly status: 'hit' | 'exhausted' | 'error'
  readonly point: Proposal
  readonly queries: Readonly<QueryCounts>
  /** Gradient queries whose gradient was zero in every feature. */
  readonly zeroGradients: number
  readonly error?: string
}

export interface SchedulerOptions {
  readonly model: BatchModel
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
  /** Called after every batch: attack names of its rows are charged with its seconds. */
  spent?(attack: string, seconds: number): void
  readonly now?: () => number
  readonly signal?: AbortSignal
  /** Run every search to its end, whatever it meets on the way: for training. */
  readonly exhaustive?: boolean
}

interface Lane {
  readonly search: Search
  readonly steps: Steps<'gradients'>
  readonly region: ReturnType<typeof regionOf>
  readonly queries: QueryCounts
  zeroGradients: number
  query: Query<'gradients'>
  replies: GradientReply[]
  /** Replies still to come for the query. */
  open: number
  /** Set when the search came to its own end. */
  ended: { readonly proposal: Proposal } | undefined
  /** Set when the model's answer cannot be used. */
  problem: string | undefined
}

interface Row {
  readonly lane: Lane
  readonly point: number
}

const none: RowLoss = { loss: 'cross-entropy', label: 0 }
const nothing = new Float32Array(0)

/** Runs searches until there are no more. Throws what the model throws, and the signal's reason when aborted. */
export async function schedule(options: SchedulerOptions): Promise<void> {
  const { model, threat } = options
  const now = options.now ?? (() => performance.now() / 1000)
  const forward: Row[] = []
  const gradient: Row[] = []
  let inFlight = 0

  for (;;) {
    while (inFlight < model.batch) {
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
    if (gradient.length >= forward.length) await runGradients(gradient.splice(0, model.batch))
    else await runScores(forward.splice(0, model.batch))
  }

  /** Starts a search, and the ones that follow it on the same sample, until one has a query. */
  async function begin(first: Search): Promise<void> {
    let search: Search | undefined = first
    while (search !== undefined) {
      const lane = open(search)
      const step = lane.steps.next([])
      if (!step.done) {
        enqueue(lane, step.value)
        return
      }
      search = await conclude(lane, step.value)
    }
    inFlight--
  }

  function open(search: Search): Lane {
    const { sample, attack } = search
    const random = (restart: number) => randomStream(options.seed, sample.index, attack.name, restart)
    return {
      search,
      steps: attack.search(sample, threat, search.options, random) as Steps<'gradients'>,
      region: regionOf(threat, sample.input),
      queries: { forward: 0, gradient: 0 },
      zeroGradients: 0,
      query: { ask: 'labels', points: [] },
      replies: [],
      open: 0,
      ended: undefined,
      problem: undefined,
    }
  }

  function enqueue(lane: Lane, query: Query<'gradients'>): void {
    lane.query = query
    lane.open = query.points.length
    lane.replies = new Array(query.points.length)
    const queue = query.ask === 'gradients' ? gradient : forward
    for (let point = 0; point < query.points.length; point++) queue.push({ lane, point })
  }

  function fill(rows: readonly Row[]): void {
    rows.forEach(({ lane, point }, row) => {
      model.inputs.set(lane.query.points[point], row * model.features)
    })
  }

  function charge(rows: readonly Row[], seconds: number): void {
    if (options.spent === undefined) return
    for (const { lane } of rows) options.spent(lane.search.attack.name, seconds / rows.length)
  }

  async function runScores(rows: readonly Row[]): Promise<void> {
    const start = now()
    fill(rows)
    const logits = await model.scores()
    rows.forEach(({ lane, point }, row) => {
      lane.queries.forward++
      lane.replies[point] = scoreReply(logits, row)
      lane.open--
    })
    await advance(rows)
    charge(rows, now() - start)
  }

  async function runGradients(rows: readonly Row[]): Promise<void> {
    const start = now()
    fill(rows)
    const { features } = model
    const losses = rows.map(({ lane }) => (lane.query.ask === 'gradients' ? lane.query.loss : none))
    const result = await model.gradients(losses)
    rows.forEach(({ lane, point }, row) => {
      lane.queries.gradient++
      const { label, logits } = scoreReply(result.logits, row)
      const gradient = result.gradients.subarray(row * features, (row + 1) * features)
      lane.replies[point] = { label, logits, loss: result.losses[row], gradient }
      lane.open--
    })
    await advance(rows)
    charge(rows, now() - start)
  }

  function scoreReply(logits: Float32Array, row: number): GradientReply {
    const { classes } = model
    const own = logits.subarray(row * classes, (row + 1) * classes)
    return { label: labelOf(own), logits: own, loss: 0, gradient: nothing }
  }

  /**
   * Lets every search whose query is complete go on. Synchronous for the many that just take their next step; the few
   * that may be decided wait for the judge after them.
   */
  async function advance(rows: readonly Row[]): Promise<void> {
    const judged: Lane[] = []
    for (const { lane, point } of rows) {
      if (lane.open > 0 || point !== lane.query.points.length - 1) continue
      if (mayBeDecided(lane)) judged.push(lane)
      else if (goOn(lane) !== undefined) judged.push(lane)
    }
    for (const lane of judged) await decide(lane)
  }

  /** Takes the next step; the end of the search when it comes to one. */
  function goOn(lane: Lane): Lane['ended'] {
    const step = lane.steps.next(lane.replies)
    if (step.done) lane.ended = { proposal: step.value }
    else enqueue(lane, step.value)
    return lane.ended
  }

  /** Whether a reply is broken or shows a misclassified point. Counts zero gradients on the way. */
  function mayBeDecided(lane: Lane): boolean {
    const stops = !options.exhaustive && lane.search.attack.kind === 'budget'
    let decided = false
    for (const reply of lane.replies) {
      if (reply.label < 0 || (stops && reply.label !== lane.search.sample.label)) decided = true
      if (lane.query.ask !== 'gradients') continue
      const size = sumOfAbsolutes(reply.gradient)
      if (size === 0) lane.zeroGradients++
      if (!Number.isFinite(size) || !Number.isFinite(reply.loss)) {
        lane.problem = 'the loss or its gradient is not finite'
        decided = true
      }
      if (reply.label < 0) lane.problem = 'the model answered with scores that are not finite'
    }
    return decided
  }

  async function decide(lane: Lane): Promise<void> {
    const next = await decision(lane)
    if (next === 'goes on') return
    if (next === undefined) inFlight--
    else await begin(next)
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
    for (let i = 0; i < lane.replies.length; i++) {
      if (lane.replies[i].label === lane.search.sample.label) continue
      const point = lane.query.points[i]
      if (contains(threat, lane.region, point) && (await options.judge(lane.search, point))) return point
    }
    return undefined
  }

  /** A search that came to its own end: its proposal is put into the region and judged. */
  async function conclude(lane: Lane, proposal: Proposal): Promise<Search | undefined> {
    if (proposal === undefined || options.exhaustive) return finish(lane, 'exhausted', proposal)
    if (lane.search.attack.kind === 'budget') threat.norm.project(proposal, lane.region)
    const hit = await options.judge(lane.search, proposal)
    return finish(lane, hit ? 'hit' : 'exhausted', proposal)
  }

  function finish(lane: Lane, status: Outcome['status'], point: Proposal): Search | undefined {
    const { search, queries, zeroGradients, problem } = lane
    return options.decided(search, {
      status,
      point,
      queries,
      zeroGradients,
      ...(problem === undefined ? {} : { error: problem }),
    })
  }
}

/** Not finite when any element is not. */
function sumOfAbsolutes(values: Float32Array): number {
  let sum = 0
  for (let i = 0; i < values.length; i++) sum += Math.abs(values[i])
  return sum
}
