/** Run folders with given verdicts, for tests of what reads finished runs. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { SampleRecord } from '../../src/evaluate/record.js'
import { recordLine } from '../../src/jobs/records.js'
import type { Result } from '../../src/report/schema.js'
import { madeUpResult } from './result.js'

/** One letter per sample: r robust, b broken by an attack, m misclassified, u without a verdict. Gives the folder's path. */
export function writeRun(folder: string, verdicts: string, change: (result: Result) => Result = same => same): string {
  mkdirSync(folder, { recursive: true })
  const count = (letters: RegExp) => verdicts.match(letters)?.length ?? 0
  const result = madeUpResult({
    count: verdicts.length,
    correct: count(/[rbu]/g),
    robust: count(/r/g),
    unknown: count(/u/g),
    failed: count(/u/g),
  })
  writeFileSync(join(folder, 'result.json'), `${JSON.stringify(change(result), null, 2)}\n`)
  writeFileSync(join(folder, 'records.jsonl'), [...verdicts].map(recordOf).map(recordLine).join(''))
  return folder
}

function recordOf(letter: string, index: number): SampleRecord {
  const broken = letter === 'b' || letter === 'm'
  return {
    index,
    label: 1,
    prediction: letter === 'm' ? 2 : 1,
    verdict: broken ? 'broken' : letter === 'r' ? 'robust' : 'unknown',
    attack: letter === 'b' ? 'apgd-ce' : null,
    distance: letter === 'b' ? 0.01 : letter === 'm' ? 0 : null,
    margin: broken ? -1 : 1,
    adversarialPrediction: letter === 'b' ? 2 : null,
    attempts: [],
    adversarial: null,
    error: letter === 'u' ? 'not finite' : null,
  }
}
