/**
 * The model under evaluation, opened twice: as its verifier, which runs the original, and as what attacks query. When any attack asks for
 * gradients that is the rewritten graph; attacks that only ask for scores or labels get the original's own answers, so
 * that a file and an endpoint that serves it give the same records.
 */
import { attacks } from '../attacks/index.js'
import type { BatchModel } from '../model/batch-model.js'
import { compile, prepareModel } from '../model/compile.js'
import type { DataSpace } from '../model/data-space.js'
import { queryModel, type ScoreSource } from '../model/score-source.js'
import type { Engine } from '../runtime/engine.js'
import { readModelFile } from '../runtime/files.js'
import type { EvaluationSpec } from './spec.js'
import { openVerifier } from './verify.js'
import type { WorkerPlan } from './worker-api.js'

export interface Target extends AsyncDisposable {
  readonly classes: number
  /** Decides: the original, one sample at a time. */
  readonly verifier: ScoreSource
  /** What searches query. */
  readonly model: BatchModel
  /** Wall seconds inside the model so far, of both. */
  readonly runtimeSeconds: number
}

export interface TargetOptions {
  readonly engine: Engine
  readonly space: DataSpace
  readonly plan: WorkerPlan
}

/** Throws what reading, rewriting and loading a model throw, and `config` when a loss needs more classes than there are. */
export async function openTarget(
  spec: Pick<EvaluationSpec, 'model' | 'attacks'>,
  { engine, space, plan }: TargetOptions,
): Promise<Target> {
  const { batch, threads } = plan
  const file = await readModelFile(spec.model.path, { allowHardlinks: spec.model.allowHardlinks ?? false })
  const chosen = spec.attacks.flatMap(({ name }) => attacks.get(name) ?? [])
  const verifier = await openVerifier(engine, file, space, { threads, rows: batch })
  const { classes } = verifier
  if (!chosen.some(({ access }) => access === 'gradients')) {
    const model = await queryModel(verifier, { sampleShape: space.sampleShape, batch })
    return {
      classes,
      verifier,
      model,
      get runtimeSeconds() {
        return verifier.runtimeSeconds
      },
      [Symbol.asyncDispose]: () => verifier[Symbol.asyncDispose](),
    }
  }
  try {
    const losses = [...new Set(chosen.flatMap(attack => attack.losses(classes)))]
    const model = await compile(prepareModel(file, space), engine, {
      batch,
      threads,
      losses,
      surrogates: spec.model.surrogates ?? 'on',
    })
    return {
      classes,
      verifier,
      model,
      get runtimeSeconds() {
        return verifier.runtimeSeconds + model.runtimeSeconds
      },
      async [Symbol.asyncDispose]() {
        await model[Symbol.asyncDispose]()
        await verifier[Symbol.asyncDispose]()
      },
    }
  } catch (error) {
    await verifier[Symbol.asyncDispose]()
    throw error
  }
}
