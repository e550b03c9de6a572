/** Evaluations that others are compared with: run folders with the verdict of each sample, or bare `result.json` files without. */
import { existsSync, readFileSync, statSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { RobustlyError } from '../errors.js'
import { canonical } from '../evaluate/canonical.js'
import { printable } from '../printable.js'
import { type Result, resultSchema } from '../report/schema.js'
import { fileProblem } from './files.js'
import { readResult, recordsOf } from './read-run.js'

/** What is known of one sample. */
export interface Verdict {
  readonly correct: boolean
  readonly verdict: 'robust' | 'broken' | 'unknown'
}

export interface Evaluated {
  /** As it was given, for messages. */
  readonly name: string
  readonly result: Result
  /** By index of the sample; undefined where only the result is at hand. */
  readonly verdicts: ReadonlyMap<number, Verdict> | undefined
}

/** A result larger than this is none. */
const largest = 64 * 2 ** 20

/** Reads a run folder, its `result.json`, or such a file that lies alone. Throws `run-unreadable`. */
export function readEvaluated(path: string): Evaluated {
  const name = printable(path, 200)
  if (!existsSync(path)) {
    throw new RobustlyError('run-unreadable', `${name} does not exist`, {
      hint: 'Give a run folder, or the result.json of one.',
    })
  }
  if (statSync(path).isDirectory()) return ofFolder(path, name)
  const folder = dirname(resolve(path))
  const inRun = basename(path) === 'result.json' && existsSync(join(folder, 'records.jsonl'))
  return inRun ? ofFolder(folder, name) : { name, result: readFile(path, name), verdicts: undefined }
}

function ofFolder(folder: string, name: string): Evaluated {
  const result = readResult(folder)
  const verdicts = new Map<number, Verdict>()
  for (const { index, label, prediction, verdict } of recordsOf(folder)) {
    verdicts.set(index, { correct: prediction === label, verdict })
  }
  const { count } = result.data
  const robust = [...verdicts.values()].filter(({ verdict }) => verdict === 'robust').length
  if (verdicts.size !== count || robust !== result.accuracy.robust.correct) {
    throw new RobustlyError(
      'run-unreadable',
      `${name}: its records tell ${robust} robust of ${verdicts.size} samples, its result ${result.accuracy.robust.correct} of ${count}`,
      { hint: 'Run it again with --resume: the result is made from the records.' },
    )
  }
  return { name, result, verdicts }
}

function readFile(path: string, name: string): Result {
  const fail = (why: string): never => {
    throw new RobustlyError('run-unreadable', `${name} is no result of robustly: ${why}`, {
      hint: 'Give a run folder, or a file that "robustly evaluate -o result.json" wrote.',
    })
  }
  let value: unknown
  try {
    if (statSync(path).size > largest) fail('it is too large')
    value = JSON.parse(readFileSync(path, 'utf8'))
  } catch (error) {
    if (error instanceof RobustlyError) throw error
    fail(error instanceof SyntaxError ? 'it is not JSON' : fileProblem(error))
  }
  const checked = resultSchema.safeParse(value)
  if (checked.success) return checked.data
  const issue = checked.error.issues[0]!
  return fail(`${printable(issue.path.join('.'), 80)}: ${printable(issue.message)}`)
}

type Trait = readonly [name: string, of: (result: Result) => unknown]

/** Without these equal, two evaluations are not about the same thing. Mean, std and layout belong to the model. */
export const sameQuestion: readonly Trait[] = [
  ['data (sha256)', ({ data }) => data.sha256],
  ['decoder of pictures', ({ data }) => data.decoder],
  ['values per sample', ({ model }) => model.inputShape.reduce((product, size) => product * size, 1)],
  ['classes', ({ model }) => model.classes],
  ['norm', ({ threat }) => threat.norm],
  ['epsilon', ({ threat }) => threat.epsilonValue],
  ['box', ({ threat }) => threat.box],
  ['constraints (sha256)', ({ threat: { constraints } }) => constraints?.sha256 ?? constraints ?? null],
  // Whatever else a threat model may come to say.
  [
    'threat model',
    ({ threat: { norm: _, epsilon: __, epsilonValue: ___, box: ____, constraints: _____, ...rest } }) => rest,
  ],
]

/** Without these too, one is no baseline of the other: other attacks, or another program, break more or less of the same model. */
export const sameMethod: readonly Trait[] = [
  ...sameQuestion,
  ['samples', ({ data }) => data.range.join(':')],
  ['attacks', ({ attacks }) => attacks.map(({ name, options }) => [name, options])],
  ['surrogate models (sha256)', ({ surrogates }) => surrogates?.map(({ sha256 }) => sha256) ?? null],
  ['individual', ({ mode }) => mode === 'individual'],
  ['draws', ({ draws }) => draws ?? 1],
  ['version of robustly', ({ tool }) => tool.version],
]

/** Throws `run-mismatch` that names everything that differs, hashes shortened. */
export function checkSame(first: Evaluated, second: Evaluated, traits: readonly Trait[], hint: string): void {
  const differences = traits.flatMap(([name, of]) => {
    const [a, b] = [first, second].map(({ result }) => canonical(of(result)))
    return a === b ? [] : [`${name}: ${short(a!)} against ${short(b!)}`]
  })
  if (differences.length === 0) return
  throw new RobustlyError(
    'run-mismatch',
    `${first.name} and ${second.name} cannot be compared, for they differ in ${differences.join('; ')}`,
    { hint },
  )
}

function short(text: string): string {
  return /^"[0-9a-f]{64}"$/.test(text) ? `${text.slice(1, 17)}…` : printable(text, 120)
}
