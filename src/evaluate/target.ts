/**
 * The model under evaluation, opened twice: as its verifier, which runs the original, and as what attacks query. When any attack asks for
 * gradients that is the rewritten graph, its own or, where surrogates are given, theirs; attacks that only ask for scores or labels get the
 * original's own answers, so that a file and an endpoint that serves it give the same records.
 */
import { attacks } from '../attacks/index.js'
import { RobustlyError } from '../errors.js'
import type { BatchModel } from '../model/batch-model.js'
import { type CompiledModel, type CompileOptions, compile, prepareModel } from '../model/compile.js'
import type { DataSpace } from '../model/data-space.js'
import { openEndpoint } from '../model/endpoint/source.js'
import { compileMean } from '../model/ensemble.js'
import { queryModel, type ScoreSource } from '../model/score-source.js'
import type { Engine } from '../runtime/engine.js'
import { type ModelFile, readModelFile } from '../runtime/files.js'
import type { EvaluationSpec, ModelSpec, SurrogateSpec } from './spec.js'
import { openVerifier } from './verify.js'
import type { WorkerPlan } from './worker-api.js'

export interface Target extends AsyncDisposable {
  readonly classes: number
  /** Decides: the original, one sample at a time. */
  readonly verifier: ScoreSource
  /** What searches query. */
  readonly model: BatchModel
  /** What attacks by gradients query instead, where surrogates are given. */
  readonly surrogate: BatchModel | undefined
  /** Wall seconds inside the models so far, of all of them. */
  readonly runtimeSeconds: number
}

export interface TargetOptions {
  readonly engine: Engine
  readonly space: DataSpace
  readonly plan: WorkerPlan
}

/** Throws what reading, rewriting and loading a model throw, and `config` when a loss needs more classes than there are. */
export async function openTarget(
  spec: Pick<EvaluationSpec, 'model' | 'surrogateModels' | 'attacks'>,
  options: TargetOptions,
): Promise<Target> {
  const { engine, space, plan } = options
  const { batch, threads } = plan
  const file = spec.model.endpoint === undefined ? await readFile(spec.model) : undefined
  const chosen = spec.attacks.flatMap(({ name }) => attacks.get(name) ?? [])
  const verifier =
    file === undefined
      ? endpointOf(spec.model, options)
      : await openVerifier(engine, file, space, { threads, rows: batch })
  const { classes } = verifier
  try {
    const losses = [...new Set(chosen.flatMap(attack => attack.losses(classes)))]
    const asksGradients = chosen.some(({ access }) => access === 'gradients')
    const compiled =
      spec.surrogateModels !== undefined || (asksGradients && file !== undefined)
        ? await withClasses(classes, await openGradients(spec, { losses, file }, options))
        : undefined
    const ownGradients = compiled !== undefined && spec.surrogateModels === undefined
    return {
      classes,
      verifier,
      model: ownGradients ? compiled! : await queryModel(verifier, { ...space, batch }),
      surrogate: ownGradients ? undefined : compiled,
      get runtimeSeconds() {
        return verifier.runtimeSeconds + (compiled?.runtimeSeconds ?? 0)
      },
      async [Symbol.asyncDispose]() {
        await compiled?.[Symbol.asyncDispose]()
        await verifier[Symbol.asyncDispose]()
      },
    }
  } catch (error) {
    await verifier[Symbol.asyncDispose]()
    throw error
  }
}

const readFile = ({ path, allowHardlinks = false }: Pick<ModelSpec, 'path' | 'allowHardlinks'>) =>
  readModelFile(path, { allowHardlinks })

function endpointOf({ endpoint, path }: ModelSpec, { space, plan: { access } }: TargetOptions): ScoreSource {
  if (endpoint !== undefined && access !== undefined) return openEndpoint(endpoint, { access, space })
  throw new RobustlyError('internal', `the plan does not say how ${path} may be asked`)
}

/** What of a surrogate's own way for samples replaces that of the evaluated model. */
function ownSpace({ space: { layout, ...own } = {} }: SurrogateSpec): Partial<DataSpace> {
  return layout === undefined ? own : { ...own, modelLayout: layout }
}

/** What attacks by gradients query: the surrogates as one model, where there are some, else the model that is evaluated. */
export async function openGradients(
  { model: evaluated, surrogateModels }: Pick<EvaluationSpec, 'model' | 'surrogateModels'>,
  { losses, file }: Pick<CompileOptions, 'losses'> & { readonly file?: ModelFile | undefined },
  { engine, space, plan: { batch, threads } }: TargetOptions,
): Promise<CompiledModel> {
  const how = { batch, threads, losses }
  if (surrogateModels === undefined) {
    const prepared = prepareModel(file ?? (await readFile(evaluated)), space)
    return await compile(prepared, engine, { ...how, surrogates: evaluated.surrogates ?? 'on' })
  }
  const prepared = []
  for (const surrogate of surrogateModels) {
    prepared.push(prepareModel(await readFile(surrogate), { ...space, ...ownSpace(surrogate) }))
  }
  return await compileMean(prepared, engine, how)
}

/** Throws `config` when surrogates do not have the classes of the model that is evaluated. */
async function withClasses(classes: number, model: CompiledModel): Promise<CompiledModel> {
  if (model.classes === classes) return model
  await model[Symbol.asyncDispose]()
  throw new RobustlyError('config', `the surrogates have ${model.classes} classes, the model has ${classes}`, {
    hint: 'Choose surrogates that were trained for the same classes in the same order.',
  })
}
