/**
 * APGD on the difference-of-logits ratio, which no rescaling of the logits can flatten. Croce and Hein, "Reliable evaluation of
 * adversarial robustness with an ensemble of diverse parameter-free attacks" (ICML 2020).
 *
 * Differences from the reference implementation: those of `apgd-ce`; and on two classes, where the ratio is not defined, the margin
 * takes its place instead of an index error.
 */
import { apgd, apgdOptions } from './apgd.js'
import { defineAttack } from './attack.js'

const lossFor = (classes: number) => (classes >= 3 ? 'dlr' : 'margin')

export const apgdDlr = defineAttack({
  name: 'apgd-dlr',
  paper: 'Croce and Hein, Reliable evaluation of adversarial robustness, ICML 2020',
  access: 'gradients',
  norms: ['Linf', 'L2', 'L1'],
  kind: 'budget',
  options: apgdOptions,
  losses: classes => [lossFor(classes)],
  *search(sample, threat, options, random) {
    const loss = { loss: lossFor(sample.classes), label: sample.label } as const
    return (yield* apgd(sample, threat, options, loss, random))?.point
  },
})
