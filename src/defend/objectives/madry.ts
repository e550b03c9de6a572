/**
 * Adversarial training (Madry, Makelov, Schmidt, Tsipras, Vladu: Towards deep learning models resistant to adversarial
 * attacks, ICLR 2018): min over weights of the mean of max over the region of cross-entropy.
 */
import { crossEntropy } from '../../model/losses.js'
import type { Objective, Term } from './objective.js'

export const adversarialCrossEntropy: Term = {
  sees: ['adversarial'],
  loss: (b, label, logits) => crossEntropy(b, { logits: logits!, label }),
}

export const madry: Objective = {
  name: 'madry',
  description: 'Cross-entropy on adversarial samples only (Madry et al., ICLR 2018).',
  outer: adversarialCrossEntropy,
  inner: adversarialCrossEntropy,
}
