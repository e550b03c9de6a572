/** Suites: which attacks run, in which order, with which options. A suite is data. */

import { z } from 'zod'
import { attacks } from '../attacks/index.js'
import { RobustlyError } from '../errors.js'
import type { NormName } from '../threat/norm.js'
import type { PlannedAttack } from './spec.js'

interface Suite {
  readonly description: string
  /** Whether the result may stand beside published ones; if not, the result says so. */
  readonly complete: boolean
  /** Made for attacks on surrogates, and pointless without. */
  readonly needsSurrogates?: boolean
  /** Attacks that do not know the norm are left out; otherwise they are an error. */
  readonly byNorm?: boolean
  readonly attacks: readonly PlannedAttack[]
}

const named = (name: string, options: object = {}): PlannedAttack => ({ name, options })

/** Attacks and settings of AutoAttack (auto-attack a392200) for `standard`, `rand` and `plus`. */
export const suites: ReadonlyMap<string, Suite> = new Map<string, Suite>([
  [
    'quick',
    {
      description: 'APGD-CE alone: a first upper bound in minutes, not a standard evaluation',
      complete: false,
      attacks: [named('apgd-ce')],
    },
  ],
  [
    'standard',
    {
      description: "AutoAttack's standard version: APGD-CE, APGD-T, FAB-T and Square with 5,000 queries",
      complete: true,
      attacks: [named('apgd-ce'), named('apgd-t'), named('fab-t'), named('square')],
    },
  ],
  [
    'rand',
    {
      description: 'for models that draw at random: APGD-CE and APGD-DLR, every gradient the mean of 20',
      complete: true,
      attacks: [named('apgd-ce', { restarts: 1, eot: 20 }), named('apgd-dlr', { restarts: 1, eot: 20 })],
    },
  ],
  [
    'plus',
    {
      description: 'standard with 5 restarts, and APGD-DLR and untargeted FAB besides',
      complete: true,
      attacks: [
        named('apgd-ce', { restarts: 5 }),
        named('apgd-dlr', { restarts: 5 }),
        named('fab', { restarts: 5 }),
        named('square'),
        named('apgd-t'),
        named('fab-t'),
      ],
    },
  ],
  [
    'scores',
    {
      description: 'for models that can only be asked, by the scores they give',
      complete: false,
      byNorm: true,
      attacks: [named('square'), named('sparse-rs')],
    },
  ],
  [
    'labels',
    {
      description: 'for models that can only be asked and tell no more than the class',
      complete: false,
      byNorm: true,
      attacks: [named('rays'), named('hop-skip-jump'), named('salt-and-pepper')],
    },
  ],
  [
    'transfer',
    {
      description: 'attacks made to transfer, crafted on the surrogates: for an adversary without the model',
      complete: false,
      needsSurrogates: true,
      attacks: [named('mi-fgsm'), named('ti-fgsm'), named('di-fgsm'), named('si-ni-fgsm'), named('vmi-fgsm')],
    },
  ],
])

/** The attacks of a suite. Throws `usage` naming the suites there are. */
export function suiteNamed(name: string): Suite {
  const suite = suites.get(name)
  if (suite === undefined) {
    throw new RobustlyError('usage', `there is no suite "${name}"; there are: ${[...suites.keys()].join(', ')}`)
  }
  return suite
}

/**
 * Checks names, norms and options against the attacks' own tables and fills in defaults.
 * Throws `config` with what is wrong.
 */
export function planAttacks(wanted: readonly PlannedAttack[], norm: NormName): PlannedAttack[] {
  if (wanted.length === 0) throw new RobustlyError('config', 'no attack is asked for')
  return wanted.map(({ name, options }) => {
    const attack = attacks.get(name)
    if (attack === undefined) {
      throw new RobustlyError('config', `there is no attack "${name}"; there are: ${[...attacks.keys()].join(', ')}`)
    }
    if (!attack.norms.includes(norm)) {
      throw new RobustlyError(
        'config',
        `attack ${name} does not know the norm ${norm}; it knows ${attack.norms.join(', ')}`,
        { hint: `${norm} is known to: ${namesFor(norm).join(', ')}.` },
      )
    }
    const checked = attack.options.safeParse(options ?? {})
    if (!checked.success) {
      const issues = checked.error.issues.map(({ path, message }) => [...path.map(String), message].join(': '))
      const { properties = {} } = z.toJSONSchema(attack.options, { io: 'input', unrepresentable: 'any' })
      throw new RobustlyError('config', `options of attack ${name}: ${issues.join('; ')}`, {
        hint: `There are: ${Object.keys(properties).join(', ') || 'none'}.`,
      })
    }
    return { name, options: checked.data }
  })
}

function namesFor(norm: NormName): string[] {
  return [...attacks.values()].filter(({ norms }) => norms.includes(norm)).map(({ name }) => name)
}
