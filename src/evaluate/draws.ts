/**
 * Verdicts on models that draw at random. One answer of such a model says little: a point counts as misclassified when more than
 * half of several draws are wrong, so that neither a lucky draw makes an adversarial example nor a single one spoils a clean sample.
 */
import { labelOf, marginOf } from '../model/batch-model.js'
import type { ScoreSource } from '../model/score-source.js'

/** How often a model that draws at random is asked about a point, unless it is said otherwise. */
export const usualDraws = 100

/** With fewer than this, a majority says little more than one draw. */
export const fewDraws = 20

/** Share of the draws that are spent on a first look at the many points that a search comes upon. */
const firstLook = 0.2

export interface Vote {
  /** The label when at least half of the draws say so, else the most frequent other class; -1 when a score was not finite. */
  readonly prediction: number
  /** Draws that said another class than the label. */
  readonly wrong: number
  /** Mean over the draws of the label's score minus the largest other score. */
  readonly margin: number
}

type Verifier = Pick<ScoreSource, 'scores'>

/** Asks so many times, one sample at a time: rows of a batch may share a draw. */
export async function vote(verifier: Verifier, point: Float32Array, label: number, draws: number): Promise<Vote> {
  const counts = new Map<number, number>()
  let margin = 0
  for (let draw = 0; draw < draws; draw++) {
    const scores = await verifier.scores(point)
    const prediction = labelOf(scores)
    margin += marginOf(scores, label) / draws
    if (prediction < 0) return { prediction, wrong: 0, margin }
    counts.set(prediction, (counts.get(prediction) ?? 0) + 1)
  }
  const wrong = draws - (counts.get(label) ?? 0)
  counts.delete(label)
  const [other] = [...counts].sort((a, b) => b[1] - a[1] || a[0] - b[0])
  return { prediction: 2 * wrong > draws ? other![0] : label, wrong, margin }
}

/**
 * The vote on a point that a search came upon. A search tries many points, and some win a small vote by luck: what wins one is put
 * to the whole vote with fresh draws, and that one counts. With one draw, for models that always give the same answer, there is
 * one vote.
 */
export async function confirmedVote(
  verifier: Verifier,
  point: Float32Array,
  label: number,
  draws: number,
): Promise<Vote> {
  const few = Math.ceil(firstLook * draws)
  const first = await vote(verifier, point, label, few)
  return draws === 1 || 2 * first.wrong <= few ? first : await vote(verifier, point, label, draws)
}

/**
 * The largest count of wrong draws that speaks against a model being wrong at least half of the time: the greatest k with
 * P(Binomial(draws, 1/2) <= k) <= alpha, -1 when there is none. An exact one-sided binomial test.
 */
export function refutedAtMost(draws: number, alpha: number): number {
  let term = -draws * Math.LN2
  let below = 0
  for (let k = 0; k <= draws; k++) {
    below += Math.exp(term)
    if (below > alpha) return k - 1
    term += Math.log((draws - k) / (k + 1))
  }
  return draws
}
