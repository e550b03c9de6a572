/**
 * Targeted APGD: one run after the other towards the likeliest wrong classes of the clean sample, on the targeted difference-of-logits
 * ratio. Croce and Hein, "Reliable evaluation of adversarial robustness with an ensemble of diverse parameter-free attacks" (ICML 2020).
 *
 * Differences from the reference implementation: those of `apgd-ce`; every target and restart draws from a stream of its own; with
 * two or three classes, where the ratio is not defined, the difference of the two logits takes its place instead of an index error.
 */
import { z } from 'zod'
import { apgd, apgdOptions, type Best, settingsFor } from './apgd.js'
import { askScores, defineAttack } from './attack.js'
import { likeliestOthers } from './targets.js'

const lossFor = (classes: number) => (classes >= 4 ? 'targeted-dlr' : 'logit-difference')

export const apgdT = defineAttack({
  name: 'apgd-t',
  paper: 'Croce and Hein, Reliable evaluation of adversarial robustness, ICML 2020',
  access: 'gradients',
  norms: ['Linf', 'L2', 'L1'],
  kind: 'budget',
  options: apgdOptions.extend({
    restarts: z.int().min(1).max(10_000).default(1).describe('random starts for each target'),
    targets: z
      .int()
      .min(1)
      .max(100_000)
      .optional()
      .describe('how many of the likeliest wrong classes to aim at, one after the other; default 9, for L1 5'),
  }),
  losses: classes => [lossFor(classes)],
  *search(sample, threat, options, random) {
    const { label, classes } = sample
    const { logits } = yield* askScores(sample.input)
    const targets = likeliestOthers(logits, label, options.targets ?? settingsFor[threat.norm.name].targets)
    let best: Best | undefined
    for (const [turn, target] of targets.entries()) {
      const stream = (restart: number) => random(turn * options.restarts + restart)
      const found = yield* apgd(sample, threat, options, { loss: lossFor(classes), label, target }, stream)
      if (found !== undefined && (best === undefined || found.loss > best.loss)) best = found
    }
    return best?.point
  },
})
