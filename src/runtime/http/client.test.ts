/** The client against a real server with faults: what is tried again, what is given up, what is never asked. */
import { createServer, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { type Access, splitAccess } from './access.js'
import { openClient, retryAfter, type Surroundings } from './client.js'
import { redirected } from './exchange.js'
import { addUsage, latencyClass, latencyQuantile, noUsage } from './usage.js'

const limits = {
  concurrency: 2,
  requestsPerSecond: null,
  retries: 2,
  timeoutSeconds: 5,
  maxQueries: null,
  maxResponseBytes: 10_000,
  allowPrivate: true,
}

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** Waits of the client, in milliseconds, instead of waiting; chance is always the largest. */
function patience(): Surroundings & { readonly waits: number[] } {
  const waits: number[] = []
  const sleep = async (time: number) => void waits.push(time)
  return { waits, sleep, chance: () => 1 }
}

function client(
  address: string,
  more: Partial<typeof limits> | Partial<Access> = {},
  surroundings: Surroundings = patience(),
) {
  const { url, access } = splitAccess(address, { headers: {}, limits, variables: {} })
  const opened = openClient({ ...access, ...more } as Access, surroundings)
  onTestFinished(opened.close)
  return { ...opened, post: (rows = 1) => opened.ask({ method: 'POST', url, body: '{}', rows }) }
}

const answer = (response: ServerResponse, status: number, text: string, headers = {}) =>
  response.writeHead(status, headers).end(text)

describe('tries again', () => {
  test.each([500, 502, 503, 429])('%i, waiting longer each time', async status => {
    let calls = 0
    const origin = await serve((_, response) =>
      ++calls <= 2 ? answer(response, status, 'busy') : answer(response, 200, 'fine'),
    )
    const surroundings = patience()
    const { post, takeUsage } = client(origin, {}, surroundings)
    expect(await post()).toMatchObject({ text: 'fine', tries: 3 })
    expect(surroundings.waits).toEqual([500, 1000])
    expect(takeUsage()).toMatchObject({ requests: 3, rows: 3, retries: 2, errors: 0, bytesSent: 6 })
    expect(takeUsage()).toMatchObject({ requests: 0, rows: 0, bytesSent: 0 })
  })
  test('gives up in the end, with the words of the server and without more than them', async () => {
    const origin = await serve((_, response) =>
      answer(response, 500, JSON.stringify({ error: `\u001b[31mno memory${'x'.repeat(999)}` })),
    )
    const reply = await client(origin).post()
    expect(reply).toMatchObject({
      tries: 3,
      problem: expect.stringMatching(/^the server answered 500: no memoryx+… \(3 tries\)$/),
    })
    expect((reply as { problem: string }).problem.length).toBeLessThan(300)
  })
  test('Retry-After in seconds and as a date, never longer than a minute', async () => {
    let calls = 0
    const origin = await serve((_, response) =>
      ++calls === 1 ? answer(response, 429, '', { 'retry-after': '7' }) : answer(response, 200, ''),
    )
    const surroundings = patience()
    expect(await client(origin, {}, surroundings).post()).toMatchObject({ text: '' })
    expect(surroundings.waits).toEqual([7000])
    const now = Date.parse('2025-01-01T00:00:00Z')
    expect(retryAfter('Wed, 01 Jan 2025 00:00:09 GMT', now)).toBe(9000)
    expect(retryAfter('Wed, 01 Jan 2020 00:00:00 GMT', now)).toBe(0)
    expect(retryAfter('86400', now)).toBe(60_000)
    expect(retryAfter('soon', now)).toBeUndefined()
  })
  test('a connection that is reset, or closed before the answer is complete', async () => {
    let calls = 0
    const origin = await serve((request, response) => {
      if (++calls === 1) request.socket.resetAndDestroy()
      else if (calls === 2)
        response.writeHead(200, { 'content-length': '100' }).write('half', () => request.socket.destroy())
      else answer(response, 200, 'whole')
    })
    expect(await client(origin).post()).toMatchObject({ text: 'whole', tries: 3 })
  })
  test('a server that drips is cut off', async () => {
    const origin = await serve((_, response) => {
      response.writeHead(200)
      const drip = setInterval(() => response.write(' '), 20)
      response.on('close', () => clearInterval(drip))
    })
    expect(await client(origin, { timeoutSeconds: 0.2, retries: 1 }).post()).toMatchObject({
      problem: 'no complete answer within 0.2 seconds (2 tries)',
      tries: 2,
    })
  })
  test('stops asking a service that is gone', async () => {
    let calls = 0
    const origin = await serve((_, response) => {
      calls++
      answer(response, 503, '')
    })
    const { post } = client(origin, { retries: 0 })
    for (let i = 0; i < 12; i++) await post()
    expect(calls).toBe(8)
    expect(await post()).toEqual({ problem: 'the endpoint does not answer any more', tries: 0, milliseconds: 0 })
  })
})

describe('does not try again', () => {
  const cases: readonly [string, (response: ServerResponse, request: IncomingMessage) => void, RegExp][] = [
    ['400', response => answer(response, 400, '{"error":"bad shape"}'), /^the server answered 400: bad shape$/],
    ['404 with a page', response => answer(response, 404, '<html>no</html>'), /^the server answered 404: a web page$/],
    [
      '422 of FastAPI',
      response => answer(response, 422, '{"detail":[{"msg":"field required"}]}'),
      /422: \[\{"msg":"field required"\}\]$/,
    ],
    [
      'an announced body of 10 GB',
      response => void response.writeHead(200, { 'content-length': '10000000000' }).write('x'),
      /larger than 10000 bytes/,
    ],
    [
      'a body without end',
      response => {
        response.writeHead(200)
        const pour = () => {
          while (response.write('x'.repeat(65536))) {}
        }
        response.on('drain', pour).on('error', () => {})
        pour()
      },
      /larger than 10000 bytes/,
    ],
    [
      'a compressed body',
      response => answer(response, 200, 'xx', { 'content-encoding': 'gzip' }),
      /compressed \(gzip\)/,
    ],
    ['no HTTP', (_, request) => void request.socket.end('SSH-2.0-OpenSSH\r\n'), /not HTTP/],
    [
      'a redirect to a metadata service',
      response => answer(response, 307, '', { location: 'http://169.254.169.254/latest/' }),
      /169\.254\.169\.254 is a cloud metadata service, which is not asked/,
    ],
    [
      'a redirect to a file',
      response => answer(response, 302, '', { location: 'file:///etc/passwd' }),
      /^file: addresses are not asked/,
    ],
    ['a redirect to nowhere', response => answer(response, 302, ''), /redirects to no address/],
    ['a redirect to itself', response => answer(response, 308, '', { location: '/' }), /more than 3 times/],
  ]
  test.each(cases)('%s', async (_, listener, message) => {
    let calls = 0
    const origin = await serve((request, response) => {
      calls++
      listener(response, request)
    })
    const reply = await client(origin).post()
    expect(reply).toMatchObject({ problem: expect.stringMatching(message), tries: 1 })
    expect(calls).toBeLessThanOrEqual(4)
  })
  test('private addresses without permission, named or resolved, also behind a redirect', async () => {
    let calls = 0
    const origin = await serve((_, response) => {
      calls++
      answer(response, 200, '')
    })
    expect(await client(origin, { allowPrivate: false }).post()).toMatchObject({
      problem: expect.stringContaining('loopback'),
    })
    const named = origin.replace('127.0.0.1', 'inside.test')
    const resolve = async () => [{ address: '127.0.0.1', family: 4 }]
    const refused = client(named, { allowPrivate: false }, { ...patience(), resolve })
    expect(await refused.post()).toMatchObject({
      problem: '127.0.0.1 is a loopback address, which is not asked',
      tries: 1,
    })
    expect(calls).toBe(0)
  })
})

describe('follows a redirect', () => {
  test('with the same method and body; credentials stay at the first origin', async () => {
    const seen: unknown[] = []
    const other = await serve((request, response) => {
      seen.push([request.method, request.headers.authorization, request.headers['x-key']])
      answer(response, 200, 'there')
    })
    const origin = await serve((request, response) => {
      seen.push([request.method, request.headers.authorization, request.headers['x-key']])
      answer(response, 307, '', { location: request.url === '/a' ? '/b' : other })
    })
    const parts = { headers: { 'X-Key': '$KEY' }, limits, variables: { KEY: 'k1\n' } }
    const { url, access } = splitAccess(`${origin.replace('//', '//user:pass@')}/a`, parts)
    const opened = openClient(access)
    onTestFinished(opened.close)
    expect(await opened.ask({ method: 'POST', url, body: 'x', rows: 1 })).toMatchObject({ text: 'there' })
    const basic = `Basic ${Buffer.from('user:pass').toString('base64')}`
    expect(seen).toEqual([
      ['POST', basic, 'k1'],
      ['POST', basic, 'k1'],
      ['POST', undefined, undefined],
    ])
  })
})

test('never from https to http', () => {
  const request = { method: 'POST', url: new URL('https://a.test/x'), headers: {} }
  expect(redirected(request, 'http://a.test/x')).toBe('the server redirects from https: to http:')
  expect(redirected(request, '/y')).toMatchObject({ method: 'POST', url: new URL('https://a.test/y') })
})

test('a name that changes its address after the check leads nowhere', async () => {
  let calls = 0
  const origin = await serve((_, response) => {
    calls++
    answer(response, 200, 'fine', { connection: 'close' })
  })
  let lookups = 0
  const resolve = async () => [{ address: ++lookups === 1 ? '127.0.0.1' : '169.254.169.254', family: 4 }]
  const { post } = client(origin.replace('127.0.0.1', 'fickle.test'), {}, { ...patience(), resolve })
  expect(await post()).toMatchObject({ text: 'fine' })
  expect(await post()).toMatchObject({ problem: expect.stringContaining('cloud metadata service') })
  expect([calls, lookups]).toEqual([1, 2])
})

test('the budget is hard, further tries included', async () => {
  let calls = 0
  const origin = await serve((_, response) => (++calls === 1 ? answer(response, 500, '') : answer(response, 200, '')))
  const { post, takeUsage } = client(origin, { maxQueries: 10 })
  expect(await post(4)).toMatchObject({ text: '', tries: 2 })
  expect(await post(4)).toMatchObject({ problem: 'the query budget is spent', tries: 0 })
  expect(await post(2)).toMatchObject({ text: '' })
  expect(await post(1)).toMatchObject({ problem: 'the query budget is spent' })
  expect(takeUsage()).toMatchObject({ rows: 10, requests: 3 })
})

test('so many at once, so many a second', async () => {
  let inside = 0
  let most = 0
  const origin = await serve((_, response) => {
    most = Math.max(most, ++inside)
    setTimeout(() => {
      inside--
      answer(response, 200, '')
    }, 20)
  })
  const { post } = client(origin, { concurrency: 3 })
  await Promise.all(Array.from({ length: 10 }, () => post()))
  expect(most).toBe(3)
  const surroundings = patience()
  const paced = client(origin, { requestsPerSecond: 4, concurrency: 1 }, { ...surroundings, now: () => 1000 })
  await Promise.all(Array.from({ length: 4 }, () => paced.post()))
  expect(surroundings.waits).toEqual([250, 500, 750])
})

describe('secrets', () => {
  test('are sent, and never shown', async () => {
    const seen: unknown[] = []
    const origin = await serve((request, response) => {
      seen.push([request.headers.authorization, request.url])
      answer(
        response,
        401,
        JSON.stringify({
          error: `token ${request.headers.authorization} of ${request.url} is not known: s3cr3t-t0ken`,
        }),
      )
    })
    const parts = { headers: { Authorization: 'Bearer $' + '{TOKEN}' }, limits, variables: { TOKEN: 's3cr3t-t0ken' } }
    const { url, access } = splitAccess(`${origin}/p?key=abcd1234&v=1#x`, parts)
    expect(url).toBe(`${origin}/p`)
    const opened = openClient(access)
    onTestFinished(opened.close)
    const { problem } = (await opened.ask({ method: 'POST', url, rows: 1 })) as { problem: string }
    expect(seen).toEqual([['Bearer s3cr3t-t0ken', '/p?key=abcd1234&v=1']])
    expect(problem).toBe('the server answered 401: token *** of /p?key=***&v=1 is not known: ***')
  })
  test.each([
    ['ftp://user:pw@host/x?key=k', {}, /^"ftp:\/\/host\/x" is not an address/],
    ['not an address', {}, /is not an address/],
    ['https://host/', { Authorization: 'Bearer $MISSING' }, /needs the variable MISSING, which is not set/],
    ['https://host/', { 'bad name': 'x' }, /does not allow/],
    ['https://host/', { 'X-A': 'a\u0000b' }, /does not allow/],
    ['https://host/', { Host: 'other' }, /set by the program/],
  ])('%s %j', (address, headers, message) => {
    expect(() => splitAccess(address, { headers, limits, variables: {} })).toThrow(message)
  })
})

test('quantiles of latencies, which add up', () => {
  const of = (...times: number[]) =>
    times.reduce((sum, time) => addUsage(sum, { ...noUsage, latencies: { [latencyClass(time)]: 1 } }), noUsage)
  const all = addUsage(of(10, 20, 30), of(40, 1000))
  const within = (share: number, milliseconds: number) => {
    const seconds = latencyQuantile(all, share)!
    expect(1000 * seconds).toBeGreaterThanOrEqual(milliseconds)
    expect(1000 * seconds).toBeLessThanOrEqual(1.1 * milliseconds)
  }
  within(0.5, 30)
  within(0.2, 10)
  within(1, 1000)
  expect(latencyQuantile(noUsage, 0.5)).toBeNull()
})
