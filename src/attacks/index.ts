/** The table of attacks. */

import { apgdCe } from './apgd.js'
import { apgdDlr } from './apgd-dlr.js'
import { apgdT } from './apgd-t.js'
import type { Attack } from './attack.js'
import { bandits } from './bandits.js'
import { bim } from './bim.js'
import { boundary } from './boundary-attack.js'
import { brendelBethge } from './brendel-bethge.js'
import { carliniWagner } from './carlini-wagner.js'
import { ddn } from './ddn.js'
import { deepfool } from './deepfool.js'
import { ead } from './ead.js'
import { fab } from './fab.js'
import { fabT } from './fab-t.js'
import { fewPixel } from './few-pixel.js'
import { fgsm } from './fgsm.js'
import { fmn } from './fmn.js'
import { geoda } from './geoda.js'
import { hopSkipJump } from './hop-skip-jump.js'
import { jsma } from './jsma.js'
import { miFgsm, niFgsm, siNiFgsm, vmiFgsm } from './momentum.js'
import { diFgsm, tiFgsm } from './momentum-images.js'
import { nes } from './nes.js'
import { gaussianNoise, uniformNoise } from './noise.js'
import { pgd } from './pgd.js'
import { rFgsm } from './r-fgsm.js'
import { rays } from './rays.js'
import { saltAndPepper } from './salt-and-pepper.js'
import { sigmaZero } from './sigma-zero.js'
import { signHunter } from './sign-hunter.js'
import { signOpt } from './sign-opt.js'
import { simba } from './simba.js'
import { sparseRs } from './sparse-rs.js'
import { sparsefool } from './sparsefool.js'
import { spsa } from './spsa.js'
import { square } from './square.js'
import { uap, uapSgd } from './universal.js'
import { zoo } from './zoo.js'

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
  carliniWagner,
  uniformNoise,
  gaussianNoise,
  saltAndPepper,
  nes,
  spsa,
  simba,
  signHunter,
  bandits,
  zoo,
  sparseRs,
  fewPixel,
  boundary,
  hopSkipJump,
  geoda,
  rays,
  signOpt,
  ead,
  sigmaZero,
  jsma,
  sparsefool,
  bim,
  rFgsm,
  miFgsm,
  niFgsm,
  diFgsm,
  tiFgsm,
  siNiFgsm,
  vmiFgsm,
  uap,
  uapSgd,
  brendelBethge,
] as readonly unknown[] as readonly Attack[]

export const attacks: ReadonlyMap<string, Attack> = new Map(all.map(attack => [attack.name, attack]))

if (attacks.size !== all.length) throw new Error('two attacks share a name')
