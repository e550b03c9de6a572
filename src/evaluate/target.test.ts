/** The model under evaluation as attacks without gradients query it: every way of batching gives the original's own answers. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { temporaryFolder } from '../../test/support/digits.js'
import { serveModel } from '../../test/support/model-server.js'
import { flatSpace, mlpGraph } from '../../test/support/models.js'
import { GraphBuilder } from '../onnx/build.js'
import { encodeModel } from '../onnx/codec/index.js'
import type { Graph } from '../onnx/graph.js'
import { loadEngine } from '../runtime/engine.js'
import { splitAccess } from '../runtime/http/access.js'
import { float32 } from '../tensor/tensor.js'
import { inspectEndpoint } from './endpoint-facts.js'
import { openTarget } from './target.js'

const features = 6
const space = flatSpace(features)
const attacks = [{ name: 'square', options: {} }]

/** The graph with another batch dimension, as a file. */
function file(graph: Graph, batch: number | string): string {
  const inputs = graph.inputs.map(input => ({ ...input, shape: [batch, features] }))
  const outputs = graph.outputs.map(output => ({ ...output, shape: undefined }))
  const path = join(temporaryFolder(), 'model.onnx')
  writeFileSync(path, encodeModel({ ...graph, inputs, outputs }))
  return path
}

async function open(path: string, batch: number) {
  const engine = await loadEngine()
  return await openTarget({ model: { path, sha256: '' }, attacks }, { engine, space, plan: { batch, threads: 1 } })
}

const points = Float32Array.from({ length: 5 * features }, (_, i) => Math.sin(i))

/** What the model answers to so many of the points. */
async function answers(path: string, batch: number, rows: number): Promise<number[]> {
  await using target = await open(path, batch)
  const all: number[] = []
  for (let at = 0; at < rows; at += batch) {
    const count = Math.min(batch, rows - at)
    target.model.inputs.set(points.subarray(at * features, (at + count) * features))
    all.push(...(await target.model.scores(count)).subarray(0, count * target.classes))
  }
  return all
}

const mlp = mlpGraph([features, 16, 4])

describe('a file', () => {
  test('gives the same bits for any batch and any company', async () => {
    const path = file(mlp, 'N')
    const five = await answers(path, 5, 5)
    expect(await answers(path, 8, 5)).toEqual(five)
    expect(await answers(path, 5, 1)).toEqual(five.slice(0, 4))
    expect(await answers(path, 64, 3)).toEqual(five.slice(0, 12))
  })

  test('of a fixed batch is asked in batches of that size', async () => {
    const own = await answers(file(mlp, 'N'), 5, 5)
    for (const batch of [1, 2, 4]) {
      const fixed = await answers(file(mlp, batch), 5, 5)
      expect(fixed).toHaveLength(20)
      for (const [i, value] of fixed.entries()) expect(value).toBeCloseTo(own[i]!, 5)
    }
  })

  test('whose open batch is an empty promise is asked row by row', async () => {
    // What it subtracts depends on the whole batch.
    const b = new GraphBuilder('promise')
    const x = b.input('x', 'float32', [1, features])
    const w = b.constant(
      float32(
        Float32Array.from({ length: features * 4 }, (_, i) => Math.cos(i)),
        [features, 4],
      ),
    )
    b.output(b.sub(b.gemm(x, w), b.reduceMean(b.gemm(x, w), [0, 1], true)), 'logits')
    const path = file(b.build(), 'N')
    const alone = await answers(path, 1, 5)
    expect(await answers(path, 4, 5)).toEqual(alone)
  })

  test('of probabilities is seen as their logarithms by attacks, and as it is by the verifier', async () => {
    const b = new GraphBuilder('softmax')
    const x = b.input('x', 'float32', [1, features])
    const w = b.constant(
      float32(
        Float32Array.from({ length: features * 4 }, (_, i) => Math.cos(i)),
        [features, 4],
      ),
    )
    b.output(b.softmax(b.gemm(x, w), 1), 'probabilities')
    await using target = await open(file(b.build(), 'N'), 2)
    target.model.inputs.set(points.subarray(0, 2 * features))
    const seen = await target.model.scores(2)
    const own = await target.verifier.scores(points.subarray(0, features))
    expect(own.reduce((a, c) => a + c, 0)).toBeCloseTo(1, 5)
    for (let i = 0; i < 4; i++) expect(seen[i]).toBeCloseTo(Math.log(own[i]), 5)
  })
})

test('an endpoint that serves a file gives its bits, alone and in company', async () => {
  const path = file(mlp, 'N')
  const server = await serveModel(path)
  const limits = {
    concurrency: 2,
    requestsPerSecond: null,
    retries: 0,
    timeoutSeconds: 30,
    maxQueries: null,
    maxResponseBytes: 1e6,
    allowPrivate: true,
  }
  const { url, access } = splitAccess(server.url, { headers: {}, limits, variables: {} })
  const facts = await inspectEndpoint({ url, access, mapping: { protocol: 'v2', rowsPerRequest: 2 }, space })
  const engine = await loadEngine()
  const model = { path: url, sha256: facts.sha256, endpoint: facts.endpoint }
  await using target = await openTarget({ model, attacks }, { engine, space, plan: { batch: 5, threads: 1, access } })
  await using twin = await open(path, 5)
  const before = server.rows.length
  for (const rows of [5, 3, 1]) {
    for (const { model } of [target, twin]) model.inputs.set(points.subarray(0, rows * features))
    const [there, here] = [await target.model.scores(rows), await twin.model.scores(rows)]
    expect([...there.subarray(0, rows * 4)]).toEqual([...here.subarray(0, rows * 4)])
  }
  // A row that is left over goes as two.
  expect(server.rows.slice(before)).toEqual(new Array(6).fill(2))
  const point = points.subarray(0, features)
  expect(await target.verifier.scores(point)).toEqual(await twin.verifier.scores(point))
  expect(server.rows.at(-1)).toBe(1)
})
