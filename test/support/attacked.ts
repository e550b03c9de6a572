/** Attacks on model files as evaluations run them, without folders and processes: for tests that compare attacks. */
import { attacks } from '../../src/attacks/index.js'
import { schedule } from '../../src/attacks/scheduler.js'
import type { Surrogates } from '../../src/autodiff/surrogates.js'
import { judge, openVerifier } from '../../src/evaluate/verify.js'
import { labelOf } from '../../src/model/batch-model.js'
import { compile, prepareModel } from '../../src/model/compile.js'
import type { DataSpace } from '../../src/model/data-space.js'
import { queryModel } from '../../src/model/score-source.js'
import { loadEngine } from '../../src/runtime/engine.js'
import { readModelFile } from '../../src/runtime/files.js'
import { norms, type ThreatModel } from '../../src/threat/threat.js'

export interface Trial {
  /** Path of the .onnx file. */
  readonly path: string
  readonly space: DataSpace
  readonly samples: readonly { readonly input: Float32Array; readonly label: number }[]
  readonly epsilon: number
  readonly box?: readonly [number, number]
  readonly attack: string
  readonly options?: Readonly<Record<string, unknown>>
  readonly surrogates?: Surrogates
}

export interface Found {
  /** Samples that the file itself gets right. */
  readonly correct: number
  /** Of those, verified adversarial on the file itself. */
  readonly broken: number
  /** Gradient queries of the others that met nothing but zeros. */
  readonly zeroGradients: number
}

/** Runs one attack (Linf) on every sample that the file gets right. */
export async function attacked(trial: Trial): Promise<Found> {
  const { path, space, epsilon, box: [low, high] = [0, 1], surrogates = 'on' } = trial
  const threat: ThreatModel = { norm: norms.Linf, epsilon, epsilonText: `${epsilon}`, box: { low, high } }
  const attack = attacks.get(trial.attack)!
  const options = attack.options.parse(trial.options ?? {})
  const engine = await loadEngine()
  const file = await readModelFile(path)
  await using verifier = await openVerifier(engine, file, space, { threads: 1 })
  const { classes } = verifier
  const correct: Trial['samples'][number][] = []
  for (const sample of trial.samples) {
    if (labelOf(await verifier.scores(sample.input)) === sample.label) correct.push(sample)
  }
  const found = { correct: correct.length, broken: 0, zeroGradients: 0 }
  const losses = attack.losses(classes)
  const batch = Math.min(16, Math.max(1, correct.length))
  const compiled =
    attack.access === 'gradients'
      ? await compile(prepareModel(file, space), engine, { batch, threads: 1, losses, surrogates })
      : undefined
  const waiting = correct.map(({ input, label }, index) => ({
    attack,
    options,
    sample: { index, input, label, shape: space.sampleShape, classes },
  }))
  await schedule({
    model: compiled ?? (await queryModel(verifier, { sampleShape: space.sampleShape, batch })),
    threat,
    seed: 0,
    take: () => waiting.shift(),
    more: async () => waiting.length > 0,
    judge: async ({ sample }, point) => (await judge(verifier, threat, sample, point)).adversarial,
    decided(_, outcome) {
      if (outcome.status === 'hit') found.broken++
      else found.zeroGradients += outcome.zeroGradients
      return undefined
    },
  })
  await compiled?.[Symbol.asyncDispose]()
  return found
}
