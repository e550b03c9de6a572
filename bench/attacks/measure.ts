/**
 * `npm run docs:measure`: runs every attack of the table on the robust example and writes docs/attacks.measured.json, from which
 * docs/attacks.md takes its numbers. Measures what is missing or was measured on another model or with other options; --again: all.
 *
 * npm run docs:measure -- [--samples 40] [--costly 10] [--slow 2] [--attack NAME…] [--again] [--processes 1]
 */
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { parseArgs } from 'node:util'
import type { Attack } from '../../src/attacks/attack.js'
import { attacks } from '../../src/attacks/index.js'
import type { Result } from '../../src/report/schema.js'
import type { NormName } from '../../src/threat/norm.js'
import { transfers } from './families.js'
import {
  data,
  type Entry,
  epsilons,
  type Measured,
  measuredFile,
  model,
  readMeasured,
  seed,
  surrogate,
} from './measured.js'

const { values } = parseArgs({
  options: {
    samples: { type: 'string', default: '40' },
    costly: { type: 'string', default: '10' },
    slow: { type: 'string', default: '2' },
    attack: { type: 'string', multiple: true },
    again: { type: 'boolean', default: false },
    processes: { type: 'string', default: '1' },
  },
})

/** Attacks that take thousands of queries for a sample get fewer samples. */
const costly = new Set([
  'square',
  'simba',
  'bandits',
  'sign-hunter',
  'nes',
  'spsa',
  'sparse-rs',
  'few-pixel',
  'boundary',
  'hop-skip-jump',
  'geoda',
  'rays',
  'sign-opt',
])

/** And those that take tens of thousands and more, a few. */
const slow = new Set(['carlini-wagner', 'ead', 'zoo'])

interface Job {
  readonly attack: Attack
  readonly norm: NormName
  readonly samples: number
}

const sha256 = createHash('sha256').update(readFileSync(model)).digest('hex')
const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }
const before = readMeasured()
let entries: readonly Entry[] = before?.model.sha256 === sha256 && before.seed === seed ? before.entries : []

const wanted = [...attacks.values()].filter(({ name }) => values.attack?.includes(name) ?? true)
const jobs = wanted.flatMap(attack =>
  attack.norms.map((norm): Job => {
    const tier = slow.has(attack.name) ? 'slow' : costly.has(attack.name) ? 'costly' : 'samples'
    return { attack, norm, samples: Number(values[tier]) }
  }),
)
const missing = jobs.filter(job => values.again || !isMeasured(job))
const groups = new Map<string, Job[]>()
for (const job of missing) {
  const key = `${job.norm} ${job.samples} ${transfers(job.attack)}`
  groups.set(key, [...(groups.get(key) ?? []), job])
}
// Attacks that are not of the table any more go.
entries = entries.filter(({ attack, norm }) => attacks.get(attack)?.norms.includes(norm))
write()
for (const group of [...groups.values()].sort((a, b) => b[0]!.samples - a[0]!.samples)) {
  const made = measure(group)
  const same = (a: Entry) => made.some(b => a.attack === b.attack && a.norm === b.norm)
  entries = [...entries.filter(entry => !same(entry)), ...made]
  write()
}

function isMeasured({ attack, norm }: Job): boolean {
  const options = JSON.stringify(attack.options.parse({}))
  return entries.some(
    entry =>
      entry.attack === attack.name &&
      entry.norm === norm &&
      entry.epsilon === epsilons[norm] &&
      (entry.surrogate !== null) === transfers(attack) &&
      JSON.stringify(entry.options) === options,
  )
}

/** One run of the command line: every attack of the group on every sample. */
function measure(group: readonly Job[]): Entry[] {
  const [{ norm, samples, attack: first }] = group as [Job]
  const folder = mkdtempSync(join(tmpdir(), 'robustly-docs-'))
  try {
    const names = group.map(({ attack }) => attack.name)
    console.error(`${norm}, ${samples} samples: ${names.join(', ')}`)
    const words = ['evaluate', model, '--data', data, '--norm', norm, '--epsilon', epsilons[norm]]
    words.push(
      '--samples',
      `0:${samples}`,
      '--seed',
      `${seed}`,
      '--individual',
      ...names.flatMap(name => ['--attack', name]),
    )
    words.push(
      '--processes',
      values.processes,
      '--threads',
      '1',
      '--batch',
      `${Math.min(32, 2 * samples)}`,
      '--timeout',
      '600',
    )
    words.push('--run', join(folder, 'run'), '--json')
    if (transfers(first)) words.push('--surrogate', surrogate)
    const { status, stdout } = spawnSync(process.execPath, ['dist/cli/main.js', ...words], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
      maxBuffer: 2 ** 28,
    })
    if (status !== 0) throw new Error(`the evaluation ended with exit code ${status}`)
    const result = JSON.parse(stdout) as Result
    return group.map(job => entryOf(job, result))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function entryOf({ attack, norm, samples }: Job, result: Result): Entry {
  const { attempted, robustAfter, queries, transfer, options } = result.attacks.find(
    ({ name }) => name === attack.name,
  )!
  const spent = transfer?.queries ?? queries
  return {
    attack: attack.name,
    norm,
    epsilon: epsilons[norm],
    surrogate: transfers(attack) ? basename(surrogate) : null,
    options,
    samples,
    attempted,
    left: robustAfter,
    median: result.distances?.attacks.find(({ name }) => name === attack.name)?.median ?? null,
    queries: spent,
  }
}

function write(): void {
  const order = [...attacks.keys()]
  const norms = Object.keys(epsilons)
  const sorted = entries.toSorted(
    (a, b) => order.indexOf(a.attack) - order.indexOf(b.attack) || norms.indexOf(a.norm) - norms.indexOf(b.norm),
  )
  const measured: Measured = { version, model: { file: basename(model), sha256 }, seed, entries: sorted }
  writeFileSync(measuredFile, `${JSON.stringify(measured, null, 2)}\n`)
}
