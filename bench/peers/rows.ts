/** What is compared: one attack, robustly's name for it, the peers that have it, and the budget that all are given. */
import type { NormName } from '../../src/threat/norm.js'

export interface Row {
  readonly name: string
  readonly kind: 'budget' | 'minimum'
  readonly norm: NormName
  /** What robustly runs, in order. */
  readonly attacks: readonly { readonly name: string; readonly options: Readonly<Record<string, number>> }[]
  /** The attack's name in the peers' drivers, and what they are told. */
  readonly attack: string
  readonly options: Readonly<Record<string, number>>
  readonly peers: readonly Peer[]
  /** Default number of samples on an MNIST model. */
  readonly samples: number
  /** Batch sizes that peers may choose from; 0: all samples at once. */
  readonly batches: readonly number[]
}

export interface Peer {
  readonly tool: string
  /** Driver beside this file. */
  readonly driver: string
  /** Where its budget or its way of stopping differs from robustly's. */
  readonly note?: string
}

const torchattacks = { tool: 'torchattacks', driver: 'with_torchattacks.py' }
const foolbox = { tool: 'foolbox', driver: 'with_foolbox.py', note: 'retires no sample early' }
const art = { tool: 'ART', driver: 'with_art.py', note: 'retires no sample early' }
const advlib = { tool: 'adv-lib', driver: 'with_advlib.py' }

/** Robustly spends 10 label queries more, on bringing the point found closer. */
const minimum = { kind: 'minimum', options: { steps: 100 }, samples: 100, batches: [32, 128, 0] } as const
const nearest = [foolbox, advlib].map(({ tool, driver }) => ({
  tool,
  driver,
  note: '100 gradient steps; robustly 10 label queries more',
}))
const standard = (steps: number): Row['attacks'] => [
  { name: 'apgd-ce', options: { steps } },
  { name: 'apgd-t', options: { steps } },
  { name: 'fab-t', options: { steps } },
  { name: 'square', options: { queries: 5000 } },
]

export const rows: readonly Row[] = [
  {
    name: 'autoattack',
    kind: 'budget',
    norm: 'Linf',
    attacks: standard(100),
    attack: 'autoattack',
    options: { steps: 100 },
    peers: [{ ...torchattacks, note: 'steps set to the 100 of the reference' }],
    samples: 40,
    batches: [0],
  },
  {
    name: 'autoattack-10',
    kind: 'budget',
    norm: 'Linf',
    attacks: standard(10),
    attack: 'autoattack',
    options: {},
    peers: [{ ...torchattacks, note: 'as shipped: 10 steps' }],
    samples: 40,
    batches: [0],
  },
  {
    name: 'pgd-40',
    kind: 'budget',
    norm: 'Linf',
    attacks: [{ name: 'pgd', options: { steps: 40 } }],
    attack: 'pgd',
    options: { steps: 40 },
    peers: [foolbox, art],
    samples: 200,
    batches: [32, 128, 0],
  },
  { name: 'fmn-l2', norm: 'L2', ...minimum, attack: 'fmn', attacks: named('fmn'), peers: nearest },
  { name: 'fmn-linf', norm: 'Linf', ...minimum, attack: 'fmn', attacks: named('fmn'), peers: nearest },
  { name: 'ddn-l2', norm: 'L2', ...minimum, attack: 'ddn', attacks: named('ddn'), peers: nearest },
]

function named(name: string): Row['attacks'] {
  return [{ name, options: { steps: 100 } }]
}
