/** A result with given counts, for tests of what is made from results. */
import { rate } from '../../src/evaluate/metrics.js'
import type { Result } from '../../src/report/schema.js'

interface Wishes {
  readonly count?: number
  readonly correct?: number
  readonly robust?: number
  /** For everything that has a name. */
  readonly text?: string
  readonly unknown?: number
  readonly failed?: number
}

export function madeUpResult({ text, ...wishes }: Wishes = {}): Result {
  const { count = 1000, correct = 900, robust = 470, unknown = 0, failed = 0 } = wishes
  const rateOf = (good: number) => {
    const { interval, ...rest } = rate(good, count)
    return { ...rest, interval: [...interval] as [number, number] }
  }
  return {
    schemaVersion: 1,
    tool: { name: 'robustly', version: text ?? '0.1.0' },
    runtime: { onnxruntime: '1.30.0', engine: 'native', provider: 'cpu', node: '20.20.2' },
    model: {
      file: text ?? 'model.onnx',
      sha256: 'a'.repeat(64),
      parameters: 12_345,
      classes: 10,
      inputShape: [1, 28, 28],
      notes: [],
    },
    data: {
      file: text ?? 'data.npz',
      sha256: 'b'.repeat(64),
      range: [0, count],
      count,
      mean: null,
      std: null,
      layout: 'NCHW',
      decoder: null,
    },
    threat: { norm: 'Linf', epsilon: text ?? '8/255', epsilonValue: 8 / 255, box: [0, 1] },
    suite: 'custom',
    mode: 'cascade',
    seed: 0,
    accuracy: { standard: rateOf(correct), robust: rateOf(robust), certified: null },
    unknown,
    attacks: [
      {
        name: text ?? 'apgd-ce',
        options: { steps: 100 },
        attempted: correct,
        broken: correct - robust - failed,
        failed,
        robustAfter: robust,
        queries: { forward: 1000, gradient: 5000 },
        seconds: 1.5,
      },
    ],
    diagnostics: [],
    warnings: text === undefined ? [] : [text],
  }
}
