/** Which of the scheduler's queues runs next. */

/** A row that waits to be asked about. */
export interface WaitingRow {
  /** How many searches of its sample came before. */
  readonly lane: { readonly stage: number }
  /** How many batches had run when it came. */
  readonly since: number
}

/** First come, first served. */
export interface RowQueue<R extends WaitingRow> {
  readonly model: { readonly batch: number }
  readonly rows: R[]
}

/** Batches that a row may wait while others run. */
const patience = 16

/**
 * While samples keep coming, full batches first. Then, and among equals, the searches that are behind: when they have
 * caught up with the others, they share batches to the end. Where several queues hold some of those, the longest one; but
 * before all else what has waited long, lest its search falls behind. Some queue must hold a row.
 * @param batches how many have run
 * @param comes whether new samples take the place of those that are decided
 */
export function nextOf<R extends WaitingRow, Q extends RowQueue<R>>(
  queues: readonly Q[],
  { batches, comes }: { readonly batches: number; readonly comes: boolean },
): Q {
  const waiting = queues.filter(({ rows }) => rows.length > 0)
  const urgent = waiting.filter(({ rows }) => rows[0].since < batches - patience)
  const full = comes ? waiting.filter(({ rows, model }) => rows.length >= model.batch) : []
  const first = [urgent, full].find(some => some.length > 0) ?? waiting
  const stageOf = ({ rows }: Q) =>
    rows.reduce((least, { lane }) => Math.min(least, lane.stage), Number.POSITIVE_INFINITY)
  const before = (a: Q, b: Q) => stageOf(a) - stageOf(b) || b.rows.length - a.rows.length
  return first.reduce((best, other) => (before(other, best) < 0 ? other : best))
}
