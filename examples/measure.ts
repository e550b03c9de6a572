/**
 * `npm run examples:measure [-- COUNT [NAME …]]`: the table of examples/README.md. Each attack runs on every test image
 * that a model classifies correctly, Linf 0.3, seed 0; what it finds is verified on the file. COUNT defaults to 10,000.
 */
import { resolve } from 'node:path'
import { openDataset } from '../src/data/dataset.js'
import { openEvaluator } from '../src/evaluate/evaluator.js'
import type { SampleRecord } from '../src/evaluate/record.js'
import type { PlannedAttack } from '../src/evaluate/spec.js'
import { planAttacks } from '../src/evaluate/suite.js'
import { readModelFile } from '../src/runtime/files.js'
import { mnist, modelPath } from './mnist.js'
import { recipes } from './recipes.js'

/** Square asks for scores only: what it finds and gradients do not is what a network hides from them. It takes longest. */
const columns = [
  { title: 'left by PGD-40', name: 'pgd', options: { steps: 40 }, most: 10_000 },
  { title: 'left by APGD-CE', name: 'apgd-ce', options: { steps: 100 }, most: 10_000 },
  { title: 'left by Square, of the first 1,000', name: 'square', options: { queries: 5000 }, most: 1000 },
]

const [count = '10000', ...names] = process.argv.slice(2)
console.log(`| model | clean | ${columns.map(({ title }) => title).join(' | ')} |`)
console.log(`| --- | ---: |${' ---: |'.repeat(columns.length)}`)
for (const name of names.length > 0 ? names : recipes.keys()) {
  const path = resolve(modelPath(name))
  let clean = ''
  const left: string[] = []
  for (const { name: attack, options, most } of columns) {
    const records = await evaluate(
      path,
      planAttacks([{ name: attack, options }], 'Linf'),
      Math.min(most, Number(count)),
    )
    if (left.length === 0) clean = share(records, isCorrect)
    left.push(share(records, record => record.verdict === 'robust'))
  }
  console.log(`| \`${name}\` | ${clean} | ${left.join(' | ')} |`)
}

async function evaluate(path: string, attacks: readonly PlannedAttack[], end: number): Promise<SampleRecord[]> {
  const { sha256 } = await readModelFile(path)
  const dataset = await openDataset(mnist('test'))
  const data = { path: mnist('test'), sha256: await dataset.hash(), range: [0, end], space: {} } as const
  await dataset.close()
  const threat = { norm: 'Linf', epsilon: 0.3, epsilonText: '0.3', box: [0, 1] } as const
  const spec = { model: { path, sha256 }, data, threat, suite: 'custom', attacks, mode: 'cascade', seed: 0 } as const
  const records: SampleRecord[] = []
  const plan = { batch: 32, threads: 1 }
  await using evaluator = await openEvaluator({ spec, plan, record: record => records.push(record), spent() {} })
  evaluator.add(0, end)
  evaluator.close()
  await evaluator.run()
  return records
}

/** Of all samples. */
function share(records: readonly SampleRecord[], holds: (record: SampleRecord) => boolean): string {
  return `${((100 * records.filter(holds).length) / records.length).toFixed(2)} %`
}

function isCorrect({ prediction, label }: SampleRecord): boolean {
  return prediction === label
}
