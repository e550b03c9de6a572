/** Two runs on the same samples, compared sample by sample. */
import { RobustlyError } from '../errors.js'
import { pairedDifference } from '../evaluate/paired.js'
import type { Compared, Comparison } from '../report/comparison.js'
import { withoutFolders } from '../report/gate/requirement.js'
import { checkSame, type Evaluated, readEvaluated, sameQuestion, type Verdict } from './evaluated.js'

/** Throws `run-unreadable`, and `run-mismatch` for other data, threat or norm, or without a sample in common. */
export function compare(firstPath: string, secondPath: string): Comparison {
  const [first, second] = [readEvaluated(firstPath), readEvaluated(secondPath)]
  checkSame(
    first,
    second,
    sameQuestion,
    'Only evaluations of the same data under the same threat model can be compared.',
  )
  const [a, b] = [verdictsOf(first), verdictsOf(second)]
  const common = [...a.keys()].filter(index => b.has(index)).sort((x, y) => x - y)
  if (common.length === 0) {
    throw new RobustlyError('run-mismatch', `${first.name} and ${second.name} have no sample in common`)
  }
  const known = common.filter(index => a.get(index)!.verdict !== 'unknown' && b.get(index)!.verdict !== 'unknown')
  if (known.length === 0) {
    throw new RobustlyError('run-mismatch', 'no sample has a verdict in both runs, so there is nothing to compare')
  }
  const tally = (indices: readonly number[], good: (verdict: Verdict) => boolean): Compared => {
    const lost = indices.filter(index => good(a.get(index)!) && !good(b.get(index)!))
    const won = indices.filter(index => !good(a.get(index)!) && good(b.get(index)!))
    const both = indices.filter(index => good(a.get(index)!) && good(b.get(index)!)).length
    const neither = indices.length - both - lost.length - won.length
    const { count, difference, interval, probability } = pairedDifference({
      both,
      onlyFirst: lost.length,
      onlySecond: won.length,
      neither,
    })
    return {
      count,
      first: (both + lost.length) / count,
      second: (both + won.length) / count,
      difference,
      interval,
      probability,
      lost,
      won,
    }
  }
  return {
    runs: [sideOf(first), sideOf(second)],
    threat: first.result.threat,
    data: { file: first.result.data.file, sha256: first.result.data.sha256 },
    standard: tally(common, ({ correct }) => correct),
    robust: tally(known, ({ verdict }) => verdict === 'robust'),
    withoutVerdict: common.length - known.length,
  }
}

function verdictsOf({ name, verdicts }: Evaluated): ReadonlyMap<number, Verdict> {
  if (verdicts !== undefined) return verdicts
  throw new RobustlyError('run-unreadable', `${name} holds no verdicts of samples, which a comparison needs`, {
    hint: 'Give the run folder instead of a result.',
  })
}

function sideOf({ name, result }: Evaluated): Comparison['runs'][number] {
  const { model, data, suite, attacks, seed, tool } = result
  return {
    name: withoutFolders(name),
    model: model.file,
    sha256: model.sha256,
    samples: [...data.range],
    suite,
    attacks: attacks.map(attack => attack.name),
    seed,
    version: tool.version,
  }
}
