/** What an attack proposes when nothing stops it: for tests that know the nearest adversarial example. */
import type { Attack, Sample } from '../../src/attacks/attack.js'
import { schedule } from '../../src/attacks/scheduler.js'
import type { CompiledModel } from '../../src/model/compile.js'
import type { NormName } from '../../src/threat/norm.js'
import { norms } from '../../src/threat/threat.js'

/** For each sample, in the unit box; undefined where the attack found nothing. */
export async function proposals(
  model: CompiledModel,
  samples: readonly Sample[],
  attack: Attack,
  norm: NormName,
  options: unknown,
): Promise<(Float32Array | undefined)[]> {
  const queue = samples.map(sample => ({ sample, attack, options }))
  const found: (Float32Array | undefined)[] = []
  await schedule({
    model,
    threat: { norm: norms[norm], epsilon: 1, epsilonText: '1', box: { low: 0, high: 1 } },
    seed: 0,
    stop: 'never',
    take: () => queue.shift(),
    more: async () => false,
    judge: async () => false,
    decided(search, outcome) {
      found[search.sample.index] = outcome.point?.slice()
      return undefined
    },
  })
  return found
}

export const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[values.length >> 1]!
