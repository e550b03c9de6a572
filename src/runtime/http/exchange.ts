/**
 * One HTTP exchange: a request and its whole answer, inside limits of time, size and address. It never throws: what went
 * wrong comes back in words, with whether another try may help. Redirects are followed under the same rules as the first address.
 */
import { Agent as HttpAgent, type IncomingHttpHeaders, request as requestHttp } from 'node:http'
import { Agent as HttpsAgent, request as requestHttps } from 'node:https'
import { printable } from '../../printable.js'
import { guardedLookup, type Resolve, refuseLiteral, systemResolve } from './address.js'

export interface ExchangeLimits {
  /** For the whole exchange, redirects included: a server that drips is cut off. */
  readonly timeoutSeconds: number
  readonly maxResponseBytes: number
  /** Loopback and private networks may be asked. */
  readonly allowPrivate: boolean
}

export interface Request {
  readonly method: string
  readonly url: URL
  /** Names in lower case. Sent to the origin of `url` only. */
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
}

export type Exchange =
  | { readonly kind: 'answer'; readonly status: number; readonly headers: IncomingHttpHeaders; readonly text: string }
  /** `transient`: another try may help. */
  | { readonly kind: 'failure'; readonly reason: string; readonly transient: boolean }

export interface Exchanger {
  exchange(request: Request): Promise<Exchange>
  /** Bytes of bodies, both ways, so far. */
  readonly traffic: { readonly sent: number; readonly received: number }
  /** Closes idle connections. */
  close(): void
}

/** Redirects that are followed, one after the other. */
const mostRedirects = 3
/** 303 asks for another method, which would be another question. */
const redirects = new Set([301, 302, 307, 308])
/** Headers that say something of this program's request, not of who sends it: they may go to another origin. */
const harmless = new Set(['content-type', 'accept', 'accept-encoding', 'user-agent'])

const networkProblems: Readonly<Record<string, string>> = {
  ECONNRESET: 'the connection was reset',
  EPIPE: 'the connection was closed',
  ECONNREFUSED: 'the connection was refused',
  ETIMEDOUT: 'the connection timed out',
  EHOSTUNREACH: 'the host cannot be reached',
  ENETUNREACH: 'the network cannot be reached',
  EAI_AGAIN: 'the host name cannot be resolved now',
}

export function openExchanger(limits: ExchangeLimits, resolve: Resolve = systemResolve): Exchanger {
  const lookup = guardedLookup(resolve, limits)
  const options = { keepAlive: true, lookup } as const
  const agents = { 'http:': new HttpAgent(options), 'https:': new HttpsAgent(options) } as const
  const traffic = { sent: 0, received: 0 }

  async function exchange(request: Request): Promise<Exchange> {
    const deadline = Date.now() + 1000 * limits.timeoutSeconds
    let current = request
    for (let hop = 0; ; hop++) {
      const answer = await once(current, deadline)
      if (answer.kind === 'failure' || !redirects.has(answer.status)) return answer
      const next = redirected(current, answer.headers.location)
      if (typeof next === 'string') return failure(next)
      if (hop === mostRedirects) return failure(`the server redirects more than ${mostRedirects} times`)
      current = next
    }
  }

  function once({ method, url, headers, body }: Request, deadline: number): Promise<Exchange> {
    const scheme = url.protocol
    if (scheme !== 'http:' && scheme !== 'https:') {
      return Promise.resolve(failure(`${printable(scheme, 20)} addresses are not asked, only http: and https:`))
    }
    const literal = refuseLiteral(url, limits)
    if (literal !== undefined) return Promise.resolve(failure(refusalText(literal)))
    return new Promise(settle => {
      const send = scheme === 'https:' ? requestHttps : requestHttp
      const bytes = body === undefined ? undefined : Buffer.from(body)
      const all = {
        'accept-encoding': 'identity',
        ...headers,
        ...(bytes !== undefined && { 'content-length': String(bytes.length) }),
      }
      const outgoing = send(url, { method, headers: all, agent: agents[scheme] })
      const end = (result: Exchange) => {
        clearTimeout(timer)
        outgoing.destroy()
        settle(result)
      }
      const timer = setTimeout(
        () => end(failure(`no complete answer within ${limits.timeoutSeconds} seconds`, true)),
        Math.max(0, deadline - Date.now()),
      )
      outgoing.on('error', error => end(networkFailure(error)))
      outgoing.on('response', incoming => {
        const { statusCode: status = 0, headers: received } = incoming
        const encoding = received['content-encoding'] ?? 'identity'
        const announced = Number(received['content-length'] ?? 0)
        if (encoding !== 'identity') return end(failure(`the answer is compressed (${printable(encoding, 20)})`))
        if (announced > limits.maxResponseBytes) return end(tooLarge(limits))
        const chunks: Buffer[] = []
        let size = 0
        incoming.on('data', (chunk: Buffer) => {
          size += chunk.length
          traffic.received += chunk.length
          if (size > limits.maxResponseBytes) end(tooLarge(limits))
          else chunks.push(chunk)
        })
        incoming.on('error', error => end(networkFailure(error)))
        incoming.on('end', () => {
          clearTimeout(timer)
          if (!incoming.complete) settle(failure('the connection was closed before the answer was complete', true))
          else settle({ kind: 'answer', status, headers: received, text: Buffer.concat(chunks).toString('utf8') })
        })
      })
      traffic.sent += bytes?.length ?? 0
      outgoing.end(bytes)
    })
  }

  return {
    exchange,
    traffic,
    close() {
      for (const agent of Object.values(agents)) agent.destroy()
    },
  }
}

/** The request for the place that a server points to, or why it is not made. */
export function redirected(request: Request, location: string | undefined): Request | string {
  if (location === undefined || !URL.canParse(location, request.url.href)) return 'the server redirects to no address'
  const url = new URL(location, request.url)
  if (request.url.protocol === 'https:' && url.protocol === 'http:') return 'the server redirects from https: to http:'
  if (url.origin === request.url.origin) return { ...request, url }
  const headers = Object.fromEntries(Object.entries(request.headers).filter(([name]) => harmless.has(name)))
  url.username = ''
  url.password = ''
  return { ...request, url, headers }
}

function failure(reason: string, transient = false): Exchange {
  return { kind: 'failure', reason, transient }
}

function tooLarge({ maxResponseBytes }: ExchangeLimits): Exchange {
  return failure(`the answer is larger than ${maxResponseBytes} bytes`)
}

function networkFailure(error: NodeJS.ErrnoException): Exchange {
  const code = error.code ?? ''
  if (code === 'EADDRESS') return failure(refusalText(error.message))
  if (Object.hasOwn(networkProblems, code)) return failure(networkProblems[code]!, true)
  if (code === 'ENOTFOUND') return failure('the host name has no address')
  if (/CERT|SSL|TLS/.test(code)) return failure(`the certificate is not accepted (${code})`)
  if (code.startsWith('HPE_') || code.startsWith('ERR_HTTP')) return failure('the answer is not HTTP')
  return failure(`the connection failed${code === '' ? '' : ` (${code})`}`, true)
}

function refusalText(reason: string): string {
  return `${reason}, which is not asked`
}
