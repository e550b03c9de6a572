/**
 * The only training loop: weights descend an objective (objectives/), adversarial inputs climb it (adversary.ts), epoch
 * after epoch. Everything comes from `TrainOptions`; the same options give the same bytes on the same machine and engine.
 */
import type { Dataset } from '../data/dataset.js'
import { RobustlyError } from '../errors.js'
import type { Graph } from '../onnx/graph.js'
import { randomStream } from '../random.js'
import type { Engine } from '../runtime/engine.js'
import { sizeOf } from '../tensor/tensor.js'
import type { ThreatModel } from '../threat/threat.js'
import { type AdversaryOptions, climb } from './adversary.js'
import { shiftImages } from './augment.js'
import { type ObjectiveName, objectives } from './objectives/index.js'
import { adversarialCrossEntropy } from './objectives/madry.js'
import { makeOptimizer, type Optimizer, type OptimizerOptions } from './optimizers.js'
import { makeSchedule, type Schedule, type ScheduleOptions } from './schedules.js'
import { inputSession, type StepOptions, type StepSession, weightSession } from './step-sessions.js'
import { type Trainable, withWeights } from './trainable.js'
import { checkTrainingSet, gather, readTrainingSet, shuffle, shuffled, type TrainingSet } from './training-set.js'
import { type EpochLog, firstState, type MutableState, resumedState, type TrainingState } from './training-state.js'
import { type Measured, measure } from './validate.js'

export type { EpochLog, TrainingState } from './training-state.js'

export interface TrainOptions {
  readonly engine: Engine
  /** See startFromArchitecture and startFromFile. */
  readonly start: Trainable
  readonly data: TrainingSet | Dataset
  readonly objective: ObjectiveName
  /** What the adversary may do: needed by adversarial objectives; for others it only measures. */
  readonly threat?: ThreatModel
  /** The adversary of training. Default: 10 steps. */
  readonly adversary?: AdversaryOptions
  readonly optimizer: OptimizerOptions
  readonly schedule: ScheduleOptions
  readonly learningRate: number
  readonly epochs: number
  /** Samples in a step. What is left over at the end of an epoch waits for the next shuffle. */
  readonly batch: number
  readonly seed: number
  /** Threads inside ONNX Runtime. Results are the same bytes only for the same number. */
  readonly threads: number
  /** Epochs in which epsilon grows from 0 in a straight line. Default: 0. */
  readonly epsilonWarmUp?: number
  /** Weights are averaged over the steps with this decay, 0 … 1; the average is measured and given back. */
  readonly averaging?: number
  /** Images are shifted at random by at most this many pixels, what moves in being 0. Default: 0. */
  readonly shift?: number
  /** Samples held out of training to measure accuracy, and the adversary that does. */
  readonly validation?: Validation
  /** 'best': the weights of the epoch with the highest robust (without threat: clean) accuracy. Default: 'last'. */
  readonly keep?: 'last' | 'best'
  readonly onStep?: (progress: StepProgress) => void
  readonly onEpoch?: (log: EpochLog) => void
  /** Called after each epoch with what `resume` takes. Its arrays go on changing: encode it (encodeState) before returning. */
  readonly onState?: (state: TrainingState) => void | Promise<void>
  /** Goes on after the epoch of this state; all other options must be as they were. */
  readonly resume?: TrainingState
  readonly signal?: AbortSignal
}

export interface Validation extends AdversaryOptions {
  readonly count: number
}

export interface StepProgress {
  readonly epoch: number
  /** Steps done and to do in this epoch. */
  readonly step: number
  readonly steps: number
  readonly loss: number
}

export interface TrainResult {
  /** The trained model, its batch dimension free. */
  readonly graph: Graph
  /** Epoch of the weights that were kept. */
  readonly epoch: number
  readonly log: readonly EpochLog[]
  readonly notes: readonly string[]
}

/**
 * Trains. Throws `config` for options that contradict each other, `data-invalid` for a training set that cannot be
 * learned from, `model-unsupported` naming the operators without a gradient rule, `model-failed` when the loss stops
 * being a number, and the signal's reason when aborted.
 */
export async function train(options: TrainOptions): Promise<TrainResult> {
  checkOptions(options)
  const data = 'read' in options.data ? await readTrainingSet(options.data) : options.data
  checkTrainingSet(data)
  const run = prepare(options, data)
  await using sessions = await openSessions(run)
  const { state } = run
  while (state.epoch < options.epochs) {
    const started = performance.now()
    const done = await epoch(run, sessions)
    const measured = await measureHeldOut(run, sessions)
    state.epoch++
    const score = measured?.robust ?? measured?.clean ?? state.epoch
    const weights = options.averaging === undefined ? state.weights : state.averaged
    if (options.keep !== 'best' || score > state.best.score) {
      state.best = { score, epoch: state.epoch, weights: weights.map(values => values.slice()) }
    }
    const seconds = (performance.now() - started) / 1000
    const log = { epoch: state.epoch, ...done, clean: measured?.clean, robust: measured?.robust, seconds }
    state.log = [...state.log, log]
    options.onEpoch?.(log)
    await options.onState?.(state)
  }
  const { best, log } = state
  return { graph: withWeights(options.start, best.weights), epoch: best.epoch, log, notes: options.start.notes }
}

interface Run {
  readonly options: TrainOptions
  readonly data: TrainingSet
  readonly features: number
  readonly batch: number
  /** Indices of samples to train on, shuffled anew in each epoch, and of samples held out. */
  readonly trained: Uint32Array
  readonly heldOut: Uint32Array
  readonly optimizer: Optimizer
  readonly schedule: Schedule
  readonly state: MutableState
}

interface Sessions extends AsyncDisposable {
  readonly outer: StepSession
  readonly inner: StepSession | undefined
  /** Cross-entropy on adversarial inputs, with the averaged weights. */
  readonly validation: StepSession | undefined
}

function prepare(options: TrainOptions, data: TrainingSet): Run {
  const held = options.validation?.count ?? 0
  const count = data.labels.length
  if (held >= count) throw new RobustlyError('config', `${held} of ${count} samples held out leave none to train on`)
  const order = shuffled(count, randomStream(options.seed, 0, 'train/split'))
  const optimizer = makeOptimizer(options.optimizer)
  const first = firstState(options.start, optimizer, options.averaging !== undefined)
  return {
    options,
    data,
    features: sizeOf(data.sampleShape),
    batch: Math.min(options.batch, count - held),
    // In the order of the data, so that the shuffle of an epoch depends on the epoch alone.
    trained: order.slice(held).sort(),
    heldOut: order.slice(0, held).sort(),
    optimizer,
    schedule: makeSchedule(options.schedule),
    state: options.resume === undefined ? first : resumedState(options.resume, first),
  }
}

async function openSessions(run: Run): Promise<Sessions> {
  const { options, data, batch, state } = run
  const { engine, start, threads } = options
  const { sampleShape, classes } = data
  const objective = objectives[options.objective]
  const shared: StepOptions = { engine, start, weights: state.weights, batch, sampleShape, classes, threads }
  const validating: StepOptions = { ...shared, weights: state.averaged }
  const opened: StepSession[] = []
  const release = async () => {
    for (const session of opened) await session[Symbol.asyncDispose]()
  }
  const keep = async (session: Promise<StepSession>) => {
    opened.push(await session)
    return opened.at(-1)!
  }
  try {
    const outer = await keep(weightSession(objective.outer, shared))
    const inner = objective.inner && (await keep(inputSession(objective.inner, shared)))
    const measured = run.heldOut.length > 0
    const validation = measured ? await keep(inputSession(adversarialCrossEntropy, validating)) : undefined
    return { outer, inner, validation, [Symbol.asyncDispose]: release }
  } catch (error) {
    await release()
    throw error
  }
}

/** One pass over the samples in random order. */
async function epoch(run: Run, sessions: Sessions): Promise<Pick<EpochLog, 'learningRate' | 'epsilon' | 'loss'>> {
  const { options, batch, state } = run
  const { epochs, seed } = options
  const order = shuffle(run.trained.slice(), randomStream(seed, 0, 'train/shuffle', state.epoch))
  const steps = Math.floor(order.length / batch)
  let [total, learningRate, epsilon] = [0, 0, 0]
  for (let step = 0; step < steps; step++) {
    options.signal?.throwIfAborted()
    const done = state.epoch * steps + step
    learningRate = options.learningRate * run.schedule(done / (epochs * steps))
    const warm = options.epsilonWarmUp ? Math.min(1, (state.epoch + step / steps) / options.epsilonWarmUp) : 1
    epsilon = sessions.inner === undefined ? 0 : options.threat!.epsilon * warm
    const indices = order.subarray(step * batch, (step + 1) * batch)
    await fill(run, sessions, indices, warm)
    const { losses, gradients } = await sessions.outer.run()
    const loss = losses.reduce((sum, value) => sum + value, 0) / batch
    if (!Number.isFinite(loss)) throw diverged(state.epoch, step, learningRate)
    gradients.forEach((gradient, i) => {
      run.optimizer.update(state.weights[i]!, gradient, state.slots[i]!, learningRate, done + 1)
    })
    average(run, done + 1)
    total += loss
    options.onStep?.({ epoch: state.epoch + 1, step: step + 1, steps, loss })
  }
  return { learningRate, epsilon, loss: total / steps }
}

/** Puts a batch into the outer session: samples, labels, and what the adversary makes of them. */
async function fill(run: Run, { outer, inner }: Sessions, indices: Uint32Array, warm: number): Promise<void> {
  const { options, data, features, state } = run
  const clean = outer.views.clean ?? new Float32Array(run.batch * features)
  gather(data, indices, clean, outer.labels)
  if (options.shift) {
    const random = (row: number) => randomStream(options.seed, indices[row]!, 'train/shift', state.epoch)
    shiftImages(clean, data.sampleShape, options.shift, random)
  }
  if (inner === undefined) return
  const threat = options.threat!
  inner.labels.set(outer.labels)
  inner.views.clean?.set(clean)
  const steps = options.adversary?.steps ?? 10
  const found = await climb(inner, {
    threat: warm === 1 ? threat : { ...threat, epsilon: threat.epsilon * warm },
    steps,
    stepSize: warm * (options.adversary?.stepSize ?? (2.5 * threat.epsilon) / steps),
    clean,
    features,
    random: row => randomStream(options.seed, indices[row]!, 'train/start', state.epoch),
  })
  outer.views.adversarial?.set(found)
}

/** The mean over the steps so far at first, exponential from when that forgets more slowly. */
function average({ options, state }: Run, step: number): void {
  if (options.averaging === undefined) return
  const decay = Math.min(options.averaging, step / (step + 10))
  state.averaged.forEach((mean, k) => {
    const weight = state.weights[k]!
    for (let i = 0; i < mean.length; i++) mean[i] = decay * mean[i]! + (1 - decay) * weight[i]!
  })
}

async function measureHeldOut(run: Run, { validation: session }: Sessions): Promise<Measured | undefined> {
  const { options, data, heldOut, batch } = run
  if (session === undefined || options.validation === undefined) return undefined
  const { seed, threat, signal, validation } = options
  return measure(session, { data, indices: heldOut, batch, threat, seed, signal, adversary: validation })
}

function checkOptions(options: TrainOptions): void {
  const wrong = (what: string, hint?: string): never => {
    throw new RobustlyError('config', what, hint === undefined ? {} : { hint })
  }
  for (const name of ['epochs', 'batch', 'threads'] as const) {
    const value = options[name]
    if (!Number.isInteger(value) || value < 1) wrong(`${name} is ${value}, expected a whole number of 1 or more`)
  }
  if (!(options.learningRate > 0 && options.learningRate < Number.POSITIVE_INFINITY))
    wrong(`learningRate is ${options.learningRate}, expected more than 0`)
  if (objectives[options.objective].inner !== undefined && options.threat === undefined)
    wrong(`objective ${options.objective} needs a threat model`, 'Say what the adversary may do: a norm and epsilon.')
  if (options.keep === 'best' && !(options.validation?.count ?? 0))
    wrong('the best epoch can only be kept when samples are held out to measure it', 'Give a validation count.')
}

function diverged(epoch: number, step: number, rate: number): RobustlyError {
  return new RobustlyError(
    'model-failed',
    `the loss is not a finite number in epoch ${epoch + 1}, step ${step + 1} (learning rate ${rate})`,
    { hint: 'Lower the learning rate, or let it warm up.' },
  )
}
