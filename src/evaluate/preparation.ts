/** What attacks find once for a whole run, before the searches: universal perturbations. */
import { attacks } from '../attacks/index.js'
import { type Prepared, prepare } from '../attacks/prepare.js'
import { checkLabels, openDataset } from '../data/dataset.js'
import { randomStream } from '../random.js'
import { loadEngine } from '../runtime/engine.js'
import { spaceOf, threatFrom } from './evaluator.js'
import type { EvaluationSpec } from './spec.js'
import { openGradients } from './target.js'
import type { WorkerPlan } from './worker-api.js'

export interface PreparationRequest {
  readonly spec: EvaluationSpec
  /** Name of the attack. */
  readonly attack: string
  readonly plan: Omit<WorkerPlan, 'batch'>
}

/** Attacks of the plan that have to be prepared. */
export function preparedAttacks({ attacks: planned }: EvaluationSpec): string[] {
  return planned.map(({ name }) => name).filter(name => attacks.get(name)?.preparation !== undefined)
}

/**
 * Prepares an attack on the first samples of the run, on the surrogates where there are some: the model itself is asked nothing then.
 * `alive` is called now and then. Throws what opening models and data throw, and `model-failed`.
 */
export async function prepareAttack(
  { spec, attack: name, plan }: PreparationRequest,
  alive: () => void,
): Promise<Prepared> {
  const { preparation, losses } = attacks.get(name)!
  const { options } = spec.attacks.find(attack => attack.name === name)!
  const engine = await loadEngine(plan.engine === undefined ? {} : { require: plan.engine })
  const dataset = await openDataset(spec.data.path)
  try {
    // Preparations ask for losses that are defined for any number of classes.
    await using model = await openGradients(
      spec,
      { losses: losses(Number.POSITIVE_INFINITY) },
      { engine, space: spaceOf(spec.data.space, dataset), plan: { ...plan, batch: preparation!.batch } },
    )
    const [start, end] = spec.data.range
    const count = Math.min(end - start, preparation!.samples(options))
    const { inputs, labels, bound } = await dataset.read(start, start + count)
    checkLabels(labels, model.classes, start)
    const features = inputs.length / count
    const width = (bound?.length ?? 0) / count
    const samples = Array.from({ length: count }, (_, i) => ({
      index: start + i,
      input: inputs.slice(i * features, (i + 1) * features),
      bound: bound?.slice(i * width, (i + 1) * width),
      label: labels[i],
      shape: dataset.sampleShape,
      classes: model.classes,
    }))
    const random = randomStream(spec.seed, 0, `${name} preparation`)
    const steps = preparation!.find(samples, threatFrom(spec.threat), options, random)
    return await prepare(steps, model, alive)
  } finally {
    await dataset.close()
  }
}
