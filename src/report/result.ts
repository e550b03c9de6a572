/** Builds `result.json` from what the records say. Keys come in the order of the schema; equal runs give equal bytes. */
import { createHash } from 'node:crypto'
import { basename } from 'node:path'
import type { Prepared } from '../attacks/prepare.js'
import { canonical } from '../evaluate/canonical.js'
import type { Distances } from '../evaluate/distances.js'
import type { AttackTally, Rate, Tally } from '../evaluate/metrics.js'
import type { DataSpace, EvaluationSpec } from '../evaluate/spec.js'
import type { ModelFacts } from '../evaluate/worker-api.js'
import { printable } from '../printable.js'
import { latencyQuantile, type Usage } from '../runtime/http/usage.js'
import type { ConstraintSpec } from '../threat/constraints.js'
import { type Result, resultSchema } from './schema.js'
import { warningsOf } from './warnings.js'

export interface ResultParts {
  readonly spec: EvaluationSpec
  readonly tally: Tally
  /** Of runs that measured them. */
  readonly distances: Distances | undefined
  readonly facts: ModelFacts
  /** Names only. */
  readonly names: { readonly model: string; readonly data: string }
  readonly decoder: string | undefined
  readonly suiteIsComplete: boolean
  readonly tool: { readonly name: 'robustly'; readonly version: string }
  readonly node: string
  /** Wall seconds by attack, of all worker processes together. */
  readonly seconds: ReadonlyMap<string, number>
  /** Rows that were evaluated once for the whole run, by attack. */
  readonly preparations?: ReadonlyMap<string, Prepared['queries']> | undefined
  /** What an endpoint was asked, in all sittings. */
  readonly usage?: Usage | undefined
}

export function buildResult(parts: ResultParts): Result {
  const { spec, tally, facts } = parts
  const [start, end] = spec.data.range
  const options = new Map(spec.attacks.map(({ name, options }) => [name, options]))
  return resultSchema.parse({
    schemaVersion: 1,
    tool: parts.tool,
    runtime: {
      onnxruntime: facts.engine.version,
      engine: facts.engine.kind,
      provider: 'cpu',
      node: parts.node,
    },
    model: {
      file: printable(parts.names.model),
      sha256: spec.model.sha256,
      parameters: facts.parameters,
      classes: facts.classes,
      inputShape: [...facts.inputShape],
      notes: facts.notes.map(note => printable(note)),
    },
    ...(spec.surrogateModels !== undefined && {
      surrogates: spec.surrogateModels.map(({ path, sha256, space }) => ({
        file: printable(basename(path)),
        sha256,
        ...(space !== undefined && { space: copied(space) }),
      })),
    }),
    data: {
      file: printable(parts.names.data),
      sha256: spec.data.sha256,
      range: [start, end],
      count: end - start,
      mean: spec.data.space.mean === undefined ? null : [...spec.data.space.mean],
      std: spec.data.space.std === undefined ? null : [...spec.data.space.std],
      layout: spec.data.space.layout ?? 'NCHW',
      ...(spec.data.space.scale !== undefined && { scale: spec.data.space.scale }),
      ...(spec.data.space.channels !== undefined && { channels: spec.data.space.channels }),
      decoder: parts.decoder ?? null,
    },
    threat: {
      norm: spec.threat.norm,
      epsilon: spec.threat.epsilonText,
      epsilonValue: spec.threat.epsilon,
      box: spec.threat.box === null ? null : [...spec.threat.box],
      ...(spec.threat.constraints !== undefined && { constraints: constraintsOf(spec.threat.constraints) }),
    },
    suite: spec.suite,
    mode: spec.mode,
    seed: spec.seed,
    ...(facts.randomised && { randomised: true as const }),
    ...(spec.draws !== undefined && { draws: spec.draws }),
    accuracy: {
      standard: rateOf(tally.standard),
      robust: rateOf(tally.robust),
      certified: null,
      ...(tally.surrogate !== undefined && { surrogate: rateOf(tally.surrogate) }),
    },
    ...(parts.usage !== undefined && { endpoint: endpointOf(parts.usage) }),
    unknown: tally.unknown,
    attacks: tally.attacks.map(attack => attackOf(attack, options.get(attack.name), parts)),
    ...(parts.distances !== undefined && { distances: distancesOf(parts.distances) }),
    diagnostics: [],
    warnings: warningsOf(parts),
  } satisfies Result)
}

function copied({ mean, std, ...rest }: DataSpace) {
  return { ...rest, ...(mean && { mean: [...mean] }), ...(std && { std: [...std] }) }
}

function constraintsOf({ rules, oneHot, relations }: ConstraintSpec): Result['threat']['constraints'] {
  const count = (is: (rule: ConstraintSpec['rules'][number]) => unknown) => rules.filter(is).length
  const nameless = rules.map(({ name: _, ...rule }) => rule)
  return {
    immutable: count(({ immutable }) => immutable),
    integer: count(({ integer }) => integer),
    monotone: count(({ direction }) => direction),
    bounded: count(({ range, epsilon }) => range ?? epsilon),
    oneHot: oneHot.length,
    relations: relations.length,
    sha256: createHash('sha256')
      .update(canonical({ rules: nameless, oneHot, relations }))
      .digest('hex'),
  }
}

function endpointOf(usage: Usage): Result['endpoint'] {
  const { requests, rows, retries, errors, bytesSent, bytesReceived } = usage
  const [median, p90, p99] = [0.5, 0.9, 0.99].map(share => latencyQuantile(usage, share))
  const rounded = (seconds: number | null | undefined) => Math.round((seconds ?? 0) * 1e4) / 1e4
  const seconds = median === null ? null : { median: rounded(median), p90: rounded(p90), p99: rounded(p99) }
  return { requests, rows, retries, errors, bytesSent, bytesReceived, seconds }
}

function rateOf({ value, correct, count, interval }: Rate): Result['accuracy']['standard'] {
  return { value, correct, count, interval: [...interval] }
}

function distancesOf({ norm, median, quantiles, curve, attacks, withoutDistance }: Distances): Result['distances'] {
  return {
    norm,
    bound: 'upper',
    median,
    quantiles: quantiles.map(each => ({ ...each })),
    curve: curve.map(each => ({ ...each })),
    attacks: attacks.map(each => ({ ...each })),
    withoutDistance,
  }
}

function attackOf(
  tally: AttackTally,
  options: unknown,
  { seconds, preparations }: Pick<ResultParts, 'seconds' | 'preparations'>,
): Result['attacks'][number] {
  const { name, attempted, broken, failed, robustAfter, queries, transfer } = tally
  const preparation = preparations?.get(name)
  return {
    name,
    options: { ...(options as Record<string, unknown>) },
    attempted,
    broken,
    failed,
    robustAfter,
    queries: { forward: queries.forward, gradient: queries.gradient },
    ...(transfer !== undefined && { transfer }),
    ...(preparation !== undefined && { preparation: { queries: { ...preparation } } }),
    seconds: Math.round((seconds.get(name) ?? 0) * 1000) / 1000,
  }
}
