/** Standard training: the cross-entropy of the samples as they are. */
import { crossEntropy } from '../../model/losses.js'
import type { Objective } from './objective.js'

export const standard: Objective = {
  name: 'standard',
  description: 'Cross-entropy on the samples as they are.',
  outer: {
    sees: ['clean'],
    loss: (b, label, logits) => crossEntropy(b, { logits: logits!, label }),
  },
  inner: undefined,
}
