/** What a model is, whether it can be attacked, and whether the rewritten graph still is the model. */
import { surrogatesIn } from '../autodiff/surrogates.js'
import { RobustlyError } from '../errors.js'
import { type CompiledModel, compile, prepareModel, specialiseAsCan, withoutGradient } from '../model/compile.js'
import { type DataSpace, planInput } from '../model/data-space.js'
import { modelInputs } from '../model/inputs.js'
import type { ScoreSource } from '../model/score-source.js'
import type { TypedGraph, ValueInfo } from '../onnx/graph.js'
import { randomNodes } from '../onnx/passes/draws.js'
import { noGradientOf } from '../onnx/passes/ml.js'
import { scoresOf } from '../onnx/passes/scores.js'
import { saidOfSingle } from '../onnx/passes/single-score.js'
import { type Engine, loadEngine } from '../runtime/engine.js'
import { type ModelFile, readModelFile } from '../runtime/files.js'
import { compare, randomSample } from './compare.js'
import { type GraphFacts, graphFacts, type OperatorFacts, operatorFacts, parametersOf } from './graph-facts.js'
import type { DataFindings } from './preflight.js'
import type { SuiteTimes } from './preflight-times.js'
import { openVerifier } from './verify.js'
import type { ModelFacts } from './worker-api.js'

export interface InspectOptions {
  /** How samples of the data enter the model; without it samples are taken in the model's own shape. */
  readonly space?: DataSpace
  readonly engine?: 'native' | 'wasm'
  readonly allowHardlinks?: boolean
  /** Whether surrogate gradients count; default on. */
  readonly surrogates?: 'on' | 'off'
}

export interface InspectedModel extends ModelFacts, GraphFacts {
  readonly parameters: number
  /** File name only. */
  readonly file: string
  readonly sha256: string
  readonly producer: string
  readonly irVersion: number
  readonly opset: number
  readonly inputs: readonly ValueInfo[]
  readonly outputs: readonly ValueInfo[]
  /** Operators of the file, most frequent first. */
  readonly operators: readonly OperatorFacts[]
  /** Operators in the way of a gradient after simplification, with node names. Empty: white-box attacks are possible. */
  readonly missing: ReadonlyMap<string, readonly string[]>
  /** Why only attacks by scores or labels are possible, in a sentence, where that is in the nature of the model. */
  readonly blackBox?: string
  /** How long suites take at most, where that was asked for. */
  readonly times?: SuiteTimes
  /** Whether data and model fit together, where that was asked for. */
  readonly data?: DataFindings
}

/**
 * Reads, rewrites and runs the model once. Throws RobustlyError with what is wrong when it cannot be read or run; a model that only
 * lacks gradients is described, with `missing` saying why.
 */
export async function inspectModel(path: string, options: InspectOptions = {}): Promise<InspectedModel> {
  const file = await readModelFile(path, { allowHardlinks: options.allowHardlinks ?? false })
  const { attacked: input } = modelInputs(file.graph, options.space ?? {})
  const space = options.space ?? spaceOfModel(input)
  const engine = await loadEngine(options.engine === undefined ? {} : { require: options.engine })
  await using verifier = await openVerifier(engine, file, space, { threads: 1 })
  const taken = verifier.single === undefined ? [] : [saidOfSingle[verifier.single]]
  const { replaced, ...findings } = await differentiated(file, verifier, {
    engine,
    space,
    surrogates: options.surrogates ?? 'on',
  })
  return {
    ...findings,
    notes: [...taken, ...findings.notes],
    file: file.file,
    sha256: file.sha256,
    producer: file.producer,
    irVersion: file.irVersion,
    opset: file.graph.opsets.get('') ?? 1,
    inputs: file.graph.inputs,
    outputs: file.graph.outputs,
    operators: operatorFacts(file.graph, findings.missing, replaced),
    parameters: parametersOf(file.graph),
    classes: verifier.classes,
    inputShape: planInput(space, input).inputShape,
    engine: engineFacts(engine),
  }
}

type Findings = GraphFacts &
  Pick<InspectedModel, 'missing' | 'blackBox' | 'notes' | 'surrogates' | 'warnings' | 'randomised'> & {
    /** Operators whose gradient is replaced. */
    readonly replaced: ReadonlyMap<string, unknown>
  }

/** What stands between the model and its gradient, and whether the graph that is differentiated is the model. */
async function differentiated(
  file: ModelFile,
  verifier: ScoreSource,
  {
    engine,
    space,
    surrogates,
  }: { readonly engine: Engine; readonly space: DataSpace; readonly surrogates: 'on' | 'off' },
): Promise<Findings> {
  const drawing = randomNodes(file.graph).length > 0
  const closed = async (why: string, missing: Findings['missing'], notes: readonly string[]): Promise<Findings> => ({
    missing,
    replaced: new Map(),
    blackBox: why,
    notes: [...notes, why],
    warnings: [],
    randomised: drawing || (await answersDiffer(verifier, space)),
    ...graphFacts(file.graph, undefined, 1),
  })
  const scored = scoresOf(file.graph)
  if (scored.labels !== undefined) {
    return closed(
      'No white-box attack exists for labels without scores; attacks by labels work.',
      noGradientOf(scored.graph)?.missing ?? new Map(),
      scored.notes,
    )
  }
  const prepared = prepareModel(file, space)
  const none = noGradientOf(prepared.graph)
  if (none !== undefined) return closed(none.why, none.missing, prepared.notes)
  const { graph: simple } = await specialiseAsCan(prepared, engine, 2)
  await using model = await compile(prepared, engine, { batch: 2, threads: 1, losses: [] })
  const { randomised, warnings } = await compare(verifier, model, { space, drawing, precision: prepared.precision })
  const replaced = new Map(surrogates === 'on' ? surrogateNotes(simple) : [])
  const said = [...replaced.values()]
  return {
    missing: withoutGradient(simple, surrogates),
    replaced,
    notes: [...prepared.notes, ...said],
    surrogates: said,
    warnings: (await answersProbabilities(model)) ? [...warnings, twiceSoftmax] : warnings,
    randomised,
    ...graphFacts(file.graph, simple, 2),
  }
}

/** Whether two equal calls give different answers. */
async function answersDiffer(verifier: ScoreSource, { sampleShape }: DataSpace): Promise<boolean> {
  const sample = randomSample(sampleShape, 0)
  const first = (await verifier.scores(sample)).slice()
  return (await verifier.scores(sample)).some((value, i) => value !== first[i])
}

const twiceSoftmax =
  'The scores that attacks see are probabilities still: losses on them saturate. Export the model with its logits as the output.'

/** Whether the scores of random samples, after a final softmax was cut off, still are positive with a sum of one. */
async function answersProbabilities({ scores, batch, classes }: CompiledModel): Promise<boolean> {
  const all = await scores()
  return Array.from({ length: batch }, (_, row) => all.subarray(row * classes, (row + 1) * classes)).every(
    own => own.every(value => value >= 0) && Math.abs(own.reduce((sum, value) => sum + value, 0) - 1) < 1e-4,
  )
}

/** Which nodes' gradients are replaced by what, a sentence for each operator. */
function surrogateNotes(graph: TypedGraph): [string, string][] {
  const found = new Map<string, ReturnType<typeof surrogatesIn>>()
  for (const each of surrogatesIn(graph)) found.set(each.node.op, [...(found.get(each.node.op) ?? []), each])
  return Array.from(found, ([op, nodes]) => {
    const names = nodes.slice(0, 2).map(({ node }) => `"${node.name || node.outputs[0]}"`)
    const more = nodes.length > 2 ? ` and ${nodes.length - 2} more` : ''
    return [op, `${op} ${names.join(', ')}${more}: the gradient, zero by nature, is replaced by ${nodes[0].by}.`]
  })
}

function engineFacts(engine: Engine): ModelFacts['engine'] {
  const { kind, version, notice } = engine
  return notice === undefined ? { kind, version } : { kind, version, notice }
}

function spaceOfModel(input: ValueInfo): DataSpace {
  const shape = input.shape?.slice(1)
  const open = shape?.find(dim => typeof dim !== 'number')
  if (shape === undefined || open !== undefined || shape.length === 0) {
    throw new RobustlyError(
      'model-unsupported',
      `the model's input "${input.name}" has the shape [${input.shape?.map(dim => dim ?? '?').join(', ') ?? 'unknown'}]`,
      {
        hint: 'Its free dimensions are taken from the data: give --data.',
      },
    )
  }
  return {
    sampleShape: shape as number[],
    dataLayout: undefined,
    modelLayout: undefined,
    mean: undefined,
    std: undefined,
  }
}
