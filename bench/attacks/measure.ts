/**
 * `npm run docs:measure`: runs every attack of the table on the examples and writes docs/attacks.measured.json, from which docs/attacks.md
 * takes its numbers. Measures what is missing, or was measured on fewer images, on another model or with other options, after it has
 * said what that will take; every attack and norm is written when it is done. With --minutes it ends in time: what was begun goes on the
 * next time where it was, unless the program has changed since.
 *
 * npm run docs:measure -- [--samples 40] [--queries 400000] [--attack NAME…] [--again] [--minutes 30] [--plan] [--processes 1]
 */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { parseArgs } from 'node:util'
import { attacks } from '../../src/attacks/index.js'
import type { Result } from '../../src/report/schema.js'
import { duration } from '../../src/report/terminal.js'
import {
  data,
  type Entry,
  epsilons,
  hashesOfModels,
  type Measured,
  measuredFile,
  readMeasured,
  robust,
  seed,
} from './measured.js'
import { type Cost, isAt, type Job, missingJobs, secondsOf } from './plan.js'

const { values } = parseArgs({
  options: {
    samples: { type: 'string', default: '40' },
    queries: { type: 'string', default: '400000' },
    attack: { type: 'string', multiple: true },
    again: { type: 'boolean', default: false },
    minutes: { type: 'string', default: '1000' },
    plan: { type: 'boolean', default: false },
    processes: { type: 'string', default: '1' },
  },
})

const deadline = Date.now() + 60_000 * Number(values.minutes)
const wish = { samples: Number(values.samples), queries: Number(values.queries) }
const wanted = [...attacks.values()].filter(({ name }) => values.attack?.includes(name) ?? true)
const models = hashesOfModels()
const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }
const program = digestOf('dist')
let entries = stillTrue(readMeasured())

announce(missingJobs(wanted, entries, wish), await calibrated())
if (!values.plan) {
  write()
  // What was never measured is measured on few images first, then on as many as its cost allows.
  for (let jobs = missingJobs(wanted, entries, wish); jobs.length > 0; jobs = missingJobs(wanted, entries, wish)) {
    if (!(await measureAll(jobs))) break
  }
}

/** Without what was measured on other models or of attacks that are gone; with --again all of the attacks that are wanted are stale. */
function stillTrue(before: Measured | undefined): readonly Entry[] {
  if (before?.seed !== seed) return []
  return before.entries
    .filter(({ attack, norm }) => attacks.get(attack)?.norms.includes(norm))
    .filter(({ model, surrogate }) => [model, surrogate ?? model].every(name => before.models[name] === models[name]))
    .map(entry =>
      values.again && wanted.some(({ name }) => name === entry.attack) ? { ...entry, stale: true as const } : entry,
    )
}

function announce(jobs: readonly Job[], cost: Cost): void {
  const seconds = jobs.map(job => secondsOf(job, cost))
  for (const [at, { attack, norm, model, samples }] of jobs.entries()) {
    const time = seconds[at] === undefined ? 'not known yet' : `about ${duration(seconds[at])}`
    console.error([attack.name.padEnd(16), norm.padEnd(4), basename(model).padEnd(21), samples, time].join('  '))
  }
  const known = seconds.reduce<number>((sum, each) => sum + (each ?? 0), 0)
  const unknown = seconds.filter(each => each === undefined).length
  console.error(
    `${jobs.length} to measure: about ${duration(known)}${unknown > 0 ? `, and ${unknown} that were never measured` : ''}`,
  )
}

/** Says whether there was time for all. */
async function measureAll(jobs: readonly Job[]): Promise<boolean> {
  for (const job of jobs) {
    const made = Date.now() < deadline ? await measure(job) : undefined
    if (made === undefined) return false
    entries = [...entries.filter(entry => !isAt(entry, job)), made]
    write()
  }
  return true
}

/** One run of the command line, kept until it is complete; undefined when time is over. */
async function measure({ attack, norm, model, surrogate, samples }: Job): Promise<Entry | undefined> {
  const options = attack.options.parse({}) as Record<string, unknown>
  const what = { attack: attack.name, norm, epsilon: epsilons[norm], options, seed, samples, model, surrogate }
  const key = createHash('sha256')
    .update(JSON.stringify([what, models, program]))
    .digest('hex')
    .slice(0, 12)
  const folder = join('runs', 'docs-measure', `${attack.name}-${norm}-${key}`)
  console.error(`${attack.name}, ${norm}, ${basename(model)}, ${samples} images`)
  const words = [model, '--norm', norm, '--epsilon', epsilons[norm], '--samples', `0:${samples}`, '--individual']
  words.push('--attack', attack.name, '--batch', `${Math.min(32, 2 * samples)}`, '--timeout', '600', '--run', folder)
  if (surrogate !== null) words.push('--surrogate', surrogate)
  if (existsSync(folder)) words.push('--resume')
  const result = await evaluated(words)
  if (result === undefined) return undefined
  rmSync(folder, { recursive: true })
  const [{ attempted, robustAfter, queries, transfer, preparation, ...done }] = result.attacks
  return {
    ...{ attack: attack.name, norm, epsilon: epsilons[norm] },
    ...{ model: basename(model), surrogate: surrogate === null ? null : basename(surrogate) },
    ...{ options: done.options, samples, attempted, left: robustAfter },
    median: result.distances?.attacks[0]?.median ?? null,
    queries: transfer?.queries ?? queries,
    ...(preparation !== undefined && { preparation: preparation.queries }),
  }
}

/** Seconds of a query, from attacks that nothing ends early: at this epsilon no image breaks. */
async function calibrated(): Promise<Cost> {
  const began = performance.now()
  const attacks = ['--attack', 'pgd:steps=40', '--attack', 'uniform-noise']
  const folder = join('runs', 'docs-measure', `calibration-${process.pid}`)
  const words = [robust, '--epsilon', '1e-6', '--samples', '0:32', '--individual', '--batch', '32', '--run', folder]
  const result = await evaluated([...words, ...attacks])
  if (result === undefined) throw new Error('there is no time to measure anything')
  rmSync(folder, { recursive: true })
  const wall = (performance.now() - began) / 1000
  const [pgd, noise] = result.attacks
  return {
    gradient: pgd.seconds / pgd.queries.gradient,
    forward: noise.seconds / noise.queries.forward,
    start: Math.max(0, wall - pgd.seconds - noise.seconds),
  }
}

/** The result of a run of the command line; undefined when the deadline came first. Throws when the run fails. */
async function evaluated(words: readonly string[]): Promise<Result | undefined> {
  const resources = ['--data', data, '--seed', `${seed}`, '--processes', values.processes, '--threads', '1']
  const child = spawn(process.execPath, ['dist/cli/main.js', 'evaluate', ...words, ...resources, '--quiet', '--json'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const timer = setTimeout(() => child.kill('SIGINT'), Math.max(0, deadline - Date.now()))
  let text = ''
  child.stdout.setEncoding('utf8').on('data', (part: string) => (text += part))
  const code = await new Promise<number | null>(resolve => child.on('close', resolve))
  clearTimeout(timer)
  if (code === 0) return JSON.parse(text) as Result
  if (Date.now() >= deadline) return undefined
  throw new Error(`the evaluation ended with exit code ${code}`)
}

function write(): void {
  const names = [...attacks.keys()]
  const norms = Object.keys(epsilons)
  const place = ({ attack, norm, model }: Entry) => [
    names.indexOf(attack),
    norms.indexOf(norm),
    Number(model !== basename(robust)),
  ]
  const sorted = entries.toSorted((a, b) => {
    const [left, right] = [place(a), place(b)]
    return left[0]! - right[0]! || left[1]! - right[1]! || left[2]! - right[2]!
  })
  const measured: Measured = { version, models, seed, entries: sorted }
  writeFileSync(measuredFile, `${JSON.stringify(measured, null, 2)}\n`)
}

/** Of every program file below the folder: another program may not go on with what this one began. */
function digestOf(folder: string): string {
  const hash = createHash('sha256')
  const files = readdirSync(folder, { recursive: true })
    .map(String)
    .filter(name => name.endsWith('.js'))
  for (const name of files.sort()) hash.update(name).update(readFileSync(join(folder, name)))
  return hash.digest('hex')
}
