/** APGD-CE on real models beside the reference implementation's numbers, and beside certificates. */
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { openEvaluator } from '../../src/evaluate/evaluator.js'
import type { SampleRecord } from '../../src/evaluate/record.js'
import { planAttacks } from '../../src/evaluate/suite.js'
import { parseEpsilon } from '../../src/threat/threat.js'
import { asset, fashion, hasAssets, mnist } from '../support/assets.js'

interface Row {
  readonly model: string
  readonly data: string | undefined
  readonly epsilon: string
  readonly count: number
  /** Correct on clean data: must be met exactly. */
  readonly clean: number
  /** Left by the reference's APGD-CE, seed 0. */
  readonly left: number
}

const cifar = asset('data/cifar10/test_batch_first1000.bin')
// Measured with AutoAttack's reference implementation (auto-attack a392200, seed 0).
const rows: Row[] = [
  { model: 'mnist_fgsm_fastat_eps0.3', data: mnist, epsilon: '0.3', count: 1000, clean: 983, left: 847 },
  { model: 'mnist_eran_6x100_nat', data: mnist, epsilon: '0.026', count: 1000, clean: 960, left: 841 },
  // This file normalises its input itself.
  { model: 'mnist_eran_conv_small_nat', data: mnist, epsilon: '0.12', count: 1000, clean: 980, left: 744 },
  { model: 'mnist_wk_robust_eps0.1', data: mnist, epsilon: '0.1', count: 1000, clean: 982, left: 954 },
  { model: 'fashion_wk_robust_eps0.1', data: fashion, epsilon: '0.1', count: 1000, clean: 793, left: 689 },
  { model: 'cifar10_eran_conv_small_pgd', data: cifar, epsilon: '2/255', count: 1000, clean: 630, left: 496 },
  { model: 'mnist_smalladv_madry_tiny_eps0.3', data: mnist, epsilon: '0.3', count: 1000, clean: 972, left: 830 },
]
/** How many more samples than the reference may be left. */
const tolerance = 3

async function evaluate(row: Row): Promise<SampleRecord[]> {
  const records: SampleRecord[] = []
  await using evaluator = await openEvaluator({
    spec: {
      model: { path: asset(`models/${row.model}.onnx`)!, sha256: '' },
      data: {
        path: row.data!,
        sha256: '',
        range: [0, row.count],
        space: {},
      },
      threat: { norm: 'Linf', epsilon: parseEpsilon(row.epsilon), epsilonText: row.epsilon, box: [0, 1] },
      suite: 'quick',
      attacks: planAttacks([{ name: 'apgd-ce', options: {} }], 'Linf'),
      mode: 'cascade',
      seed: 0,
    },
    plan: { batch: 32, threads: 1 },
    record: record => records.push(record),
    spent: () => {},
  })
  evaluator.add(0, row.count)
  evaluator.close()
  await evaluator.run()
  return records
}

describe.skipIf(!hasAssets)('APGD-CE beside the reference', () => {
  const bitmaps = hasAssets ? JSON.parse(readFileSync(asset('models/reference_bitmaps.json')!, 'utf8')) : {}

  for (const row of rows) {
    it.skipIf(row.data === undefined)(
      `${row.model} at ${row.epsilon}`,
      async () => {
        const records = await evaluate(row)
        const correct = records.filter(record => record.prediction === record.label)
        const left = records.filter(record => record.verdict === 'robust')
        console.info(
          `${row.model}: clean ${correct.length} (${row.clean}), left ${left.length} (reference ${row.left})`,
        )
        expect(records.map(record => record.index).sort((a, b) => a - b)).toEqual(
          Array.from({ length: row.count }, (_, i) => i),
        )
        expect(correct.length).toBe(row.clean)
        expect(left.length).toBeLessThanOrEqual(row.left + tolerance)
        // No attack may break what CROWN certifies.
        const certified: string | undefined = bitmaps.crown?.[row.model]?.bitmap
        for (const record of records) if (certified?.[record.index] === '1') expect(record.verdict).toBe('robust')
      },
      240_000,
    )
  }
})
