/**
 * Asks one service many times and stays polite and bounded: so many requests at once, so many a second, so many rows in all.
 * What may pass is tried again with exponential backoff and full jitter; when nothing comes through any more, it stops asking.
 *
 * Backoff: M. Brooker, "Exponential backoff and jitter", AWS Architecture Blog, 2015.
 */
import { printable } from '../../printable.js'
import { type Access, type ClientLimits, withoutSecrets } from './access.js'
import type { Resolve } from './address.js'
import { type Exchange, openExchanger } from './exchange.js'
import { addUsage, latencyClass, noUsage, type Usage } from './usage.js'

export interface Ask {
  readonly method: string
  /** Without secrets: those of the access are added. */
  readonly url: string
  readonly body?: string
  /** Rows of the model that it asks for. */
  readonly rows: number
}

/** The text of a successful answer, or why there is none. */
export type Reply = ({ readonly text: string } | { readonly problem: string }) & {
  /** How often it was sent. */
  readonly tries: number
  /** From the first try to the last answer. */
  readonly milliseconds: number
}

export interface Client {
  /** Never rejects. */
  ask(ask: Ask): Promise<Reply>
  /** What was used since the last call. */
  takeUsage(): Usage
  close(): void
}

/** Time, chance and names, for tests. */
export interface Surroundings {
  readonly resolve?: Resolve
  readonly now?: () => number
  readonly sleep?: (milliseconds: number) => Promise<void>
  readonly chance?: () => number
}

const firstDelay = 500
const longestDelay = 10_000
/** A server that asks for more patience than this is asked again after so long. */
const longestRetryAfter = 60_000
/** Requests that failed in passing, tries and all, one after the other: then the service is gone. */
const failuresInARow = 8
/** Characters of a server's own words that are repeated. */
const wordsKept = 200

/** The longest time that a batch may take: every try of every request at its slowest. In seconds. */
export function longestAnswer(limits: ClientLimits): number {
  const turn = limits.requestsPerSecond === null ? 0 : limits.concurrency / limits.requestsPerSecond
  return (limits.retries + 1) * (limits.timeoutSeconds + turn) + (limits.retries * longestRetryAfter) / 1000
}

export function openClient(access: Access, surroundings: Surroundings = {}): Client {
  const { now = () => performance.now(), chance = Math.random } = surroundings
  const sleep = surroundings.sleep ?? (time => new Promise<void>(done => void setTimeout(done, time)))
  const exchanger = openExchanger(access, surroundings.resolve)
  const enter = seats(access.concurrency)
  let usage = noUsage
  let taken = { sent: 0, received: 0 }
  let rowsSent = 0
  let failures = 0
  let nextStart = Number.NEGATIVE_INFINITY

  /** A token bucket that holds one token: starts are never closer than the rate allows. */
  async function turn(): Promise<void> {
    if (access.requestsPerSecond === null) return
    const start = Math.max(now(), nextStart)
    nextStart = start + 1000 / access.requestsPerSecond
    if (start > now()) await sleep(start - now())
  }

  async function send({ method, url: address, body, rows }: Ask): Promise<Verdict> {
    await turn()
    const start = now()
    const url = new URL(address)
    url.search = access.query
    const exchange = await exchanger.exchange({
      method,
      url,
      headers: access.headers,
      ...(body !== undefined && { body }),
    })
    usage = addUsage(usage, { ...noUsage, requests: 1, rows, latencies: { [latencyClass(now() - start)]: 1 } })
    return verdictOf(exchange, access)
  }

  async function tried(ask: Ask): Promise<Reply> {
    const start = now()
    const milliseconds = () => now() - start
    for (let tries = 1; ; tries++) {
      if (access.maxQueries !== null && rowsSent + ask.rows > access.maxQueries) {
        return { problem: budgetSpent, tries: tries - 1, milliseconds: milliseconds() }
      }
      rowsSent += ask.rows
      if (tries > 1) usage = { ...usage, retries: usage.retries + 1 }
      const verdict = await send(ask)
      if ('text' in verdict) {
        failures = 0
        return { ...verdict, tries, milliseconds: milliseconds() }
      }
      const { problem, transient, after } = verdict
      if (!transient || tries > access.retries) {
        failures = transient ? failures + 1 : 0
        usage = { ...usage, errors: usage.errors + 1 }
        return { problem: tries > 1 ? `${problem} (${tries} tries)` : problem, tries, milliseconds: milliseconds() }
      }
      await sleep(after ?? chance() * Math.min(longestDelay, firstDelay * 2 ** (tries - 1)))
    }
  }

  return {
    async ask(ask) {
      const leave = await enter()
      try {
        if (failures >= failuresInARow) return { problem: goneQuiet, tries: 0, milliseconds: 0 }
        return await tried(ask)
      } finally {
        leave()
      }
    },
    takeUsage() {
      const { sent, received } = exchanger.traffic
      const all = { ...usage, bytesSent: sent - taken.sent, bytesReceived: received - taken.received }
      taken = { sent, received }
      usage = noUsage
      return all
    },
    close: exchanger.close,
  }
}

/** The same words whatever the budget was: they end up in records. */
export const budgetSpent = 'the query budget is spent'
const goneQuiet = 'the endpoint does not answer any more'

type Verdict =
  | { readonly text: string }
  /** `after`: milliseconds to wait, where the server said so. */
  | { readonly problem: string; readonly transient: boolean; readonly after: number | undefined }

function verdictOf(exchange: Exchange, access: Access): Verdict {
  if (exchange.kind === 'failure') {
    return { problem: withoutSecrets(exchange.reason, access), transient: exchange.transient, after: undefined }
  }
  const { status, headers, text } = exchange
  if (status >= 200 && status < 300) return { text }
  const words = wordsOf(text)
  return {
    problem: `the server answered ${status}${words === '' ? '' : `: ${withoutSecrets(words, access)}`}`,
    transient: status === 429 || status >= 500,
    after: retryAfter(headers['retry-after']),
  }
}

/** What a server says of an error: the usual fields of JSON, or its text; of a page for people only that it is one. */
function wordsOf(text: string): string {
  if (/^\s*</.test(text)) return 'a web page'
  let words: unknown = text
  try {
    const value = JSON.parse(text) as Record<string, unknown> | null
    words = value?.error ?? value?.detail ?? value?.message ?? text
  } catch {
    // Not JSON: as it is.
  }
  return printable(typeof words === 'string' ? words : JSON.stringify(words), wordsKept).trim()
}

/** Milliseconds from `Retry-After`, which holds seconds or a date (RFC 9110, 10.2.3). */
export function retryAfter(header: string | undefined, now = Date.now()): number | undefined {
  if (header === undefined) return undefined
  const time = /^\s*\d+\s*$/.test(header) ? 1000 * Number(header) : Date.parse(header) - now
  return Number.isNaN(time) ? undefined : Math.min(longestRetryAfter, Math.max(0, time))
}

/** So many may be inside at once; the others wait in line. Resolves to the way out. */
function seats(count: number): () => Promise<() => void> {
  const line: (() => void)[] = []
  let free = count
  const leave = () => {
    const next = line.shift()
    if (next === undefined) free++
    else next()
  }
  return async () => {
    if (free > 0) free--
    else await new Promise<void>(resolve => line.push(resolve))
    return leave
  }
}
