/** Random choice without repetition. */
import type { Random } from '../random.js'

/** Exchanges elements so that the first `count` are a random choice of all, in random order. */
export function shuffleFirst(order: Uint32Array, count: number, random: Random): void {
  for (let k = 0; k < count; k++) {
    const at = k + random.integer(order.length - k)
    const chosen = order[at]
    order[at] = order[k]
    order[k] = chosen
  }
}
