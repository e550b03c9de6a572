/**
 * Targeted FAB: FAB towards one class after the other, the likeliest wrong ones of the clean sample. One gradient a step instead of one
 * for each class. As in AutoAttack: Croce and Hein, "Reliable evaluation of adversarial robustness" (ICML 2020).
 *
 * Differences from the reference implementation: those of `fab`.
 */
import { z } from 'zod'
import { workspace } from '../tensor/kernels.js'
import { askScores, defineAttack } from './attack.js'
import { approach, fabOptions, fabPaper, startRegion } from './fab.js'
import { nearestTo } from './nearest.js'
import { likeliestOthers } from './targets.js'

export const fabT = defineAttack({
  name: 'fab-t',
  paper: fabPaper,
  access: 'gradients',
  norms: ['Linf', 'L2', 'L1'],
  kind: 'minimum',
  options: fabOptions.extend({
    targets: z
      .int()
      .min(1)
      .max(100_000)
      .default(9)
      .describe('how many of the likeliest wrong classes to aim at, one after the other'),
  }),
  losses: () => ['logit-difference'],
  *search(given, threat, options, random) {
    using memory = workspace()
    const sample = { ...given, input: memory.hold(given.input) }
    const nearest = nearestTo(sample, threat)
    const { logits } = yield* askScores(sample.input)
    for (const [turn, target] of likeliestOthers(logits, sample.label, options.targets).entries()) {
      for (let restart = 0; restart < options.restarts; restart++) {
        const start = sample.input.slice()
        if (restart > 0) {
          const stream = random(turn * options.restarts + restart)
          threat.norm.sample(stream, startRegion(sample, threat, nearest), start)
        }
        yield* approach({ sample, threat, options, nearest, targets: [target] }, start)
      }
    }
    return nearest.point
  },
})
