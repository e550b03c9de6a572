/** Decides whether a run meets requirements, some of them against baselines. */
import { RobustlyError } from '../errors.js'
import type { PairedCounts } from '../evaluate/paired.js'
import { type Baseline, type Decision, decide, type Outcome } from '../report/gate/decide.js'
import type { Requirement } from '../report/gate/requirement.js'
import { checkSame, type Evaluated, readEvaluated, sameMethod } from './evaluated.js'

/**
 * One outcome per requirement, in their order. Throws `usage` without a requirement, `config` for what the run does not tell,
 * `run-unreadable` for baselines, and `run-mismatch` for a baseline of other data, threat, attacks or version.
 */
export function gate(run: Evaluated, requirements: readonly Requirement[], how: Decision = 'interval'): Outcome[] {
  if (requirements.length === 0) {
    throw new RobustlyError('usage', 'nothing is required, so nothing can be decided', {
      hint: "Add --require, such as --require 'robust >= 0.45'.",
    })
  }
  return requirements.map(requirement => {
    const { baseline } = requirement
    return decide(requirement, run.result, how, baseline === undefined ? undefined : againstBaseline(run, baseline))
  })
}

function againstBaseline(run: Evaluated, path: string): Baseline {
  const baseline = readEvaluated(path)
  checkSame(baseline, run, sameMethod, 'Make the baseline again: the same data, threat model, attacks and version.')
  if (baseline.result.unknown > 0) {
    throw new RobustlyError(
      'run-mismatch',
      `the baseline ${baseline.name} holds ${baseline.result.unknown} samples without a verdict, which makes any drop look smaller`,
      { hint: 'Finish it with --resume first.' },
    )
  }
  return { result: baseline.result, pairs: pairsOf(baseline, run) }
}

/** A sample without a verdict is not robust, as in the robust accuracy of the run. */
function pairsOf({ verdicts: before }: Evaluated, { verdicts: now }: Evaluated): PairedCounts | undefined {
  if (before === undefined || now === undefined) return undefined
  const counts = { both: 0, onlyFirst: 0, onlySecond: 0, neither: 0 }
  for (const [index, { verdict }] of before) {
    const [was, is] = [verdict === 'robust', now.get(index)?.verdict === 'robust']
    counts[was ? (is ? 'both' : 'onlyFirst') : is ? 'onlySecond' : 'neither']++
  }
  return counts
}
