/** The command line on endpoints: a real process that asks a real server. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test, vi } from 'vitest'
import { mnist } from '../../test/support/assets.js'
import { cli, temporaryFolder } from '../../test/support/digits.js'
import { inProcess } from '../../test/support/in-process.js'
import { serveModel } from '../../test/support/model-server.js'

const robust = 'examples/models/mnist-mlp.onnx'

// Several command lines one after the other, each with worker processes, on machines that may be busy.
vi.setConfig({ testTimeout: 240_000 })
const few = [
  '--data',
  mnist,
  '--epsilon',
  '0.25',
  '--samples',
  '0:8',
  '--attack',
  'square:queries=12',
  '--allow-private',
]

test('inspects, evaluates and replays', async () => {
  const folder = temporaryFolder()
  const server = await serveModel(robust)
  const at = { cwd: folder }
  const inspected = await cli(['inspect', `${server.url}/infer`, '--allow-private'], at)
  expect(inspected).toMatchObject({
    code: 0,
    stderr: '',
    stdout: expect.stringMatching(/Protocol v2[\s\S]*10 classes[\s\S]*--suite scores/),
  })
  const evaluated = await cli(['evaluate', server.url, ...few, '--run', 'r'], at)
  expect(evaluated).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/127\.0\.0\.1.*[\s\S]*requests/),
    stderr: expect.stringContaining('1 process'),
  })
  const replayed = await cli(['replay', 'r', '--allow-private', '--json'], at)
  expect(JSON.parse(replayed.stdout)).toMatchObject({ records: 8, refuted: 0 })
  const refused = await cli(['replay', 'r'], at)
  expect(refused).toMatchObject({ code: 4, stdout: expect.stringContaining('without an answer') })
})

test('a config file holds the endpoint itself; what is nearer counts, and its headers are shown by name alone', async () => {
  const folder = temporaryFolder()
  const server = await serveModel(robust)
  const endpoint = { protocol: 'v2', url: server.url, headers: { 'X-Key': 'key-of-somebody' }, maxQueries: 5 }
  writeFileSync(join(folder, 'a.json'), JSON.stringify({ endpoint, queryBudget: 400 }))
  const printed = await cli(['evaluate', '--config', 'a.json', '--print-config'], { cwd: folder })
  expect(printed).toMatchObject({ code: 0, stdout: expect.stringMatching(/^endpoint .*"headers":\["X-Key"\]/m) })
  expect(printed.stdout).not.toContain('key-of')
  const ended = await cli(['evaluate', '--config', 'a.json', ...few, '--run', 'r'], { cwd: folder })
  expect([ended.code, server.headers[0]]).toMatchObject([0, { 'x-key': 'key-of-somebody' }])
  expect(readFileSync(join(folder, 'r', 'run.json'), 'utf8')).not.toContain('key-of')
})

test('a budget that is spent: exit code 4, and how to go on; secrets stay out of every message', async () => {
  const folder = temporaryFolder()
  const server = await serveModel(robust)
  const file = join(folder, 'endpoint.json')
  writeFileSync(file, JSON.stringify({ protocol: 'v2', headers: { 'X-Key': '$KEY' } }))
  const address = `${server.url.replace('//', '//user:password1@')}?token=token1`
  const words = ['evaluate', address, '--endpoint', 'endpoint.json', ...few, '--run', 'r', '--query-budget', '40']
  const env = { KEY: 'key-of-somebody' }
  const spent = await cli(words, { cwd: folder, env })
  expect(server.headers[0]).toMatchObject({ 'x-key': env.KEY, authorization: expect.stringMatching(/^Basic /) })
  expect(spent).toMatchObject({ code: 4, stdout: expect.stringMatching(/budget\s+is\s+spent/) })
  const again = await cli([...words, '--resume'], { cwd: folder, env })
  expect(again).toMatchObject({
    code: 4,
    stderr: expect.stringMatching(/budget of 40 rows is spent[\s\S]*--query-budget/),
  })
  const texts = [spent, again].map(({ stdout, stderr }) => stdout + stderr)
  texts.push(...['run.json', 'queries.jsonl', 'usage.json'].map(name => readFileSync(join(folder, 'r', name), 'utf8')))
  for (const text of texts) expect(text).not.toMatch(/password1|token1|key-of/)
  expect(await cli(words, { cwd: folder })).toMatchObject({ code: 2, stderr: expect.stringContaining('variable KEY') })
})

test.each([
  [
    ['evaluate', 'https://127.0.0.1:9/v2/models/m', '--data', mnist, '--epsilon', '0'],
    3,
    /loopback[\s\S]*--allow-private/,
  ],
  [
    ['evaluate', 'https://host.test/predict', '--data', mnist, '--epsilon', '0'],
    2,
    /no address of a model[\s\S]*--endpoint/,
  ],
  [['evaluate', 'file:///etc/passwd', '--data', mnist, '--epsilon', '0'], 2, /not an address[\s\S]*https:\/\//],
  [['evaluate', '--data', mnist, '--epsilon', '0'], 2, /missing required argument 'model'/],
  [
    ['evaluate', robust, '--endpoint', 'x.json', '--data', mnist, '--epsilon', '0'],
    2,
    /both a model file and an endpoint/,
  ],
  [
    ['evaluate', robust, '--data', mnist, '--epsilon', '0', '--query-budget', '5'],
    2,
    /--query-budget is for endpoints[\s\S]*square:queries/,
  ],
  [
    ['evaluate', 'https://h.test/v2/models/m', '--endpoint', 'none.json', '--data', mnist, '--epsilon', '0'],
    2,
    /none\.json cannot be read/,
  ],
  [
    ['evaluate', 'https://h.test/v2/models/m', '--data', mnist, '--epsilon', '0', '--suite', 'standard'],
    2,
    /needs gradients[\s\S]*--surrogate/,
  ],
  [['inspect', 'https://h.test/v2/models/m', '--rate', 'fast'], 2, /--rate/],
])('%j', async (words, code, message) => {
  const ended = await inProcess(words)
  expect(ended).toMatchObject({ code, stderr: expect.stringMatching(message), stdout: '' })
  expect(ended.stderr).not.toMatch(/^\s+at |node:internal/m)
})
