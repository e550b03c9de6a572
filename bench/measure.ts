/** Timing: what is compared is run in turn, so that whatever else the machine does falls on all alike. */

/** One line of the table. */
export interface Result {
  readonly name: string
  readonly value: number
  /** What the product promises. */
  readonly atMost: number
  readonly detail: string
}

/** Median milliseconds of each task over `rounds` interleaved rounds, after one round that does not count. */
export async function interleaved<K extends string>(
  tasks: Readonly<Record<K, () => Promise<unknown>>>,
  rounds: number,
): Promise<Record<K, number> & { readonly ratio: (slow: K, fast: K) => number }> {
  const names = Object.keys(tasks) as K[]
  const times = new Map(names.map(name => [name, [] as number[]]))
  for (let round = -1; round < rounds; round++) {
    for (const name of names) {
      const start = performance.now()
      await tasks[name]()
      if (round >= 0) times.get(name)!.push(performance.now() - start)
    }
  }
  const medians = Object.fromEntries(names.map(name => [name, median(times.get(name)!)])) as Record<K, number>
  // Ratios are medians over the pairs of a round, not ratios of medians: slow spells cancel.
  const ratio = (slow: K, fast: K) => median(times.get(slow)!.map((time, i) => time / times.get(fast)![i]!))
  return { ...medians, ratio }
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}
