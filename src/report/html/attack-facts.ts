/** What the attack table says of the attacks of a result. */
import { attacks } from '../../attacks/index.js'
import { printable } from '../../printable.js'
import type { Result } from '../schema.js'
import type { AttackFacts } from './document.js'

/** An attack that this version does not know is described as the least that it can be. */
export function attackFacts(result: Result): AttackFacts[] {
  return result.attacks.map(({ name }) => {
    const attack = attacks.get(name)
    return {
      name: printable(name, 80),
      access: attack?.access ?? 'labels',
      kind: attack?.kind ?? 'budget',
      paper: attack?.paper ?? null,
    }
  })
}
