/**
 * From a model's graph to what the scheduler asks: sessions of a fixed batch that give logits, and logits, loss and gradient to
 * the data, with the loss of each row selected by the caller.
 */

import { differentiate, gradientPath, isDifferentiable } from '../autodiff/gradient.js'
import { gradientRules } from '../autodiff/rules/index.js'
import { rulesWith, type Surrogates } from '../autodiff/surrogates.js'
import { RobustlyError } from '../errors.js'
import { GraphBuilder } from '../onnx/build.js'
import type { ModelFunction } from '../onnx/codec/index.js'
import type { Graph, Node, TypedGraph, ValueInfo } from '../onnx/graph.js'
import type { OperatorName } from '../onnx/operators.js'
import { symbolicBatch, withBatch } from '../onnx/passes/batch.js'
import { blockedLayout } from '../onnx/passes/blocked.js'
import { canonical } from '../onnx/passes/canonical.js'
import { keepsShapes, separateDraws, settleDropouts } from '../onnx/passes/draws.js'
import { singlePrecision } from '../onnx/passes/halves.js'
import { withHardSwish } from '../onnx/passes/hard-swish.js'
import { noGradientOf, standardOperators } from '../onnx/passes/ml.js'
import { explicitPads } from '../onnx/passes/pads.js'
import type { Rewritten } from '../onnx/passes/pass.js'
import { floatingPoint, hasQuantised } from '../onnx/passes/quantization.js'
import { foldScales } from '../onnx/passes/scales.js'
import { scoresOf } from '../onnx/passes/scores.js'
import { comparedSigns } from '../onnx/passes/signed.js'
import { simplify, typed } from '../onnx/passes/simplify.js'
import { twoScores } from '../onnx/passes/single-score.js'
import { splitSoftmax } from '../onnx/passes/softmax.js'
import type { Engine } from '../runtime/engine.js'
import { workspace } from '../tensor/kernels.js'
import { type Shape, sizeOf, type Tensor } from '../tensor/tensor.js'
import type { BatchModel } from './batch-model.js'
import { type DataSpace, planInput, withInputPlan } from './data-space.js'
import { inParts } from './in-parts.js'
import { type BoundInput, modelInputs, withBoundInput } from './inputs.js'
import { emitLoss, type LossName, losses } from './losses.js'
import { type OnDemand, onDemand } from './on-demand.js'
import { isDirected, rowLosses } from './row-losses.js'
import { repeated } from './score-source.js'

/** 'single': as the file computes. 'half': in more digits. 'quantised': rounding to whole numbers may fall the other way now and then. */
export type Precision = 'single' | 'half' | 'quantised'

/** A model ready to be compiled for any batch size. */
export interface PreparedModel {
  readonly graph: Graph
  /** Where the file fixes the batch: the graph that still does, and whether changing the batch is known not to work. */
  readonly fixed?: { readonly graph: Graph; readonly batch: number; readonly needed: boolean }
  readonly functions: readonly ModelFunction[]
  readonly space: DataSpace
  readonly inputName: string
  /** How closely the graph that is differentiated follows the file. */
  readonly precision: Precision
  /** What was done to the graph, one sentence each. */
  readonly notes: readonly string[]
}

export interface CompiledModel extends BatchModel, AsyncDisposable {
  /** Wall seconds inside ONNX Runtime so far. */
  readonly runtimeSeconds: number
}

export interface CompileOptions {
  readonly batch: number
  readonly threads: number
  /** Losses that gradient queries will ask for; none: scores only. */
  readonly losses: readonly LossName[]
  /** What to do where the true gradient is zero; default: a surrogate. */
  readonly surrogates?: Surrogates
}

interface GraphOptions extends CompileOptions {
  /** What inputs that are not attacked get until something else is written. */
  readonly example?: Float32Array | undefined
}

/** Canonical operators, a symbolic batch dimension, logits instead of probabilities. */
export function prepareModel(
  model: { readonly graph: Graph; readonly functions: readonly ModelFunction[] },
  space: DataSpace,
): PreparedModel {
  const done = new Map<Step, readonly string[]>()
  const { attacked, bound } = modelInputs(model.graph, space)
  let filed: Graph = { ...model.graph, inputs: [attacked, ...bound.map(({ info }) => info)] }
  for (const step of steps) {
    const { graph, notes } = step(filed)
    filed = graph
    done.set(step, notes)
  }
  const { graph, fixedBatch, doubts, notes: changes } = symbolicBatch(filed)
  const fixed = fixedBatch === undefined ? undefined : { graph: filed, batch: fixedBatch, needed: doubts.length > 0 }
  const notes = [...chosen(attacked, bound), ...done.values()]
    .flat()
    .concat(fixed?.needed ? stayingFixed(fixed.batch, doubts) : changes)
  const isHalf = done.get(singlePrecision)!.length > 0
  const precision = hasQuantised(graph) ? 'quantised' : isHalf ? 'half' : 'single'
  if (precision === 'quantised') notes.push('Quantised operators are computed in floating point, rounding included.')
  const { name: inputName } = graph.inputs[0]
  return { graph, ...(fixed && { fixed }), functions: model.functions, space, inputName, precision, notes }
}

function chosen({ name }: ValueInfo, bound: readonly BoundInput[]): string[] {
  const others = bound.map(({ info }) => `"${info.name}"`).join(', ')
  return bound.length === 0 ? [] : [`The input "${name}" is attacked; the data fill ${others}.`]
}

type Step = (graph: Graph) => Rewritten

/** What is done to the graph of a file before its batch is looked at, in this order. */
const steps: readonly Step[] = [
  scoresAlone,
  canonical,
  singlePrecision,
  standardOperators,
  settleDropouts,
  splitSoftmax,
]

function stayingFixed(batch: number, [first]: readonly string[]): string {
  return `The batch stays ${batch}, as in the file, and attacks take longer: ${first}.`
}

/** The scores as the only output. Throws `model-unsupported` when the model gives labels alone. */
function scoresAlone(graph: Graph): Rewritten {
  const { graph: alone, output, labels, notes } = scoresOf(graph)
  if (labels === undefined) return { graph: alone, notes }
  throw new RobustlyError('model-unsupported', `the model gives labels ("${output.name}") without scores`, {
    hint: 'Attack it by labels only, or export its scores as an output.',
  })
}

/** The prepared graph for one batch size, from `data` to logits [batch, classes], every shape known. */
export async function specialise(prepared: PreparedModel, engine: Engine, batch: number): Promise<TypedGraph> {
  const { inputName, space } = prepared
  const inputs = modelInputs(prepared.graph, space)
  const plan = planInput(space, inputs.attacked)
  const fixedBatch = withBatch(withBoundInput(prepared.graph, batch, inputs), batch, plan.inputShape)
  const output = fixedBatch.outputs[0]
  const placed = withInputPlan(fixedBatch, inputName, batch, plan)
  const simple = await simplify({ ...placed, outputs: [output] }, engine, prepared.functions)
  const plain = explicitPads(floatingPoint(await typed(simple, engine)))
  const graph = twoScores(foldScales(withHardSwish(comparedSigns(plain))))
  const separate = separateDraws(graph, batch)
  const retyped = separate === undefined ? undefined : await typed(separate, engine).catch(() => undefined)
  return retyped !== undefined && keepsShapes(graph, retyped) ? retyped : graph
}

/**
 * `specialise` for `batch` samples, or for as many as the file takes where it takes no other number: exports for one sample
 * may hold its shape in ways that no rewriting follows.
 */
export async function specialiseAsCan(
  prepared: PreparedModel,
  engine: Engine,
  batch: number,
): Promise<{ readonly graph: TypedGraph; readonly batch: number }> {
  const { fixed } = prepared
  if (fixed?.needed !== true) {
    try {
      const graph = await specialise(prepared, engine, batch)
      if (fixed === undefined || graph.types.get(graph.outputs[0].name)!.shape[0] === batch) return { graph, batch }
    } catch (error) {
      if (fixed === undefined || !(error instanceof RobustlyError)) throw error
    }
  }
  const graph = await specialise({ ...prepared, graph: fixed!.graph }, engine, fixed!.batch)
  return { graph, batch: fixed!.batch }
}

/** Operators without a gradient rule between the graph's input and its output, with the nodes that hold them. */
export function withoutGradient(graph: TypedGraph, surrogates: Surrogates = 'on'): Map<string, string[]> {
  const rules = rulesWith(surrogates)
  const path = gradientPath(graph, rules)
  const inTheWay = path.length > 0 ? path.filter(node => !isDifferentiable(node, rules)) : withoutFlow(graph)
  const missing = new Map<string, string[]>()
  for (const node of inTheWay) {
    const name = node.domain === '' ? node.op : `${node.domain}.${node.op}`
    missing.set(name, [...(missing.get(name) ?? []), node.name])
  }
  return missing
}

/** What the input goes into when nothing flows back from the output: comparisons and the like. */
function withoutFlow(graph: TypedGraph): Node[] {
  const reached = new Set([graph.inputs[0].name])
  return graph.nodes.filter(node => {
    if (!node.inputs.some(name => reached.has(name))) return false
    const step = gradientRules[node.op as OperatorName] === 'constant' && node.op !== 'Shape'
    if (!step) for (const name of node.outputs) reached.add(name)
    return step
  })
}

/** A graph that maps data, label and direction rows to logits, loss and the gradient to the data. */
export function attackGraph(graph: TypedGraph, names: readonly LossName[], surrogates: Surrogates = 'on'): TypedGraph {
  const b = new GraphBuilder({ ...graph, outputs: [] })
  const data = b.value(graph.inputs[0].name)
  const raw = b.value(graph.outputs[0].name)
  const batch = data.shape[0]
  const logits = b.reshape(raw, [batch, sizeOf(raw.shape) / batch])
  const row = [batch, logits.shape[1]]
  const label = b.input('row_label', 'float32', row)
  const direction = names.some(isDirected) ? b.input('row_direction', 'float32', row) : label
  const selector = names.length > 1 ? b.input('row_selector', 'float32', [batch, names.length]) : undefined
  const { loss, gradient: seed } = emitLoss(b, names, { logits, label, direction }, selector)
  const [gradient] = differentiate(b, logits, [data], { seed, rules: rulesWith(surrogates) })
  b.output(logits, 'row_logits')
  b.output(loss, 'row_loss')
  b.output(gradient ?? b.full(data.shape, 0, data.dtype), 'row_gradient')
  return b.build()
}

/** The graph as the engine computes it fastest: native convolutions work in blocks of channels. */
export function laidOut(graph: TypedGraph, engine: Pick<Engine, 'kind'>): TypedGraph {
  return engine.kind === 'native' ? blockedLayout(graph) : graph
}

/** Sessions for one batch size. Throws `model-unsupported` when the graph has no gradient, `config` when a loss needs more classes. */
export async function compile(
  prepared: PreparedModel,
  engine: Engine,
  options: CompileOptions,
): Promise<CompiledModel> {
  const closed = noGradientOf(prepared.graph)
  if (closed !== undefined) {
    throw new RobustlyError('model-unsupported', closed.why, {
      hint: 'Choose attacks by scores or labels, such as --attack square or --attack hop-skip-jump.',
    })
  }
  const { graph, batch } = await specialiseAsCan(prepared, engine, options.batch)
  const model = await compileGraph(graph, engine, { ...options, batch, example: prepared.space.bound?.example })
  return batch === options.batch ? model : inParts(model, options.batch)
}

/** The same for a graph from `data` [batch, ...sampleShape] to logits, every shape known. */
export async function compileGraph(graph: TypedGraph, engine: Engine, options: GraphOptions): Promise<CompiledModel> {
  const { batch, threads, losses: names, surrogates = 'on' } = options
  const { shape } = graph.types.get(graph.outputs[0].name)!
  const classes = classesOf(shape, options)
  const dataName = graph.inputs[0].name
  const { shape: dataShape } = graph.types.get(dataName)!
  const features = sizeOf(dataShape) / batch
  const inputs = new Float32Array(batch * features)
  const data = { dtype: 'float32', shape: dataShape, data: inputs } as const
  const [, second] = graph.inputs
  const bound = second && repeated(options.example!, batch)
  const given: [string, Tensor][] = [[dataName, data]]
  if (bound !== undefined)
    given.push([second.name, { dtype: 'float32', shape: [batch, bound.length / batch], data: bound }])
  const scored = { dtype: 'float32', shape, data: new Float32Array(batch * classes) } as const
  const output = graph.outputs[0].name
  const forward = onDemand(
    () => engine.createSession({ graph }, { threads }),
    session => session.bind(new Map(given), [output], new Map([[output, scored]])),
  )
  const scores = async () => (await (await forward.open())())[0] as Float32Array
  const shared = { batch, features, classes, inputs, bound, scores }
  if (names.length === 0) {
    await forward.open()
    return Object.assign(scoresOnly(forward), shared)
  }

  const attack = laidOut(attackGraph(graph, names, surrogates), engine)
  const session = await engine.createSession({ graph: attack }, { threads })
  const rowInputs = rowLosses(names, batch, classes)
  const taken = new Set(session.inputs.map(input => input.name))
  const feeds = [...given, ...rowInputs.feeds].filter(([name]) => taken.has(name))
  const memory = workspace()
  const floats = (...shape: number[]) => ({ dtype: 'float32', shape, data: memory.floats(sizeOf(shape)) }) as const
  const outputs = new Map([
    ['row_logits', floats(batch, classes)],
    ['row_loss', floats(batch)],
    ['row_gradient', floats(...dataShape)],
  ])
  const run = session.bind(new Map(feeds), [...outputs.keys()], outputs)
  return {
    ...shared,
    async gradients(rows) {
      rows.forEach((loss, row) => {
        rowInputs.select(row, loss)
      })
      const [logits, lossValues, gradients] = (await run()) as Float32Array[]
      return { logits, losses: lossValues, gradients }
    },
    get runtimeSeconds() {
      return forward.runtimeSeconds + session.runtimeSeconds
    },
    async [Symbol.asyncDispose]() {
      await forward[Symbol.asyncDispose]()
      await session.release()
      memory[Symbol.dispose]()
    },
  }
}

function classesOf(shape: Shape, { batch, losses: names }: CompileOptions): number {
  if (shape[0] !== batch)
    throw new RobustlyError('model-unsupported', `the model gives scores of shape [${shape}] for a batch of ${batch}`)
  const classes = sizeOf(shape) / batch
  const few = names.find(name => losses[name].classes > classes)
  if (few !== undefined)
    throw new RobustlyError('config', `the loss ${few} needs ${losses[few].classes} classes, the model has ${classes}`)
  return classes
}

function scoresOnly(
  forward: OnDemand,
): Pick<CompiledModel, 'gradients' | 'runtimeSeconds' | typeof Symbol.asyncDispose> {
  return {
    gradients: () => Promise.reject(new RobustlyError('internal', 'the model was compiled without losses')),
    get runtimeSeconds() {
      return forward.runtimeSeconds
    },
    [Symbol.asyncDispose]: () => forward[Symbol.asyncDispose](),
  }
}
