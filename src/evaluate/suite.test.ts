import { expect, test } from 'vitest'
import { RobustlyError } from '../errors.js'
import { planAttacks } from './suite.js'

test.each([
  [{ name: 'pgd', options: { stepz: 4 } }, /pgd: Unrecognized key: "stepz"/, /There are: steps, .*restarts/],
  [{ name: 'pgd', options: { steps: -1 } }, /pgd: steps: Too small/, /There are: steps/],
  [{ name: 'fgsm', options: { steps: 4 } }, /fgsm: Unrecognized key: "steps"/, /There are: none/],
  [{ name: 'ddn', options: {} }, /ddn does not know the norm Linf; it knows L2/, /^Linf is known to: .*apgd-ce.*rays/],
  [{ name: 'pdg', options: {} }, /no attack "pdg"; there are: fgsm, pgd/, undefined],
])('%j is refused, and what there is is said', (wanted, message, hint) => {
  const plan = () => planAttacks([wanted], 'Linf')
  expect(plan).toThrow(RobustlyError)
  expect(plan).toThrow(
    expect.objectContaining({
      code: 'config',
      message: expect.stringMatching(message),
      hint: hint === undefined ? undefined : expect.stringMatching(hint),
    }),
  )
})
