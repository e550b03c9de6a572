/**
 * `npm run bench:peers [-- ROW …]`: robustly beside the toolkits of Python, in one run: the same ONNX file, samples, radius, budget and
 * cores, by default one. Prints a table for each model; every number about accuracy and distance is the verifier's, for all tools alike.
 * Ratios are of wall time without loading, and of CPU time, which other programs on the machine disturb less; peers have the best of a few
 * batch sizes, robustly the one it chooses. On several cores robustly runs a process on each, the peers one with as many threads.
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { openDataset } from '../../src/data/dataset.js'
import { writeNpy } from '../../src/data/npz-write.js'
import { type Engine, loadEngine } from '../../src/runtime/engine.js'
import { int64 } from '../../src/tensor/tensor.js'
import { peersPython } from './environment.js'
import { type Row, rows } from './rows.js'
import { type Subject, subjects } from './subjects.js'
import { type Answer, linesOf, type Measured, markdown, titles } from './table.js'
import { verify } from './verify.js'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    model: { type: 'string', multiple: true },
    samples: { type: 'string' },
    batches: { type: 'string' },
    rounds: { type: 'string', default: '1' },
    cores: { type: 'string', default: '0' },
    json: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
})

const cores = values.cores.split(',')

interface Tool {
  readonly tool: string
  readonly command: readonly string[]
  readonly note?: string
  /** Batch sizes to try; undefined: those of the row. Robustly measures and chooses itself. */
  readonly batches?: readonly number[]
}

const robustly: Tool = { tool: 'robustly', command: [process.execPath, beside('robustly.mjs')], batches: [0] }

if (values.help) {
  console.log(`npm run bench:peers -- [ROW …] [options]

Rows: ${rows.map(({ name }) => name).join(', ')} (default: all)

  --model NAME      ${subjects.map(({ name }) => name).join(', ')} (default: all that are at hand); may be repeated
  --samples COUNT   samples of each row (default: of the row, fewer on larger models)
  --batches LIST    batch sizes that peers try, 0 for all samples at once (default: of the row)
  --rounds COUNT    times each tool runs, in turn; the one of median CPU time is shown (default: 1)
  --cores LIST      the cores that all are bound to, where taskset is at hand, such as 0,1 (default: 0)
  --json FILE       everything that was measured`)
} else {
  await compare()
}

async function compare(): Promise<void> {
  const chosenRows = chosen(rows, positionals, 'row')
  const chosenSubjects = chosen(subjects, values.model ?? [], 'model')
  const python = peersPython()
  const engine = await loadEngine()
  const folder = mkdtempSync(join(tmpdir(), 'robustly-peers-'))
  const everything: object[] = []
  try {
    for (const subject of chosenSubjects) {
      const lines: string[][] = []
      for (const row of chosenRows) {
        const samples = await writeSamples(folder, subject, countOf(row, subject))
        const tools = [robustly, ...row.peers.map(peer => ({ ...peer, command: [python, beside(peer.driver)] }))]
        const [first, ...peers] = await measure(engine, subject, row, samples, tools)
        const found = linesOf({ ...row, name: `${row.name}, ${samples.count}` }, first!, peers)
        for (const line of found) console.error(line.filter(text => text !== '').join('  '))
        lines.push(...found)
        everything.push({ model: subject.name, row: row.name, samples: samples.count, tools: [first, ...peers] })
      }
      console.log(`\n${subject.name}, Linf ${subject.epsilon.toPrecision(3)}, the first ${subject.dataName}\n`)
      console.log(markdown(titles, lines))
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(everything, null, 1)}\n`)
}

function chosen<T extends { readonly name: string }>(
  all: readonly T[],
  names: readonly string[],
  what: string,
): readonly T[] {
  const unknown = names.find(name => !all.some(each => each.name === name))
  if (unknown !== undefined)
    throw new Error(`there is no ${what} "${unknown}"; there are: ${all.map(({ name }) => name).join(', ')}`)
  return names.length === 0 ? all : all.filter(({ name }) => names.includes(name))
}

function countOf(row: Row, { share }: Subject): number {
  return values.samples === undefined ? Math.max(1, Math.round(row.samples * share)) : Number(values.samples)
}

interface Samples {
  readonly inputs: string
  readonly labels: string
  readonly count: number
  readonly shape: readonly number[]
}

/** The first samples of the data as robustly reads them: what all tools get. */
async function writeSamples(folder: string, subject: Subject, count: number): Promise<Samples> {
  const dataset = await openDataset(subject.data)
  const { inputs, labels } = await dataset.read(0, count)
  await dataset.close()
  const files = { inputs: join(folder, 'x.npy'), labels: join(folder, 'y.npy') }
  await writeNpy(files.inputs, { dtype: 'float32', shape: [count, ...dataset.sampleShape], data: inputs })
  await writeNpy(files.labels, int64([...labels]))
  return { ...files, count, shape: dataset.sampleShape }
}

function beside(file: string): string {
  return join('bench', 'peers', file)
}

interface Run {
  readonly answer: Answer
  /** Wall seconds of the process less those of the answer. */
  readonly setup: number
}

/** What a run cost: CPU time where it is known, since others use the machine too. */
function cost({ answer }: Run): number {
  return answer.cpuSeconds ?? answer.seconds
}

/** The run of median cost. */
function middle(runs: readonly Run[]): Run {
  return runs.toSorted((a, b) => cost(a) - cost(b))[(runs.length - 1) >> 1]!
}

/** Runs every tool once in each round, one after the other, and verifies what it found in the last. */
async function measure(
  engine: Engine,
  subject: Subject,
  row: Row,
  samples: Samples,
  tools: readonly Tool[],
): Promise<Measured[]> {
  const asked = values.batches?.split(',').map(Number) ?? row.batches
  const sizes = [...new Set(asked.map(size => (size === 0 ? samples.count : Math.min(size, samples.count))))]
  const variants = tools
    .flatMap(tool => (tool.batches ?? sizes).map(batch => ({ tool, batch, runs: [] as Run[] })))
    .map((variant, at) => ({ ...variant, folder: join(resolve(samples.inputs, '..'), `tool-${at}`) }))
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const { tool, batch, folder, runs } of variants) {
      mkdirSync(folder, { recursive: true })
      const start = performance.now()
      drive(tool.command, folder, { ...jobOf(subject, row, samples), batch })
      const answer = JSON.parse(readFileSync(join(folder, 'answer.json'), 'utf8')) as Answer
      runs.push({ answer, setup: (performance.now() - start) / 1000 - answer.seconds })
    }
  }
  const results: Measured[] = []
  for (const tool of tools) {
    const { folder, runs } = variants
      .filter(variant => variant.tool === tool)
      .reduce((best, each) => (cost(middle(each.runs)) < cost(middle(best.runs)) ? each : best))
    const verified = await verify(engine, subject, row, { ...samples, examples: join(folder, 'adversarial.npy') })
    results.push({ tool: tool.tool, ...middle(runs), verified, note: tool.note ?? '' })
  }
  return results
}

function jobOf(subject: Subject, row: Row, samples: Samples) {
  const { mean, std, epsilon } = subject
  const { kind, norm, attacks, attack, options } = row
  const { inputs, labels, shape } = samples
  return {
    model: resolve(subject.model),
    mean,
    std,
    epsilon,
    kind,
    norm,
    attacks,
    attack,
    options,
    inputs,
    labels,
    shape,
    classes: 10,
    cores: cores.length,
    seed: 0,
  }
}

/** One process, bound to the cores where the system has taskset, with libraries held to as many threads. */
function drive(command: readonly string[], folder: string, job: object): void {
  const path = join(folder, 'job.json')
  writeFileSync(path, JSON.stringify({ ...job, folder }))
  const bound = process.platform === 'linux' ? ['taskset', '-c', values.cores, ...command] : [...command]
  const threads = { OMP_NUM_THREADS: `${cores.length}`, MKL_NUM_THREADS: `${cores.length}` }
  const { status, error } = spawnSync(bound[0]!, [...bound.slice(1), path], {
    stdio: ['ignore', 2, 2],
    env: { ...process.env, ...threads, PYTHONDONTWRITEBYTECODE: '1', PYTHONWARNINGS: 'ignore' },
  })
  if (error !== undefined) throw error
  if (status !== 0) throw new Error(`${command.join(' ')} ended with exit code ${status}`)
}
