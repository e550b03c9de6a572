/** Classifiers of scikit-learn, XGBoost and LightGBM as their exporters write them: read, inspected and broken. */
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { openDataset } from '../../src/data/dataset.js'
import { inspectModel } from '../../src/evaluate/facts.js'
import { attacked } from '../support/attacked.js'
import { flatSpace } from '../support/models.js'

const folder = fileURLToPath(new URL('../exports/models/', import.meta.url))

type Attack = readonly [string, Record<string, unknown>]

const square: Attack = ['square', { queries: 300 }]
const hopSkipJump: Attack = ['hop-skip-jump', { steps: 3 }]
const pgd: Attack = ['pgd', { steps: 20, stepSize: 0.02 }]

/**
 * Correct of the first 40 samples, as ONNX Runtime in Python counts too; what the model's own notes say, which without gradients is
 * why; whether it has any; attacks that must break some.
 */
type Row = readonly [file: string, correct: number, says: RegExp, gradients: boolean, attacks: readonly Attack[]]

const rows: readonly Row[] = [
  ['breast-cancer-forest.onnx', 38, /white-box.*tree/, false, [square, hopSkipJump]],
  ['breast-cancer-forest-label.onnx', 38, /labels without/, false, [hopSkipJump]],
  ['breast-cancer-xgboost.onnx', 39, /white-box.*tree/, false, [square, hopSkipJump]],
  ['breast-cancer-svm.onnx', 39, /SVMClassifier/, false, [square]],
  ['iris-lightgbm.onnx', 39, /white-box.*tree/, false, [square]],
  ['breast-cancer-logistic.onnx', 39, /written out/, true, [pgd, square]],
  ['iris-normalised-names.onnx', 31, /written out/, true, [pgd, square]],
]

const count = 40

async function samplesOf(model: string) {
  const data = await openDataset(`${folder}${model.startsWith('iris') ? 'iris' : 'breast-cancer'}.npz`)
  const { inputs, labels } = await data.read(0, count)
  await data.close()
  const features = inputs.length / count
  const samples = Array.from(labels, (label, i) => ({ input: inputs.slice(i * features, (i + 1) * features), label }))
  return { samples, space: flatSpace(features) }
}

describe.each(rows)('%s', (file, correct, says, gradients, attacks) => {
  it('is described, with the reason where it has no gradient', async () => {
    const { missing, blackBox, notes, warnings } = await inspectModel(folder + file)
    expect(blackBox === undefined).toBe(gradients)
    if (gradients) expect([...missing]).toEqual([])
    expect(notes.some(note => says.test(note))).toBe(true)
    expect(warnings).toEqual([])
  })

  it.each(attacks)('is broken by %s', { timeout: 60_000 }, async (attack, options) => {
    const trial = { path: folder + file, epsilon: 0.15, ...(await samplesOf(file)) }
    const found = await attacked({ ...trial, attack, options })
    console.info(`${file}: ${attack} breaks ${found.broken} of ${found.correct}`)
    expect(found.correct).toBe(correct)
    expect(found.broken).toBeGreaterThan(0)
  })
})
