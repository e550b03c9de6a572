/**
 * `npm run examples:measure [-- COUNT [NAME …]]`: the table of examples/README.md. Each attack runs on every test image
 * that a model classifies correctly, Linf 0.3, seed 0; what it finds is verified on the file. COUNT defaults to all 10,000.
 */
import { resolve } from 'node:path'
import { openDataset } from '../src/data/dataset.js'
import { openEvaluator } from '../src/evaluate/evaluator.js'
import type { SampleRecord } from '../src/evaluate/record.js'
import { planAttacks } from '../src/evaluate/suite.js'
import { readModelFile } from '../src/runtime/files.js'
import { mnist, modelPath } from './mnist.js'
import { recipes } from './recipes.js'

const attacks = planAttacks(
  [
    { name: 'pgd', options: { steps: 40 } },
    { name: 'apgd-ce', options: { steps: 100 } },
  ],
  'Linf',
)

const [count = '10000', ...names] = process.argv.slice(2)
console.log(`| model | clean | ${attacks.map(({ name }) => `left by ${name}`).join(' | ')} |`)
console.log(`| --- | ---: |${' ---: |'.repeat(attacks.length)}`)
for (const name of names.length > 0 ? names : recipes.keys()) {
  const records = await evaluate(resolve(modelPath(name)), Number(count))
  const left = attacks.map(({ name: attack }) => share(records, record => !brokenBy(record, attack)))
  console.log(`| \`${name}\` | ${share(records, isCorrect)} | ${left.join(' | ')} |`)
}

async function evaluate(path: string, end: number): Promise<SampleRecord[]> {
  const { sha256 } = await readModelFile(path)
  const dataset = await openDataset(mnist('test'))
  const data = { path: mnist('test'), sha256: await dataset.hash(), range: [0, end], space: {} } as const
  await dataset.close()
  const threat = { norm: 'Linf', epsilon: 0.3, epsilonText: '0.3', box: [0, 1] } as const
  const spec = { model: { path, sha256 }, data, threat, suite: 'custom', attacks, mode: 'individual', seed: 0 } as const
  const records: SampleRecord[] = []
  const plan = { batch: 32, threads: 1 }
  await using evaluator = await openEvaluator({ spec, plan, record: record => records.push(record), spent() {} })
  evaluator.add(0, end)
  evaluator.close()
  await evaluator.run()
  return records
}

/** Counts correctly classified samples for which it holds, of all. */
function share(records: readonly SampleRecord[], holds: (record: SampleRecord) => boolean): string {
  const standing = records.filter(record => isCorrect(record) && holds(record)).length
  return `${((100 * standing) / records.length).toFixed(2)} %`
}

function isCorrect({ prediction, label }: SampleRecord): boolean {
  return prediction === label
}

function brokenBy({ attempts }: SampleRecord, attack: string): boolean {
  return attempts.some(attempt => attempt.attack === attack && attempt.status !== 'exhausted')
}
