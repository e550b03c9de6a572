/** What each decision costs where a model is asked over a network: rows, requests, tries and time by sample and attack. */
import type { RowAccount } from '../model/batch-model.js'
import type { ScoreSource } from '../model/score-source.js'

export interface DecisionCost {
  readonly sample: number
  /** null: the prediction of the clean sample. */
  readonly attack: string | null
  /** Rows that were asked for it, verification included. */
  readonly rows: number
  /** Requests that carried them, perhaps beside rows of other samples; and how many of these were further tries. */
  readonly requests: number
  readonly retries: number
  /** Time of these requests. */
  readonly milliseconds: number
  /** Rows without an answer. */
  readonly failed: number
}

export interface Ledger {
  add(sample: number, attack: string | null, account: RowAccount): void
  /** The cost of what is decided now, undefined when nothing was asked. */
  close(sample: number, attack: string | null): DecisionCost | undefined
}

export function startLedger(): Ledger {
  const open = new Map<string, { -readonly [K in keyof DecisionCost]: DecisionCost[K] } & { last: number }>()
  const keyOf = (sample: number, attack: string | null) => `${sample} ${attack ?? ''}`
  return {
    add(sample, attack, { request, tries, milliseconds, problem }) {
      const key = keyOf(sample, attack)
      const cost = open.get(key) ?? {
        ...{ sample, attack, rows: 0, requests: 0, retries: 0, milliseconds: 0, failed: 0 },
        last: -1,
      }
      open.set(key, cost)
      cost.rows++
      if (problem !== undefined) cost.failed++
      if (cost.last === request) return
      cost.last = request
      cost.requests += tries
      cost.retries += Math.max(0, tries - 1)
      cost.milliseconds += milliseconds
    },
    close(sample, attack) {
      const key = keyOf(sample, attack)
      const cost = open.get(key)
      open.delete(key)
      if (cost === undefined) return undefined
      const { last: _, ...rest } = cost
      return { ...rest, milliseconds: Math.round(rest.milliseconds) }
    },
  }
}

/** A source that puts the cost of its answers down for what is being decided. Asked one sample at a time. */
export interface Watched extends Pick<ScoreSource, 'scores'> {
  /** What the next questions are about. */
  about(sample: number, attack: string | null): void
  /** Why an answer to one of them is missing. */
  readonly problem: string | undefined
}

export function watched(source: ScoreSource, ledger: Ledger): Watched {
  let subject: readonly [number, string | null] = [-1, null]
  let problem: string | undefined
  return {
    about(sample, attack) {
      subject = [sample, attack]
      problem = undefined
    },
    async scores(samples, bound) {
      const scores = await source.scores(samples, bound)
      const account = source.account?.(0)
      if (account !== undefined) ledger.add(...subject, account)
      problem ??= account?.problem
      return scores
    },
    get problem() {
      return problem
    },
  }
}
