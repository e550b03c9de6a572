/** The contract between what evaluates samples (this folder) and what distributes them (jobs/). */
import type { SchedulerOptions } from '../attacks/scheduler.js'
import type { Access } from '../runtime/http/access.js'
import type { Usage } from '../runtime/http/usage.js'
import type { DecisionCost } from './costs.js'
import type { SampleRecord } from './record.js'
import type { EvaluationSpec } from './spec.js'
import type { openTarget } from './target.js'

/** How one worker process runs: never part of a result. */
export interface WorkerPlan {
  readonly batch: number
  readonly threads: number
  readonly engine?: 'native' | 'wasm'
  /** What attacks' preparations found, by the attack's name: it follows from the specification. */
  readonly prepared?: ReadonlyMap<string, Float32Array>
  /** What gets one into an endpoint, and its limits. */
  readonly access?: Access
}

export interface EvaluatorOptions {
  readonly spec: EvaluationSpec
  readonly plan: WorkerPlan
  /** Called once per sample, in any order. */
  record(record: SampleRecord): void
  /** Seconds of wall time by attack since the last call, some times a second while batches run. Also a sign of life. */
  spent(seconds: ReadonlyMap<string, number>): void
  /** Called for an endpoint: what a decision has cost, and what was used since the last call. */
  cost?(cost: DecisionCost): void
  used?(usage: Usage): void
  /** Called for every answer that a search gets. */
  readonly observed?: SchedulerOptions['observed']
  /** In place of `openTarget`, for who wants to look at the models at work. */
  readonly open?: typeof openTarget
}

/** Evaluates ranges of samples on one loaded model; ranges that are added while others run fill the same batches. */
export interface Evaluator extends AsyncDisposable {
  /** Queues samples start … end - 1 of the data set (absolute positions, inside spec.data.range). */
  add(start: number, end: number): void
  /** No more ranges will come: `run` resolves when everything queued is recorded. */
  close(): void
  /** Runs until closed and drained. Rejects with what the model throws. */
  run(): Promise<void>
  /** Wall seconds inside ONNX Runtime so far, for the efficiency measurement. */
  readonly runtimeSeconds: number
}

/** Facts of a model that the supervisor needs before it starts workers; found by a worker process. */
export interface ModelFacts {
  /** null: not known, for an endpoint. */
  readonly parameters: number | null
  readonly classes: number
  /** Shape of one input without the batch dimension. */
  readonly inputShape: readonly number[]
  /** What was done to the graph: softmax cut, batch made symbolic, … one sentence each. */
  readonly notes: readonly string[]
  /** Those of the notes that say which gradients are replaced by what. */
  readonly surrogates?: readonly string[]
  /** Equal calls of the model may give different answers. */
  readonly randomised?: boolean
  readonly warnings: readonly string[]
  readonly engine: { readonly kind: 'native' | 'wasm'; readonly version: string; readonly notice?: string }
}
