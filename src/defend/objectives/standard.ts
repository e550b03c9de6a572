/** Standard training: the cross-entropy of the samples as they are. */
import { losses } from '../../model/losses.js'
import type { Objective } from './objective.js'

export const standard: Objective = {
  name: 'standard',
  description: 'Cross-entropy on the samples as they are.',
  outer: {
    sees: ['clean'],
    loss: (b, label, logits) => losses['cross-entropy'].emit(b, { logits: logits!, label, direction: label }),
  },
  inner: undefined,
}
