/** The public verbs. Re-exports only. */
export type { Attack } from './attacks/attack.js'
export { attacks } from './attacks/index.js'
export { type Config, defineConfig } from './cli/config/define.js'
export { type Dataset, openDataset } from './data/dataset.js'
export { type EpochLog, type TrainOptions, type TrainResult, train } from './defend/train.js'
export { type ErrorCode, exitCodes, RobustlyError } from './errors.js'
export type { InspectedModel } from './evaluate/facts.js'
export { decodeFloats, type SampleRecord } from './evaluate/record.js'
export type { DataSpace, EvaluationSpec, PlannedAttack } from './evaluate/spec.js'
export { suites } from './evaluate/suite.js'
export { compare } from './jobs/compare.js'
export {
  type EvaluateOptions,
  type Evaluation,
  type EvaluationEvent,
  evaluate,
  type Progress,
} from './jobs/evaluate.js'
export { type Evaluated, readEvaluated } from './jobs/evaluated.js'
export { type ExportOptions, exportExamples } from './jobs/export.js'
export type { ExportFindings } from './jobs/export-run.js'
export { gate } from './jobs/gate.js'
export { type InspectOptions, inspect } from './jobs/inspect.js'
export { type ReadRunOptions, readRun } from './jobs/read-run.js'
export { type ReplayOptions, replay } from './jobs/replay.js'
export type { ReplayFindings } from './jobs/replay-run.js'
export { openService, type Service, type ServiceParts } from './jobs/service.js'
export { version } from './jobs/version.js'
export type { Comparison } from './report/comparison.js'
export type { Outcome } from './report/gate/decide.js'
export { parseRequirement, type Requirement } from './report/gate/requirement.js'
export type { RunData } from './report/html/document.js'
export { renderHtml } from './report/html/render.js'
export { reportFormats } from './report/index.js'
export { type Result, resultSchema } from './report/schema.js'
export { renderTerminal } from './report/terminal.js'
export { type ModelFile, readModelFile as loadModel, writeModelFile as writeModel } from './runtime/files.js'
