/** What an evaluation is asked to do, as plain data: it travels to worker processes and is kept in the run folder. */
import type { Endpoint } from '../model/endpoint/schema.js'
import type { ConstraintSpec } from '../threat/constraints.js'
import type { NormName } from '../threat/norm.js'

export interface EvaluationSpec {
  readonly model: ModelSpec
  /** Models on which attacks by gradients search in place of the one that is evaluated; absent: that one itself. */
  readonly surrogateModels?: readonly SurrogateSpec[]
  readonly data: DataSpec
  readonly threat: ThreatSpec
  /** Name of the suite, or `custom`. */
  readonly suite: string
  /** Attacks in the order in which they run, options checked and defaults filled in. */
  readonly attacks: readonly PlannedAttack[]
  /** 'cascade': each sample is attacked until it breaks. 'individual': every attack runs on every sample. */
  readonly mode: 'cascade' | 'individual'
  readonly seed: number
  /** How often the model is asked about a point before there is a verdict, where it draws at random; absent: once. */
  readonly draws?: number
}

export interface ModelSpec {
  /** Absolute path; results show the file name only. Of an endpoint its address. */
  readonly path: string
  /** Lowercase hex, over the file and its external data; of an endpoint over its address and description. */
  readonly sha256: string
  /** How it is asked, where the model is a service and no file. */
  readonly endpoint?: Endpoint
  readonly allowHardlinks?: boolean
  /** Default 'on': gradients that are zero by nature (Sign, Round, …) are replaced. 'off': such models are refused. */
  readonly surrogates?: 'on' | 'off'
}

/** A model file on which attacks search in place of the evaluated model. */
export interface SurrogateSpec {
  readonly path: string
  readonly sha256: string
  /** How samples enter it, where that differs from the evaluated model. */
  readonly space?: DataSpace
  readonly allowHardlinks?: boolean
}

export interface DataSpec {
  /** Path as `openDataset` takes it. */
  readonly path: string
  readonly sha256: string
  /** First sample and the one after the last. */
  readonly range: readonly [number, number]
  readonly space: DataSpace
}

/**
 * How a sample of the data becomes an input of the model: times scale, then (x - mean) / std per channel of the data, channels in the
 * model's order, transposed to the layout.
 */
export interface DataSpace {
  /** Every value is multiplied by it: 255 for models that take pixels from 0 to 255. */
  readonly scale?: number
  /** Order in which the model takes the three colours; data are RGB. Default rgb. */
  readonly channels?: 'rgb' | 'bgr'
  /** One number, or one per channel; absent: nothing is done. */
  readonly mean?: readonly number[]
  readonly std?: readonly number[]
  /** Layout the model wants; data is CHW. Default NCHW. */
  readonly layout?: 'NCHW' | 'NHWC'
}

export interface ThreatSpec {
  readonly norm: NormName
  readonly epsilon: number
  readonly epsilonText: string
  /** null: unbounded. */
  readonly box: readonly [number, number] | null
  /** What changes of features must keep. */
  readonly constraints?: ConstraintSpec
}

export interface PlannedAttack {
  readonly name: string
  readonly options: unknown
}
