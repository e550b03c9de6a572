/**
 * The contract of an attack: a coroutine that searches for ONE sample. It yields points and receives exactly as much as its
 * access allows; an attack that asks for more does not compile. Batching, counting, budgets and early stopping are the scheduler's.
 */
import type { z } from 'zod'
import type { Access } from '../model/batch-model.js'
import type { LossName, RowLoss } from '../model/losses.js'
import type { Random } from '../random.js'
import type { Shape } from '../tensor/tensor.js'
import type { NormName } from '../threat/norm.js'
import type { ThreatModel } from '../threat/threat.js'

export interface Sample {
  /** Position in the data set. */
  readonly index: number
  readonly input: Float32Array
  /** What the inputs of the model that are not attacked get with it: for the model alone. */
  readonly bound?: Float32Array | undefined
  /** Shape of one sample, without the batch dimension. */
  readonly shape: Shape
  /** The true class: what the adversary wants the model not to say. */
  readonly label: number
  readonly classes: number
}

interface LabelQuery {
  readonly ask: 'labels'
  readonly points: readonly Float32Array[]
}
interface ScoreQuery {
  readonly ask: 'scores'
  readonly points: readonly Float32Array[]
}
interface GradientQuery {
  readonly ask: 'gradients'
  readonly points: readonly Float32Array[]
  readonly loss: RowLoss
}

/** What an attack with access A may yield. The scheduler reads the points before the attack runs on; they may be reused. */
export type Query<A extends Access> = {
  labels: LabelQuery
  scores: LabelQuery | ScoreQuery
  gradients: LabelQuery | ScoreQuery | GradientQuery
}[A]

export interface LabelReply {
  /** The predicted class. */
  readonly label: number
}
export interface ScoreReply extends LabelReply {
  /** [classes] */
  readonly logits: Float32Array
}
export interface GradientReply extends ScoreReply {
  readonly loss: number
  /** Gradient of the loss to the point, [features]. The search may change it, and must copy what it needs beyond its next query. */
  readonly gradient: Float32Array
}

/** What the scheduler hands back: one reply per point, with the parts that were asked for. Use the askers below to read it. */
export type Answer = readonly Partial<GradientReply>[]

/** The best point an attack found, or undefined when it has nothing to show. */
export type Proposal = Float32Array | undefined

export type Steps<A extends Access, Result = Proposal> = Generator<Query<A>, Result, Answer>

export interface Attack<A extends Access = Access, Options = unknown> {
  /** The field's usual name: `apgd-ce`. */
  readonly name: string
  /** Authors, title, venue, year. */
  readonly paper: string
  /** All it may ask for. */
  readonly access: A
  readonly norms: readonly NormName[]
  /**
   * 'budget': searches inside epsilon; any misclassified point there ends the search. 'minimum': searches the smallest distance and may
   * leave the ball on the way; a misclassified point inside epsilon ends the search only in a cascade.
   */
  readonly kind: 'budget' | 'minimum'
  /** What it is when access and kind do not say it: random noise without a search. */
  readonly family?: 'noise'
  /** Whether it is for pictures alone, [C, H, W] or [H, W, C], with these options. Default: for samples of any shape. */
  pictures?(options: Options): boolean
  /** Defaults, ranges and descriptions; flags, docs and forms derive from it. */
  readonly options: z.ZodType<Options>
  /** Losses that its gradient queries use on a model of so many classes; empty for attacks without gradients. */
  losses(classes: number): readonly LossName[]
  /** Draws from `random(restart)`: independent streams that depend on seed, sample, attack and restart alone. */
  search(
    sample: Sample,
    threat: ThreatModel,
    options: Options,
    random: (restart: number) => Random,
    prepared?: Float32Array,
  ): Steps<A>
  /** What has to be found once for a whole run; every search then gets it as `prepared`. */
  readonly preparation?: Preparation<Options>
}

/** A stage over many samples before the searches. Its result depends on samples, threat, options and random numbers alone. */
export interface Preparation<Options> {
  /** How many points it usually asks at once. */
  readonly batch: number
  /** How many samples it wants, of the first ones of a run. */
  samples(options: Options): number
  find(samples: readonly Sample[], threat: ThreatModel, options: Options, random: Random): Preparing
}

/** A gradient query with a loss for each point. */
interface MixedQuery {
  readonly ask: 'gradients'
  readonly points: readonly Float32Array[]
  readonly losses: readonly RowLoss[]
}

/** `samples`: which one each point belongs to. */
export type PreparingQuery = (Query<'gradients'> | MixedQuery) & { readonly samples: readonly Sample[] }

export type PreparingSteps<Result> = Generator<PreparingQuery, Result, Answer>

/** Gives one value per feature. */
export type Preparing = PreparingSteps<Float32Array>

/** Checks an attack's types; gives it back. */
export function defineAttack<A extends Access, Options>(attack: Attack<A, Options>): Attack<A, Options> {
  return attack
}

export function* askLabel(point: Float32Array): Generator<LabelQuery, LabelReply, Answer> {
  return (yield { ask: 'labels', points: [point] })[0] as LabelReply
}

export function* askScores(point: Float32Array): Generator<ScoreQuery, ScoreReply, Answer> {
  return (yield { ask: 'scores', points: [point] })[0] as ScoreReply
}

export function* askScoresOfMany(
  points: readonly Float32Array[],
): Generator<ScoreQuery, readonly ScoreReply[], Answer> {
  return (yield { ask: 'scores', points }) as readonly ScoreReply[]
}

export function* askGradient(point: Float32Array, loss: RowLoss): Generator<GradientQuery, GradientReply, Answer> {
  return (yield { ask: 'gradients', points: [point], loss })[0] as GradientReply
}
