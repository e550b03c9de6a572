/**
 * Tree ensemble and linear pipeline of scikit-learn on the Adult census table: attacks by scores and by labels find adversarial
 * examples under constraints of features, and every record keeps every constraint.
 */
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { type Dataset, openDataset } from '../../src/data/dataset.js'
import { openEvaluator } from '../../src/evaluate/evaluator.js'
import { decodeFloats, type SampleRecord } from '../../src/evaluate/record.js'
import type { EvaluationSpec } from '../../src/evaluate/spec.js'
import { planAttacks } from '../../src/evaluate/suite.js'
import { readConstraints } from '../../src/threat/constraints-file.js'
import type { NormName } from '../../src/threat/norm.js'
import { asset } from '../support/assets.js'

const table = asset('data/tabular/adult-test.csv')
const models = fileURLToPath(new URL('../exports/models/', import.meta.url))

/** Columns of the table: 0 age, 2 weight of the row, 4 years of education, 9 sex, 10 capital gain, 11 capital loss, 12 hours. */
const wholeColumns = ['0', '2', '4', '10', '11', '12']
const columnsOfTexts = ['1', '3', '5', '6', '7', '8', '9', '13']
const fixed = (name: string) => ['2', '8', '9', '13'].includes(name.split('=')[0]!)
const rangeOf: Record<string, readonly [number, number]> = {
  0: [17, 90],
  4: [1, 16],
  10: [0, 99_999],
  11: [0, 4356],
  12: [1, 99],
}
const largestChange: Record<string, number> = { 0: 5, 4: 3, 10: 2000, 11: 500, 12: 10 }

function constraintsText({ featureNames }: Dataset): string {
  const rules = featureNames!.map(name => {
    const rule = {
      integer: wholeColumns.includes(name),
      immutable: fixed(name),
      ...(name in rangeOf && { range: rangeOf[name], epsilon: largestChange[name] }),
      ...(name === '0' && { direction: 'increase' }),
    }
    return [name, rule]
  })
  return JSON.stringify({
    features: Object.fromEntries(rules),
    oneHot: columnsOfTexts,
    relations: [{ weights: { 0: 1, 4: -1 }, atLeast: 6 }],
  })
}

async function recordsOf(
  data: Dataset,
  trial: { model: string; attack: string; options: object; norm: NormName; epsilon: number; count: number },
) {
  const { norm, epsilon, count } = trial
  const constraints = readConstraints(
    constraintsText(data),
    { count: data.sampleShape[0]!, names: data.featureNames },
    'adult.json',
  )
  const spec: EvaluationSpec = {
    model: { path: `${models}${trial.model}`, sha256: '' },
    data: { path: `${table}:encode=one-hot`, sha256: '', range: [0, count], space: {} },
    threat: { norm, epsilon, epsilonText: String(epsilon), box: null, constraints },
    suite: 'custom',
    attacks: planAttacks([{ name: trial.attack, options: trial.options }], norm),
    mode: 'cascade',
    seed: 0,
  }
  const records: SampleRecord[] = []
  await using evaluator = await openEvaluator({
    spec,
    plan: { batch: 16, threads: 1 },
    record: each => records.push(each),
    spent: () => {},
  })
  evaluator.add(0, count)
  evaluator.close()
  await evaluator.run()
  return records
}

/** The constraints once more, written out; `x` is the sample and `z` its adversarial example. */
function expectFeasible(names: readonly string[], x: Float32Array, z: Float32Array): void {
  const value = (name: string, of = z) => of[names.indexOf(name)]!
  for (const name of wholeColumns) expect(Number.isInteger(value(name)), name).toBe(true)
  for (const [name, [low, high]] of Object.entries(rangeOf)) {
    expect(value(name) >= low && value(name) <= high, name).toBe(true)
    expect(Math.abs(value(name) - value(name, x)), name).toBeLessThanOrEqual(largestChange[name]!)
  }
  names.forEach((name, i) => {
    if (fixed(name)) expect(z[i], name).toBe(x[i])
  })
  for (const column of columnsOfTexts) {
    const members = [...z].filter((_, i) => names[i]!.startsWith(`${column}=`))
    expect(members.filter(member => member === 1)).toHaveLength(1)
    expect(members.filter(member => member === 0)).toHaveLength(members.length - 1)
  }
  expect(value('0')).toBeGreaterThanOrEqual(value('0', x))
  expect(value('0') - value('4')).toBeGreaterThanOrEqual(6)
}

const square = { attack: 'square', options: { queries: 300 }, norm: 'Linf', epsilon: 2000 } as const
const hopSkipJump = { attack: 'hop-skip-jump', options: { steps: 3 }, norm: 'Linf', epsilon: 2000 } as const
const sparse = { attack: 'sparse-rs', options: { queries: 300 }, norm: 'L0', epsilon: 4 } as const
const forest = { model: 'adult-forest.onnx', count: 60 }
const linear = { model: 'adult-logistic.onnx', count: 60 }

describe.skipIf(table === undefined)('feature constraints on a real table', () => {
  it.each([
    { ...forest, ...square },
    { ...forest, ...hopSkipJump },
    { ...forest, ...sparse },
    { ...linear, ...square },
    { ...linear, ...hopSkipJump },
    { ...linear, attack: 'pgd', options: { steps: 20 }, norm: 'Linf' as const, epsilon: 2000 },
  ])('$attack on $model in $norm breaks some, within all constraints', { timeout: 60_000 }, async trial => {
    const data = await openDataset(`${table}:encode=one-hot`)
    const records = await recordsOf(data, trial)
    const { inputs } = await data.read(0, trial.count)
    const width = data.sampleShape[0]!
    const attacked = records.filter(({ prediction, label }) => prediction === label)
    const broken = attacked.filter(({ verdict }) => verdict === 'broken')
    console.info(`${trial.attack} on ${trial.model}: ${broken.length} of ${attacked.length} broken`)
    expect(broken.length).toBeGreaterThan(0)
    expect(records.filter(({ verdict }) => verdict === 'unknown').map(({ error }) => error)).toEqual([])
    for (const { index, adversarial } of broken) {
      expectFeasible(
        data.featureNames!,
        inputs.subarray(index * width, (index + 1) * width),
        decodeFloats(adversarial!),
      )
    }
  })
})
