/** What a reader of a result must know before believing it, in sentences that say what to do next. */
import { attacks } from '../attacks/index.js'
import { fewDraws, usualDraws } from '../evaluate/draws.js'
import type { Tally } from '../evaluate/metrics.js'
import type { EvaluationSpec, PlannedAttack } from '../evaluate/spec.js'
import { printable } from '../printable.js'
import type { ResultParts } from './result.js'

/** Each with what to do about it. Nothing here depends on speed. */
export function warningsOf({ tally, facts, suiteIsComplete, spec, preparations }: ResultParts): string[] {
  const samples = (count: number) => (count === 1 ? '1 sample' : `${count} samples`)
  const warnings = facts.warnings.map(warning => printable(warning))
  if (tally.unknown > 0) {
    const why = tally.reasons.map(({ error, count }) => `${count} × ${printable(error, 160)}`).join('; ')
    warnings.push(
      `${samples(tally.unknown)} without a verdict, not counted as robust: ${why}. Run again with --resume to try them once more.`,
    )
  }
  if (tally.unpredicted > 0) {
    warnings.push(
      `${samples(tally.unpredicted)} without a usable clean prediction, counted as misclassified in the standard accuracy.`,
    )
  }
  if (tally.predictedClasses === 1 && tally.labelledClasses > 1) {
    warnings.push(
      'The model gives every sample the same class. Check the normalisation (--mean, --std), the layout (--layout) and the file itself.',
    )
  }
  for (const { name, blind } of tally.attacks) {
    if (blind === 0) continue
    warnings.push(
      `${name} met nothing but zero gradients on ${samples(blind)} that it left standing: they are unattacked rather than robust. Use an attack with another loss, or one without gradients.`,
    )
  }
  warnings.push(
    ...maskingWarnings(tally, spec),
    ...startWarnings(tally, spec),
    ...lossWarnings(spec, facts.classes),
    ...randomWarnings(spec, facts.randomised ?? false),
    ...transferWarnings(tally, spec),
  )
  for (const { name, options } of spec.attacks) {
    const wanted = attacks.get(name)?.preparation?.samples(options)
    if (wanted === undefined) continue
    const [start, end] = spec.data.range
    const last = Math.min(end, start + wanted) - 1
    const asked = preparations?.get(name)
    const cost = asked && ` by ${asked.forward} forward and ${asked.gradient} gradient queries`
    warnings.push(
      `${name} adds one perturbation to every sample, found on samples ${start} to ${last}${cost ?? ''}${last < end - 1 ? ': on those it breaks more than on others' : ', all of them: on others it breaks less'}. It lies in the run folder.`,
    )
  }
  if (!suiteIsComplete && spec.suite !== 'custom') {
    warnings.push(
      `The suite "${spec.suite}" gives a first upper bound of the robust accuracy, not one to publish: stronger attacks may break more.`,
    )
  }
  return warnings
}

/** AutoAttack's rule: this share of the samples, broken without gradients after gradients failed, is suspicious. */
const suspiciousShare = 0.002

/**
 * Attacks that see less of the model should not succeed where attacks with gradients failed: compared sample by sample. Of noise,
 * which searches nothing, one such sample is too many.
 */
function maskingWarnings(
  { attacks: tallies, standard, byGradients }: Tally,
  { mode, surrogateModels }: EvaluationSpec,
): string[] {
  if (surrogateModels !== undefined) return []
  return tallies
    .filter(({ name, alone, broken }) => {
      const { access, family } = attacks.get(name) ?? {}
      if (access === 'gradients' || alone === 0) return false
      const stronger = mode === 'individual' && broken > byGradients
      return stronger || family === 'noise' || alone > suspiciousShare * standard.count
    })
    .map(
      ({ name, alone }) =>
        `${name}, which sees no gradients, broke ${alone === 1 ? '1 sample' : `${alone} samples`} that attacks with gradients left: the gradients may be masked, and the true robust accuracy lower still. Give it more queries and restarts, and try other attacks.`,
    )
}

/** Attacks that set out from a misclassified point have searched nothing where they met none. */
function startWarnings({ attacks: tallies }: Tally, { attacks: planned }: EvaluationSpec): string[] {
  return planned.flatMap(({ name, options }, at) => {
    const { empty } = tallies[at]!
    if (!(empty > 0) || !('starts' in ((options ?? {}) as object))) return []
    return `${name} met no misclassified point to start from on ${empty === 1 ? '1 sample' : `${empty} samples`}, which it left standing without a search. Give it more starts (${name}:starts=…), or try other attacks.`
  })
}

/** Surrogates that are this much less often right than the model, in absolute terms, are probably fed wrongly. */
const suspiciousGap = 0.3

function transferWarnings(
  { surrogate, standard }: Tally,
  { surrogateModels: models, attacks: planned }: EvaluationSpec,
): string[] {
  if (models === undefined) return []
  const names = planned.filter(({ name }) => attacks.get(name)?.access === 'gradients').map(({ name }) => name)
  const warnings = [
    `${names.join(', ')} ran on ${models.length === 1 ? 'a surrogate' : `${models.length} surrogates`} and never saw this model's gradients: the robust accuracy is an upper bound for an adversary who does not have the model. Evaluate without --surrogate for one who does.`,
  ]
  if (surrogate !== undefined && surrogate.value < standard.value - suspiciousGap) {
    warnings.push(
      `The surrogates classify only ${surrogate.correct} of ${surrogate.count} samples correctly, the model ${standard.correct}: check that they take inputs as the model does (--mean, --std, --layout) or say under surrogates in a config file how they do, or choose better ones.`,
    )
  }
  return warnings
}

/** What the chosen attacks and draws are worth on a model that draws at random, and on one that does not. */
function randomWarnings({ attacks: planned, suite, draws = 1 }: EvaluationSpec, randomised: boolean): string[] {
  if (!randomised) {
    return suite === 'rand'
      ? [
          'The suite "rand" takes every gradient 20 times on a model that always gives the same answer: "standard" is stronger, and no slower.',
        ]
      : []
  }
  const averages = ({ name, options }: PlannedAttack) =>
    attacks.get(name)?.access !== 'gradients' || ((options ?? {}) as { readonly eot?: number }).eot! > 1
  const warnings = [
    `The model draws at random: a point counts as misclassified when most of ${draws} draws are wrong, and another run may differ by some samples.`,
  ]
  const single = planned.filter(attack => !averages(attack)).map(({ name }) => name)
  if (single.length > 0) {
    warnings.push(
      `${single.join(', ')} took each gradient from a single draw, which says little where draws differ: evaluate with --suite rand, or with attacks that average (--attack apgd-ce:eot=20).`,
    )
  }
  if (draws < fewDraws) {
    warnings.push(
      `${draws === 1 ? 'One draw decides' : `${draws} draws decide`} little: give --draws ${usualDraws} or more.`,
    )
  }
  return warnings
}

/** Where a model has too few classes for an attack's own loss, another one takes its place. */
function lossWarnings({ attacks: planned }: EvaluationSpec, classes: number): string[] {
  return planned.flatMap(({ name }) => {
    const attack = attacks.get(name)
    const [used, usual] = [attack?.losses(classes).join(', '), attack?.losses(Number.POSITIVE_INFINITY).join(', ')]
    return used === usual
      ? []
      : [`${name} uses the loss ${used} instead of ${usual}, which is not defined for ${classes} classes.`]
  })
}
