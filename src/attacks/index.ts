/** The table of attacks. */

import { apgdCe } from './apgd.js'
import { apgdDlr } from './apgd-dlr.js'
import { apgdT } from './apgd-t.js'
import type { Attack } from './attack.js'
import { ddn } from './ddn.js'
import { deepfool } from './deepfool.js'
import { fab } from './fab.js'
import { fabT } from './fab-t.js'
import { fgsm } from './fgsm.js'
import { fmn } from './fmn.js'
import { pgd } from './pgd.js'
import { square } from './square.js'

// Options differ from attack to attack; each attack's own schema checks them before `search` sees them.
const all = [
  fgsm,
  pgd,
  apgdCe,
  apgdDlr,
  apgdT,
  fab,
  fabT,
  square,
  deepfool,
  ddn,
  fmn,
] as readonly unknown[] as readonly Attack[]

export const attacks: ReadonlyMap<string, Attack> = new Map(all.map(attack => [attack.name, attack]))

if (attacks.size !== all.length) throw new Error('two attacks share a name')
