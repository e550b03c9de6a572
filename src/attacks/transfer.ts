/**
 * Transfer: a search that runs on a surrogate and is judged on the target. The attack's own queries all go to the surrogate; the
 * target is only asked for the label of what the attack offers: its proposal, and for attacks inside epsilon each point
 * whose label they ask for, which is where their restarts end.
 */
import type { ThreatModel } from '../threat/threat.js'
import { regionOf } from '../threat/threat.js'
import type { Answer, Attack, LabelReply, Proposal, Query, Sample, Steps } from './attack.js'

/** A query of a search on a surrogate; what is not for the target is for the surrogate. */
export type RoutedQuery = Query<'gradients'> & { readonly of?: 'target' }

export interface TransferNotes {
  /** Whether a point that was offered to the target is misclassified by the surrogate. */
  fooledSurrogate: boolean
}

/** The steps of the attack with its offers made to the target. The proposal is one that the target misclassifies, or none. */
export function* transferred(
  steps: Steps<'gradients'>,
  attack: Attack,
  sample: Sample,
  threat: ThreatModel,
  notes: TransferNotes,
): Generator<RoutedQuery, Proposal, Answer> {
  let answer: Answer = []
  let offered: Float32Array | undefined
  let fooled = false
  for (;;) {
    const step = steps.next(answer)
    if (!step.done && (attack.kind === 'minimum' || step.value.ask !== 'labels')) {
      answer = yield step.value
      offered = undefined
      continue
    }
    const points = step.done ? (step.value === undefined ? [] : [step.value]) : step.value.points
    // An attack that ends with what it offered last, or a copy of it, has its answer already.
    const isKnown = step.done && offered?.every((value, i) => value === points[0]?.[i]) === true
    if (points.length > 0 && !isKnown) {
      if (step.done && attack.kind === 'budget') threat.norm.project(points[0], regionOf(threat, sample.input))
      const labels = (yield { ask: 'labels', points }).map(reply => ({ label: (reply as LabelReply).label }))
      if (labels.some(({ label }) => label !== sample.label)) notes.fooledSurrogate = true
      const replies = yield { ask: 'labels', points, of: 'target' }
      fooled = replies.some(({ label }) => label !== sample.label)
      offered = points.at(-1)!.slice()
      answer = labels
    }
    if (step.done) return fooled ? step.value : undefined
  }
}
