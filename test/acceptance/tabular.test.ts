/** Classifiers of scikit-learn, XGBoost and LightGBM as their exporters write them: read, inspected and broken. */
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { openDataset } from '../../src/data/dataset.js'
import { inspectModel } from '../../src/evaluate/facts.js'
import { attacked } from '../support/attacked.js'
import { flatSpace } from '../support/models.js'

const folder = fileURLToPath(new URL('../exports/models/', import.meta.url))

interface Row {
  readonly file: string
  readonly data: 'breast-cancer.npz' | 'iris.npz'
  /** Correct of the first 40 samples, as ONNX Runtime in Python counts too. */
  readonly correct: number
  /** What the model's own notes say; without gradients that is why. */
  readonly says: RegExp
  readonly gradients: boolean
  /** Attacks that must break some. */
  readonly attacks: readonly (readonly [string, Record<string, unknown>])[]
}

const square = ['square', { queries: 300 }] as const
const hopSkipJump = ['hop-skip-jump', { steps: 3 }] as const
const pgd = ['pgd', { steps: 20, stepSize: 0.02 }] as const

const rows: readonly Row[] = [
  {
    file: 'breast-cancer-forest.onnx',
    data: 'breast-cancer.npz',
    correct: 38,
    says: /white-box.*tree/,
    gradients: false,
    attacks: [square, hopSkipJump],
  },
  {
    file: 'breast-cancer-forest-label.onnx',
    data: 'breast-cancer.npz',
    correct: 38,
    says: /labels without/,
    gradients: false,
    attacks: [hopSkipJump],
  },
  {
    file: 'breast-cancer-xgboost.onnx',
    data: 'breast-cancer.npz',
    correct: 39,
    says: /white-box.*tree/,
    gradients: false,
    attacks: [square, hopSkipJump],
  },
  {
    file: 'breast-cancer-svm.onnx',
    data: 'breast-cancer.npz',
    correct: 39,
    says: /SVMClassifier/,
    gradients: false,
    attacks: [square],
  },
  {
    file: 'iris-lightgbm.onnx',
    data: 'iris.npz',
    correct: 39,
    says: /white-box.*tree/,
    gradients: false,
    attacks: [square],
  },
  {
    file: 'breast-cancer-logistic.onnx',
    data: 'breast-cancer.npz',
    correct: 39,
    says: /written out/,
    gradients: true,
    attacks: [pgd, square],
  },
  {
    file: 'iris-normalised-names.onnx',
    data: 'iris.npz',
    correct: 31,
    says: /written out/,
    gradients: true,
    attacks: [pgd, square],
  },
]

const count = 40

async function samplesOf(name: string) {
  const data = await openDataset(folder + name)
  const { inputs, labels } = await data.read(0, count)
  await data.close()
  const features = inputs.length / count
  const samples = Array.from(labels, (label, i) => ({ input: inputs.slice(i * features, (i + 1) * features), label }))
  return { samples, space: flatSpace(features) }
}

describe.each(rows)('$file', row => {
  it('is described, with the reason where it has no gradient', async () => {
    const { missing, blackBox, notes, warnings } = await inspectModel(folder + row.file)
    expect(blackBox === undefined).toBe(row.gradients)
    if (row.gradients) expect([...missing]).toEqual([])
    expect(notes.some(note => row.says.test(note))).toBe(true)
    expect(warnings).toEqual([])
  })

  it.each(row.attacks)('is broken by %s', { timeout: 60_000 }, async (attack, options) => {
    const trial = { path: folder + row.file, epsilon: 0.15, ...(await samplesOf(row.data)) }
    const found = await attacked({ ...trial, attack, options })
    console.info(`${row.file}: ${attack} breaks ${found.broken} of ${found.correct}`)
    expect(found.correct).toBe(row.correct)
    expect(found.broken).toBeGreaterThan(0)
  })
})
