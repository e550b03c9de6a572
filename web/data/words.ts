/** The sentences of the report: what was found, and what the adversary could do, for people who do not know the field. */
import { rate } from '../../src/evaluate/rate.js'
import { grouped, percent } from '../../src/report/terminal.js'
import { isDistanceRun } from './derive.js'
import type { Run } from './report.js'

type Access = 'labels' | 'scores' | 'gradients' | 'surrogates'

/** What the strongest attack of the run could see. */
export function accessOf({ attacks, result }: Run): Access {
  const order = ['labels', 'scores', 'gradients'] as const
  const strongest = order[Math.max(0, ...attacks.map(({ access }) => order.indexOf(access)))]!
  return strongest === 'gradients' && result.surrogates !== undefined ? 'surrogates' : strongest
}

export const attackers: { readonly [A in Access]: { readonly who: string; readonly knows: string } } = {
  gradients: {
    who: 'an attacker who knows the model',
    knows: 'everything about the model: its structure, its weights and therefore its gradients (white box)',
  },
  surrogates: {
    who: 'an attacker who has a similar model',
    knows: 'other models for the same task, on which attacks are prepared (transfer); of this model only its answers',
  },
  scores: {
    who: 'an attacker who sees the scores of the model',
    knows: 'what the model answers to any input, with its scores for all classes (black box, query access)',
  },
  labels: {
    who: 'an attacker who sees only the decisions of the model',
    knows: 'which class the model names for any input, and nothing else (black box, decisions only)',
  },
}

/** `8/255`, and what that is as a number where it is written as a fraction. */
export function epsilonText({ result: { threat } }: Run): string {
  return threat.epsilon.includes('/') ? `${threat.epsilon} (${significant(threat.epsilonValue)})` : threat.epsilon
}

/** What a norm lets an adversary do, with `epsilon` in place. */
export const normWords: {
  readonly [Norm in 'Linf' | 'L2' | 'L1' | 'L0']: (epsilon: string, part: string) => string
} = {
  Linf: (epsilon, part) => `may change every ${part} at once, each by at most ${epsilon}`,
  L2: (epsilon, part) =>
    `may change every ${part}, as long as the Euclidean length of the whole change is at most ${epsilon}`,
  L1: (epsilon, part) => `may change every ${part}, as long as the absolute changes add up to at most ${epsilon}`,
  L0: (epsilon, part) => `may change at most ${epsilon} ${part}s, each as much as it likes`,
}

export interface Answer {
  readonly start: string
  readonly share: string
  readonly end: string
  readonly details: readonly string[]
}

/** The answer in one sentence, with what is needed to read it rightly. */
export function answerOf(run: Run): Answer {
  const { result, noun } = run
  const { accuracy, threat, unknown } = result
  const { standard, robust } = accuracy
  const fooled = rate(robust.count - robust.correct - unknown, robust.count)
  const [low, high] = fooled.interval
  const wrong = standard.count - standard.correct
  const details = [
    `95 % interval ${percent(low, 1, false)} – ${percent(high, 1)}, from ${plural(robust.count, noun)}.`,
    wrong === 0
      ? 'Without an attack, none is misclassified.'
      : `${percent(wrong / standard.count, 1)} are misclassified without any attack, and count as fooled.`,
    ...(unknown > 0 ? [`${plural(unknown, noun)} without a verdict: counted neither as fooled nor as safe.`] : []),
    ...(isDistanceRun(run) ? [halfText(run)] : []),
    'Stronger attacks may fool it more often, never less.',
  ]
  const radius = threat.norm === 'Linf' ? threat.epsilon : `distance ${threat.epsilon}`
  const start = `At ${threat.norm} ${radius} ${attackers[accessOf(run)].who} fools it on`
  return { start, share: percent(fooled.value, 1), end: `of ${noun}s`, details }
}

/** The median of the smallest distances, in words. Of runs that hold distances. */
export function halfText({ noun, result }: Run): string {
  const half = result.distances?.median ?? null
  return half === null
    ? `More than half of the ${noun}s stand at every distance that was reached.`
    : `Half of the ${noun}s are fooled by a change of ${significant(half)} or less.`
}

export function plural(count: number, noun: string, several = `${noun}s`): string {
  return `${grouped(count)} ${count === 1 ? noun : several}`
}

/** Three significant digits, without an exponent where people need none. */
export function significant(value: number): string {
  if (!Number.isFinite(value)) return '–'
  if (value === 0) return '0'
  const size = Math.abs(value)
  const text = size < 1e-4 || size >= 1e7 ? value.toExponential(2) : String(Number(value.toPrecision(3)))
  return text.replaceAll('-', '−')
}

export { duration, grouped, percent, short } from '../../src/report/terminal.js'
