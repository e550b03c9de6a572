/**
 * The two graphs of training, as sessions over arrays that stay: the gradient of a loss to the weights (a step of
 * training) and to the input (a step of its adversary). Weights are inputs of the graph, so that one session serves all
 * steps: a session rebuilt with the weights as constants climbs some 25 % faster, and costs about that to build.
 */
import { differentiate } from '../autodiff/gradient.js'
import { RobustlyError } from '../errors.js'
import { GraphBuilder, type Value } from '../onnx/build.js'
import type { TypedGraph } from '../onnx/graph.js'
import type { Engine, Session } from '../runtime/engine.js'
import { float32, type Shape, sizeOf, type Tensor } from '../tensor/tensor.js'
import type { Term, View } from './objectives/objective.js'
import { type Trainable, trainableAt } from './trainable.js'

export interface StepOptions {
  readonly engine: Engine
  readonly start: Trainable
  /** Arrays that the caller changes in place, one for each of `start.weights`. */
  readonly weights: readonly Float32Array[]
  readonly batch: number
  readonly sampleShape: Shape
  readonly classes: number
  readonly threads: number
}

export interface StepSession extends AsyncDisposable {
  /** The inputs [batch, features] of a view, which the caller fills before each run; undefined when the loss does not look at it. */
  readonly views: Readonly<Partial<Record<View, Float32Array>>>
  /** [batch, classes], one at the true class. */
  readonly labels: Float32Array
  run(): Promise<StepResult>
}

export interface StepResult {
  /** Of the last view of the term, [batch, classes]. */
  readonly logits: Float32Array
  /** [batch] */
  readonly losses: Float32Array
  /** Of the mean loss to each weight, or of the sum of losses to the last view. */
  readonly gradients: readonly Float32Array[]
}

/** Gradients of the mean loss to the weights. */
export async function weightSession(term: Term, options: StepOptions): Promise<StepSession> {
  return stepSession(term, options, (b, loss) => {
    const mean = b.reduceMean(loss, [0])
    const wanted = options.start.weights.map(name => b.value(name))
    return differentiate(b, mean, wanted).map((gradient, i) => gradient ?? b.full(wanted[i]!.shape, 0, 'float32'))
  })
}

/** The gradient of the sum of the losses to the last view, [batch, features]. */
export async function inputSession(term: Term, options: StepOptions): Promise<StepSession> {
  return stepSession(term, options, (b, loss, input) => {
    const gradient = differentiate(b, loss, [input])[0] ?? b.full(input.shape, 0, 'float32')
    const first = (term.sees.length - 1) * options.batch
    return [first === 0 ? gradient : b.slice(gradient, [0], [first], [first + options.batch])]
  })
}

type Wanted = (b: GraphBuilder, loss: Value, input: Value) => readonly Value[]

async function stepSession(term: Term, options: StepOptions, wanted: Wanted): Promise<StepSession> {
  const { engine, start, batch, classes, threads, sampleShape } = options
  const rows = batch * term.sees.length
  const graph = await trainableAt(start, rows, sampleShape, engine)
  const { graph: complete, names, label } = stepGraph(graph, term, options, wanted)
  const input = float32(new Float32Array(rows * sizeOf(sampleShape)), [rows, ...sampleShape])
  const labels = float32(new Float32Array(batch * classes), [batch, classes])
  const feeds = new Map<string, Tensor>([
    [graph.inputs[0]!.name, input],
    [label, labels],
    ...start.weights.map((name, i) => [name, float32(options.weights[i]!, shapeOf(start, name))] as const),
  ])
  const session: Session = await engine.createSession({ graph: complete }, { threads })
  const call = session.bind(feeds, names)
  const size = batch * sizeOf(sampleShape)
  const views = Object.fromEntries(
    term.sees.map((view, i) => [view, input.data.subarray(i * size, (i + 1) * size)]),
  ) as Partial<Record<View, Float32Array>>
  return {
    views,
    labels: labels.data,
    async run() {
      const [logits, losses, ...gradients] = (await call()) as readonly Float32Array[]
      return { logits: logits!, losses: losses!, gradients }
    },
    [Symbol.asyncDispose]: () => session.release(),
  }
}

/** The model with loss and gradients as outputs. */
function stepGraph(model: TypedGraph, term: Term, options: StepOptions, wanted: Wanted) {
  const { batch, classes } = options
  const b = new GraphBuilder({ ...model, outputs: [] })
  const taken = new Set(model.types.keys())
  const fresh = (wish: string): string => (taken.has(wish) ? fresh(`${wish}_`) : wish)
  const scores = b.value(model.outputs[0]!.name)
  const rows = batch * term.sees.length
  if (sizeOf(scores.shape) !== rows * classes) {
    throw new RobustlyError(
      'model-unsupported',
      `the model gives scores of shape [${scores.shape}] for ${rows} samples, the data have ${classes} classes`,
    )
  }
  const all = b.reshape(scores, [rows, classes])
  const parts = term.sees.map((_, i) =>
    term.sees.length === 1 ? all : b.slice(all, [0], [i * batch], [(i + 1) * batch]),
  )
  const label = b.input(fresh('label'), 'float32', [batch, classes])
  const loss = term.loss(b, label, ...parts)
  const gradients = wanted(b, loss, b.value(model.inputs[0]!.name))
  const outputs = [parts.at(-1)!, loss, ...gradients]
  const names = outputs.map((value, i) => b.output(value, fresh(`step_${i}`)).name)
  return { graph: b.build(), names, label: label.name }
}

function shapeOf(start: Trainable, name: string): Shape {
  return start.graph.initializers.get(name)!.shape
}
