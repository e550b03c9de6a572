/** A search query by query: how far each point that it asked about lay, and what the model that was asked said of it. */
import type { Search, Seen } from '../attacks/scheduler.js'
import { marginOf } from '../model/batch-model.js'
import type { ThreatModel } from '../threat/threat.js'

/** One entry per query, in the order of the search; null for what is not a finite number or was not asked for. */
export interface AttackTrace {
  readonly attack: string
  /**
   * Score of the label minus the largest other score: below zero the point fools the model that was asked. Where it answers with
   * labels alone, 1 for the right one and -1 for another.
   */
  readonly margin: readonly (number | null)[]
  /** The loss whose gradient was asked for; null for queries that asked for none. */
  readonly loss: readonly (number | null)[]
  /** From the clean sample, in the threat model's norm. */
  readonly distance: readonly (number | null)[]
}

export interface Tracer {
  readonly observe: (search: Search, seen: Seen) => void
  /** The traces of a sample, one for each attack that asked anything, and forgets them. */
  take(sample: number): AttackTrace[]
}

type Growing = { readonly attack: string } & Record<'margin' | 'loss' | 'distance', (number | null)[]>

export function startTracer({ norm }: Pick<ThreatModel, 'norm'>): Tracer {
  const samples = new Map<number, Map<Search, Growing>>()
  return {
    observe(search, { point, logits, loss }) {
      const { sample, attack } = search
      const traces = samples.get(sample.index) ?? new Map<Search, Growing>()
      samples.set(sample.index, traces)
      const trace = traces.get(search) ?? { attack: attack.name, margin: [], loss: [], distance: [] }
      traces.set(search, trace)
      trace.margin.push(kept(marginOf(logits, sample.label)))
      trace.loss.push(loss === undefined ? null : kept(loss))
      trace.distance.push(kept(norm.distance(point, sample.input)))
    },
    take(sample) {
      const traces = [...(samples.get(sample)?.values() ?? [])]
      samples.delete(sample)
      return traces
    },
  }
}

/** As many digits as float32 holds. */
function kept(value: number): number | null {
  return Number.isFinite(value) ? Number(value.toPrecision(7)) : null
}
