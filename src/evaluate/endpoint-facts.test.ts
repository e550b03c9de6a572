/** What is found out of an endpoint by asking it, against a real server that says more, less or something else. */
import { expect, test } from 'vitest'
import { digitModel, temporaryFolder } from '../../test/support/digits.js'
import { type ModelServer, respond, serveModel } from '../../test/support/model-server.js'
import { imageSpace } from '../../test/support/models.js'
import { type EndpointFile, endpointSchema, mappingOf } from '../model/endpoint/schema.js'
import { splitAccess } from '../runtime/http/access.js'
import { identityOf, inspectEndpoint } from './endpoint-facts.js'

const robust = 'examples/models/mnist-mlp.onnx'
const space = imageSpace(1, 28, 28)

function inspect(url: string, description: object = {}, more: { space?: typeof space } = {}) {
  const file = endpointSchema.parse({ protocol: 'v2', allowPrivate: true, retries: 0, ...description }) as EndpointFile
  const { access } = splitAccess(url, { headers: {}, limits: file, variables: {} })
  return inspectEndpoint({ url, mapping: mappingOf(file), access, ...more })
}

/** Lays other metadata over what the server says, or another answer over the model's. */
const serve = (metadata: object, path = robust) => serveModel(path, { metadata })
const scoresOf = (body: string, answer: (row: number) => readonly number[]) => {
  const [count] = (JSON.parse(body) as { inputs: { shape: number[] }[] }).inputs[0]!.shape
  const data = Array.from({ length: count! }, (_, row) => answer(row)).flat()
  return { outputs: [{ name: 'logits', datatype: 'FP32', shape: [count, data.length / count!], data }] }
}
const always = (server: ModelServer, answer: (row: number) => readonly number[]) => {
  server.fault = ({ response, body }) => {
    respond(response, scoresOf(body, answer))
    return true
  }
}

test('a server of the protocol: input, classes, rows, identity', async () => {
  const server = await serveModel(robust)
  const facts = await inspect(server.url)
  expect(facts).toMatchObject({
    file: server.url,
    parameters: null,
    classes: 10,
    inputShape: [1, 28, 28],
    notes: [],
    warnings: [],
  })
  expect(facts.endpoint).toMatchObject({
    protocol: 'v2',
    kind: 'scores',
    rowsPerRequest: 8,
    fixedRows: false,
    input: { datatype: 'FP32' },
  })
  expect(facts.usage).toMatchObject({ requests: 5, rows: 1 + 1 + 1 + 8, errors: 0 })
  expect(facts.randomised).toBeUndefined()
  const mapping = { protocol: 'v2' } as const
  expect(facts.sha256).toBe(identityOf(server.url, mapping))
  expect(identityOf(server.url, { ...mapping, output: 'x' })).not.toBe(facts.sha256)
  expect(identityOf(`${server.url}2`, mapping)).not.toBe(facts.sha256)
})

test('a batch that is fixed is kept to; a wish that it does not fulfil is an error', async () => {
  const server = await serveModel(await digitModel(temporaryFolder()))
  expect((await inspect(server.url)).endpoint).toMatchObject({ rowsPerRequest: 1, fixedRows: true })
  const many = await serve({ inputs: [{ name: 'x', datatype: 'FP32', shape: [4, 1, 28, 28] }] })
  expect((await inspect(many.url)).usage.rows).toBe(4 * 3)
  expect(new Set(many.rows)).toEqual(new Set([4]))
})

test('requests of several rows that are refused, or answered wrongly: one row in a request', async () => {
  const server = await serveModel(robust)
  server.fault = ({ response, body }) => {
    if (scoresOf(body, () => [0]).outputs[0]!.shape[0] === 1) return false
    respond(response, { error: 'max_batch_size is 1' }, 400)
    return true
  }
  const facts = await inspect(server.url)
  expect(facts.endpoint.rowsPerRequest).toBe(1)
  expect(facts.notes).toEqual(['it takes one row in a request'])
  await expect(inspect(server.url, { rowsPerRequest: 4 })).rejects.toMatchObject({
    code: 'endpoint-failed',
    message: expect.stringContaining('4 rows'),
  })
  always(server, row => [row, 1, 2]) // every row another answer, whatever was asked
  expect((await inspect(server.url)).endpoint.rowsPerRequest).toBe(1)
})

test('what the scores are: probabilities, said to be some, not finite, another time others', async () => {
  const server = await serveModel(robust)
  always(server, () => [0.25, 0.75])
  expect(await inspect(server.url)).toMatchObject({
    classes: 2,
    warnings: [],
    notes: [expect.stringContaining('logarithms')],
  })
  always(server, () => [0.25, 0.5])
  expect((await inspect(server.url, { kind: 'probabilities' })).warnings).toEqual([
    expect.stringContaining('sum to 0.7500'),
  ])
  always(server, () => [null as unknown as number, 0.5])
  expect((await inspect(server.url)).warnings).toEqual([expect.stringContaining('not finite')])
  let calls = 0
  always(server, () => [calls++ % 7, 1])
  expect(await inspect(server.url)).toMatchObject({ randomised: true })
  always(server, () => [1 + 1e-7 * calls++, 1])
  expect((await inspect(server.url)).warnings).toEqual([expect.stringContaining('last digits')])
})

test('labels: told by the output, or asked for', async () => {
  const server = await serve({ outputs: [{ name: 'label', datatype: 'INT64', shape: [-1] }] })
  always(server, () => [3])
  await expect(inspect(server.url)).rejects.toThrow(/number of classes is not known/)
  expect(await inspect(server.url, { classes: 5 })).toMatchObject({ classes: 5, endpoint: { kind: 'labels' } })
  server.fault = () => false
  expect((await inspect(server.url, { kind: 'labels' })).classes).toBe(10)
})

test('images of 8 bits are sent as such', async () => {
  const server = await serve({ inputs: [{ name: 'x', datatype: 'UINT8', shape: [-1, 1, 28, 28] }] })
  const facts = await inspect(server.url)
  expect(facts.notes).toEqual([expect.stringContaining('round(255 x)')])
})

test.each([
  [{ inputs: [] }, {}, /no input/],
  [
    {
      inputs: [
        { name: 'a', datatype: 'FP32', shape: [1] },
        { name: 'b', datatype: 'FP32', shape: [1] },
      ],
    },
    {},
    /2 inputs/,
  ],
  [{ inputs: [{ name: 'a\u001b', datatype: 'BYTES', shape: [-1, 1] }] }, {}, /"a" takes BYTES, expected FP32/],
  [{ inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, -1] }] }, {}, /does not state the shape/],
  [{}, { output: 'other' }, /has no output "other"; it has "/],
])('metadata that cannot be used: %j %j', async (metadata, description, message) => {
  const server = await serve(metadata)
  await expect(inspect(server.url, description)).rejects.toThrow(message)
})

test('a page, another status, one score: why it cannot be asked', async () => {
  const server = await serveModel(robust)
  await expect(inspect(`${server.url}2`)).rejects.toMatchObject({
    code: 'endpoint-failed',
    message: expect.stringMatching(/empty|400/),
  })
  always(server, () => [1])
  await expect(inspect(server.url)).rejects.toMatchObject({
    code: 'model-unsupported',
    message: expect.stringContaining('one score'),
  })
  server.fault = ({ response }) => {
    respond(response, '<html>log in</html>')
    return true
  }
  await expect(inspect(server.url)).rejects.toThrow(/web page/)
})

test('a budget too small to find out anything; an answer that repeats a secret', async () => {
  const server = await serveModel(robust)
  await expect(inspect(server.url, { maxQueries: 10 })).rejects.toMatchObject({ code: 'budget-spent', exitCode: 4 })
  server.fault = ({ response }) => {
    respond(response, 'who is token-of-somebody')
    return true
  }
  const file = endpointSchema.parse({ protocol: 'v2', allowPrivate: true })
  const headers = { 'X-Key': 'token-of-somebody' }
  const { url, access } = splitAccess(server.url, { headers, limits: file, variables: {} })
  const refused = inspectEndpoint({ url, access, mapping: mappingOf(file) })
  await expect(refused).rejects.toThrow(/not JSON: "who is \*\*\*"/)
})

test('any service of JSON, in the shape of the data', async () => {
  const server = await serveModel(robust)
  const description = {
    protocol: 'json',
    request: { instances: '$samples' },
    response: 'predictions[*].scores',
    kind: 'scores',
  }
  await expect(inspect(server.plain, description)).rejects.toMatchObject({ hint: expect.stringContaining('--data') })
  expect(await inspect(server.plain, description, { space })).toMatchObject({ classes: 10, inputShape: [1, 28, 28] })
  expect(
    (await inspect(server.plain, { ...description, request: { instances: ['$sample'] } }, { space })).endpoint
      .rowsPerRequest,
  ).toBe(1)
})
