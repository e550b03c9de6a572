/** Evaluations of endpoints: a real server that serves the very model file, with and without faults. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { mnist } from '../../test/support/assets.js'
import { digitModel, temporaryFolder } from '../../test/support/digits.js'
import { type ModelServer, respond, serveModel } from '../../test/support/model-server.js'
import type { DecisionCost } from '../evaluate/costs.js'
import type { SampleRecord } from '../evaluate/record.js'
import { type EvaluateOptions, evaluate } from './evaluate.js'
import { linesOf, parseRecord } from './records.js'
import { replay } from './replay.js'
import { openService, type ServiceParts } from './service.js'

/** A model of any batch. */
const robust = 'examples/models/mnist-mlp.onnx'
// Several runs one after the other, each with worker processes, on machines that may be busy.
vi.setConfig({ testTimeout: 240_000 })

const count = 12
const quick = { data: mnist, epsilon: '0.05', samples: [0, count] } as const
/** Requests by which it is found out what an endpoint is, and what its scores are. */
const introduction = 5
const limits = { allowPrivate: true }

const service = (address: string, parts: Partial<ServiceParts> = {}) =>
  openService({ address, variables: {}, ...parts, limits: { ...limits, ...parts.limits } })

const asked = (folder: string, server: string | ReturnType<typeof service>, options: Partial<EvaluateOptions> = {}) => {
  const opened = typeof server === 'string' ? service(server) : server
  return evaluate({ ...quick, model: opened.url, service: opened, run: folder, ...options })
}

const text = (folder: string, name = 'records.jsonl') => readFileSync(join(folder, name), 'utf8')
const recordsOf = (folder: string) =>
  [...linesOf(join(folder, 'records.jsonl'))].map(({ text }) => parseRecord(text) as SampleRecord)
const costsOf = (folder: string): DecisionCost[] =>
  text(folder, 'queries.jsonl')
    .trim()
    .split('\n')
    .map(line => JSON.parse(line) as DecisionCost)

const square = [{ name: 'square', options: { queries: 24 } }]
const labelled = [{ name: 'hop-skip-jump', options: { steps: 1, mostQueries: 12 } }]

const byFile = (attacks: EvaluateOptions['attacks']) => async () => {
  const run = join(temporaryFolder(), 'file')
  const { result } = await evaluate({ ...quick, model: robust, attacks, run, processes: 1 })
  return { result, records: text(run) }
}
let known: ReturnType<ReturnType<typeof byFile>> | undefined
/** What the file itself gives, under Square. */
const squareByFile = () => (known ??= byFile(square)())

test.each([
  ['scores', square, squareByFile],
  ['labels', labelled, byFile(labelled)],
])('a file and an endpoint that serves it give the same records: %s', async (_, attacks, own) => {
  const run = join(temporaryFolder(), 'http')
  const server = await serveModel(robust)
  const file = await own()
  const { result } = await asked(run, server.url, { attacks })
  expect(text(run)).toBe(file.records)
  expect(result.accuracy).toEqual(file.result.accuracy)
  expect(result.attacks[0]!.queries).toEqual(file.result.attacks[0]!.queries)
  expect(result.endpoint!.rows).toBeGreaterThan(result.attacks[0]!.queries.forward)
  expect(Math.max(...server.rows)).toBe(8)
})

test('a server with faults: the same records, and a log of what each decision took', async () => {
  const folder = temporaryFolder()
  const server = await serveModel(robust)
  const own = await squareByFile()
  server.fault = ({ number, request, response }) => {
    if (number % 3 !== 2) return false
    if (number % 2 === 0) respond(response, 'busy', 429, { 'retry-after': '0' })
    else request.socket.resetAndDestroy()
    return true
  }
  const run = join(folder, 'run')
  const { result } = await asked(run, server.url, { attacks: square })
  expect(text(run)).toBe(own.records)
  const endpoint = result.endpoint!
  expect(endpoint.retries).toBeGreaterThan(5)
  expect(endpoint).toMatchObject({ errors: 0, requests: server.headers.length + 1 }) // and the metadata
  expect(endpoint.seconds!.median).toBeLessThanOrEqual(endpoint.seconds!.p99)
  const costs = costsOf(run)
  const records = recordsOf(run)
  expect(costs.filter(({ attack }) => attack === null)).toHaveLength(count)
  for (const { index, attempts } of records) {
    for (const { attack, queries } of attempts) {
      const cost = costs.find(each => each.sample === index && each.attack === attack)!
      // Beside the queries of the search those of the verifier.
      expect(cost.rows).toBeGreaterThanOrEqual(queries.forward)
      expect(cost.rows).toBeLessThanOrEqual(queries.forward + 5)
      expect(cost.requests).toBeGreaterThan(0)
    }
  }
  expect(costs.reduce((sum, { retries }) => sum + retries, 0)).toBeGreaterThan(0)
  expect(await replay(run, { service: { limits, variables: {} } })).toMatchObject({ refuted: 0, records: count })
})

test('the query budget stops the run, which a larger one completes', async () => {
  const folder = temporaryFolder()
  const server = await serveModel(robust)
  const { result, records } = await squareByFile()
  const run = join(folder, 'run')
  const within = (maxQueries: number) => service(server.url, { limits: { maxQueries } })
  const rows = () => server.rows.reduce((sum, count) => sum + count, 0)
  const first = await asked(run, within(100), { attacks: square })
  expect(rows()).toBeLessThanOrEqual(100)
  expect(first.result.endpoint!.rows).toBe(rows())
  expect(first.result.unknown).toBeGreaterThan(0)
  expect(first.result.warnings.join()).toContain('the query budget is spent')
  expect(first.result.accuracy.robust.correct).toBeLessThanOrEqual(result.accuracy.robust.correct)
  await expect(asked(run, within(100), { attacks: square, resume: true })).rejects.toMatchObject({
    code: 'budget-spent',
  })
  const second = await asked(run, within(100_000), { attacks: square, resume: true })
  expect(second.result.endpoint!.rows).toBe(rows())
  expect(text(run)).toBe(records)
})

test('samples whose requests fail are unknown with the reason; the run goes on', async () => {
  const folder = temporaryFolder()
  const path = await digitModel(folder)
  const server = await serveModel(path) // one row in a request, so that a failure concerns one sample
  const inked = (body: string) =>
    (JSON.parse(body) as { inputs: { data: number[] }[] }).inputs[0]!.data.reduce((a, b) => a + b)
  server.fault = ({ number, response, body }) => {
    if (number < introduction || inked(body) < 110) return false
    respond(response, { error: 'too much ink\u001b[2J' }, 400)
    return true
  }
  const run = join(folder, 'run')
  const attacks = [{ name: 'square', options: { queries: 20 } }]
  const { result } = await asked(run, server.url, { attacks })
  const unknown = recordsOf(run).filter(({ verdict }) => verdict === 'unknown')
  expect(unknown.length).toBeGreaterThan(0)
  expect(unknown.length).toBeLessThan(count)
  for (const { error } of unknown) expect(error).toBe('the endpoint failed: the server answered 400: too much ink')
  expect(result.unknown).toBe(unknown.length)
  expect(result.attacks[0]!.robustAfter).toBeLessThanOrEqual(
    result.accuracy.standard.correct - result.attacks[0]!.failed,
  )
})

test('a point that could not be verified leaves no verdict of robust', async () => {
  const folder = temporaryFolder()
  const server = await serveModel(robust)
  const attacks = [{ name: 'square', options: { queries: 60 } }]
  const whole = await asked(join(folder, 'a'), server.url, { attacks, epsilon: '0.21' })
  const before = server.headers.length
  expect(whole.result.attacks[0]!.broken).toBeGreaterThan(3)
  // Beside the clean samples, which are 8-bit images, single rows are the verifier's: it never gets an answer.
  server.fault = ({ number, response, body }) => {
    const { shape, data } = (JSON.parse(body) as { inputs: { shape: number[]; data: number[] }[] }).inputs[0]!
    const clean = data.every(value => Math.abs(value * 255 - Math.round(value * 255)) < 1e-3)
    if (number < before + introduction || shape[0] !== 1 || clean) return false
    respond(response, 'no', 404)
    return true
  }
  const { result } = await asked(join(folder, 'b'), server.url, { attacks, epsilon: '0.21' })
  const { attempted } = whole.result.attacks[0]!
  expect(result.attacks[0]).toMatchObject({ attempted, broken: 0, failed: attempted, robustAfter: 0 })
  expect(result.accuracy.robust.correct).toBe(0)
})

describe('nothing answers', () => {
  test('from the beginning: an error, and no folder', async () => {
    const folder = temporaryFolder()
    const refused = asked(
      join(folder, 'run'),
      service('http://127.0.0.1:9/v2/models/digits', { limits: { retries: 0 } }),
    )
    await expect(refused).rejects.toMatchObject({
      code: 'endpoint-failed',
      exitCode: 3,
      message: expect.stringMatching(/refused/),
    })
    const elsewhere = service('http://127.0.0.1:9/v2/models/digits', { limits: { allowPrivate: false } })
    await expect(asked(join(folder, 'run'), elsewhere)).rejects.toMatchObject({
      hint: expect.stringContaining('--allow-private'),
    })
    expect(() => text(join(folder, 'run'), 'run.json')).toThrow()
  })
  test('from some moment on: the rest is unknown, soon', async () => {
    const folder = temporaryFolder()
    const server = await serveModel(robust)
    server.fault = ({ number, response }) => {
      if (number < introduction) return false
      respond(response, '', 503)
      return true
    }
    const { result } = await asked(join(folder, 'run'), service(server.url, { limits: { retries: 0 } }), {
      attacks: square,
    })
    expect(result.unknown).toBeGreaterThan(0)
    expect(server.headers.length).toBe(introduction + 8)
    expect(result.warnings.join()).toContain('does not answer any more')
  })
})

describe('labels', () => {
  const description = (server: ModelServer, more: object = {}) => ({
    url: `${server.plain}?key=very-secret-key`,
    protocol: 'json',
    request: { instances: '$samples' },
    response: 'predictions[*].label',
    kind: 'labels',
    classes: 10,
    headers: { Authorization: 'Bearer $TOKEN' },
    allowPrivate: true,
    ...more,
  })
  const written = (folder: string, value: object) => {
    const file = join(folder, 'endpoint.json')
    writeFileSync(file, JSON.stringify(value))
    return file
  }
  const variables = { TOKEN: 'very-secret-token' }

  test('alone: attacked by labels, no margins, no secrets anywhere', async () => {
    const folder = temporaryFolder()
    const server = await serveModel(robust)
    const file = written(folder, description(server))
    const opened = openService({ file, variables })
    const attacks = [{ name: 'rays', options: { queries: 100 } }]
    const run = join(folder, 'run')
    const { result } = await asked(run, opened, { attacks, epsilon: '0.21' })
    expect(server.headers[0]!.authorization).toBe('Bearer very-secret-token')
    expect(result.attacks[0]!.broken).toBeGreaterThan(0)
    for (const { margin } of recordsOf(run)) expect(margin).toBeNull()
    for (const name of ['run.json', 'records.jsonl', 'result.json', 'queries.jsonl', 'usage.json', 'times.json']) {
      expect(text(run, name)).not.toMatch(/secret/)
    }
    expect(await replay(run, { service: { file, variables } })).toMatchObject({ refuted: 0, records: count })
    server.fault = ({ response }) => {
      respond(response, { error: 'no very-secret-token' }, 401)
      return true
    }
    const again = await replay(run, { service: { file, variables } })
    expect(again).toMatchObject({
      refuted: 0,
      unanswered: { reason: 'the endpoint failed: the server answered 401: no ***' },
    })
  })

  test('attacks that need more are refused, with what is possible', async () => {
    const folder = temporaryFolder()
    const server = await serveModel(robust)
    const labels = openService({ file: written(folder, description(server)), variables })
    const refused = (options: object, served = labels) => asked(join(folder, 'run'), served, options)
    await expect(refused({ attacks: square })).rejects.toMatchObject({
      code: 'config',
      hint: expect.stringContaining('labels'),
    })
    await expect(refused({ suite: 'scores' })).rejects.toThrow(/needs scores/)
    const scores = service(server.url)
    await expect(refused({ attacks: square, processes: 2 }, scores)).rejects.toThrow(/asked by one process/)
    await expect(refused({ suite: 'standard' }, scores)).rejects.toMatchObject({
      message: expect.stringMatching(/gradients/),
      hint: expect.stringMatching(/--suite scores.*--surrogate/),
    })
  })
})
