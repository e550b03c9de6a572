/**
 * How a service may be asked: limits, and what gets one in. Nothing of this changes a result, and nothing of it is ever written
 * into records, results or messages.
 */
import { validateHeaderName, validateHeaderValue } from 'node:http'
import { RobustlyError } from '../../errors.js'
import { printable } from '../../printable.js'
import type { ExchangeLimits } from './exchange.js'

export interface ClientLimits extends ExchangeLimits {
  /** Requests under way at once. */
  readonly concurrency: number
  /** Requests started a second; null: as many as come. */
  readonly requestsPerSecond: number | null
  /** Further tries of a request that failed in passing. */
  readonly retries: number
  /** Rows that may be sent in all, those of further tries included; null: no limit. */
  readonly maxQueries: number | null
}

export interface Access extends ClientLimits {
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  /** Query string of the address, with its question mark; empty without one. */
  readonly query: string
  /** Texts that must not appear in anything that is shown or kept. */
  readonly secrets: readonly string[]
}

/** Shorter ones are no secrets, and would blot out half of a message; a word of a header may be as harmless as `Bearer`. */
const shortest = { secret: 4, word: 8 }

/**
 * Splits an address into what names the service and what gets one in. User name and password become a header. In header values `$NAME`
 * and `${NAME}` stand for variables of the environment. Throws `config` for an address that is not http(s), headers
 * that HTTP does not allow, and variables that are not set.
 */
export function splitAccess(
  address: string,
  { headers, limits, variables }: AccessParts,
): { readonly url: string; readonly access: Access } {
  const url = URL.canParse(address) ? new URL(address) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw new RobustlyError('config', `"${withoutCredentials(address)}" is not an address of a service`, {
      hint: 'Give an address that starts with https:// or http://.',
    })
  }
  const all: Record<string, string> = { 'content-type': 'application/json', accept: 'application/json' }
  const secrets = new Set<string>()
  if (url.username !== '' || url.password !== '') {
    const [user, password] = [decoded(url.username), decoded(url.password)]
    all.authorization = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
    secrets.add(url.password).add(password)
  }
  for (const [name, template] of Object.entries(headers)) {
    const value = filledIn(name, template, variables)
    checkHeader(name, value)
    all[name.toLowerCase()] = value
  }
  for (const [name, value] of Object.entries(all)) {
    if (name === 'content-type' || name === 'accept') continue
    secrets.add(value)
    for (const word of value.split(/\s+/)) if (word.length >= shortest.word) secrets.add(word)
  }
  const query = url.search
  for (const value of url.searchParams.values()) secrets.add(value).add(encodeURIComponent(value))
  url.username = ''
  url.password = ''
  url.search = ''
  url.hash = ''
  const kept = [...secrets].filter(({ length }) => length >= shortest.secret).sort((a, b) => b.length - a.length)
  return { url: url.href, access: { ...limits, headers: all, query, secrets: kept } }
}

/** The access after so many rows of its budget were sent. */
export function withoutRows(access: Access, rows: number): Access {
  return access.maxQueries === null ? access : { ...access, maxQueries: Math.max(0, access.maxQueries - rows) }
}

/** A text of the service, or about it, without what gets one in. */
export function withoutSecrets(text: string, { secrets }: Pick<Access, 'secrets'>): string {
  return secrets.reduce((clean, secret) => clean.replaceAll(secret, '***'), text)
}

interface AccessParts {
  readonly headers: Readonly<Record<string, string>>
  readonly limits: ClientLimits
  readonly variables: Readonly<Record<string, string | undefined>>
}

function filledIn(name: string, template: string, variables: AccessParts['variables']): string {
  return template
    .replace(/\$(?:\{(\w+)\}|(\w+))/g, (_, braced?: string, plain?: string) => {
      const variable = braced ?? plain ?? ''
      const value = variables[variable]
      if (value !== undefined) return value.trim()
      throw new RobustlyError(
        'config',
        `the header ${printable(name, 60)} needs the variable ${variable}, which is not set`,
        {
          hint: `Set ${variable} in the environment.`,
        },
      )
    })
    .trim()
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

function checkHeader(name: string, value: string): void {
  try {
    validateHeaderName(name)
    validateHeaderValue(name, value)
  } catch {
    throw new RobustlyError(
      'config',
      `the header "${printable(name, 60)}" has a name or a value that HTTP does not allow`,
    )
  }
  if (['host', 'content-length', 'transfer-encoding', 'connection', 'accept-encoding'].includes(name.toLowerCase())) {
    throw new RobustlyError('config', `the header ${name} is set by the program`)
  }
}

function withoutCredentials(address: string): string {
  return printable(address, 200)
    .replace(/\/\/[^/@]*@/, '//')
    .replace(/[?#].*$/, '')
}
