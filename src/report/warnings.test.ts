import { expect, test } from 'vitest'
import { rate } from '../evaluate/metrics.js'
import type { ResultParts } from './result.js'
import { warningsOf } from './warnings.js'

function parts(attacks: readonly (readonly [string, number])[], classes = 10, mode = 'cascade'): ResultParts {
  return {
    spec: { attacks: attacks.map(([name]) => ({ name, options: {} })), mode, suite: 'custom' },
    tally: {
      standard: rate(990, 1000),
      robust: rate(900, 1000),
      attacks: attacks.map(([name, broken]) => ({ name, broken, blind: 0 })),
      unknown: 0,
      unpredicted: 0,
      reasons: [],
      predictedClasses: 10,
      labelledClasses: 10,
    },
    facts: { classes, warnings: [] },
    suiteIsComplete: true,
  } as unknown as ResultParts
}

test('an attack without gradients that succeeds where gradients failed is suspicious', () => {
  const [warning, ...others] = warningsOf(
    parts([
      ['apgd-ce', 50],
      ['square', 26],
    ]),
  )
  expect(warning).toMatch(/^square, which sees no gradients, broke 26 samples .* masked/)
  expect(others).toEqual([])
})

test.each([
  [
    'two of a thousand, as AutoAttack allows',
    [
      ['apgd-ce', 50],
      ['square', 2],
    ],
    'cascade',
  ],
  [
    'no gradients before',
    [
      ['square', 26],
      ['apgd-ce', 5],
    ],
    'cascade',
  ],
  [
    'attacks that did not follow each other',
    [
      ['apgd-ce', 50],
      ['square', 60],
    ],
    'individual',
  ],
  [
    'gradients after gradients',
    [
      ['apgd-ce', 50],
      ['apgd-t', 26],
    ],
    'cascade',
  ],
] as const)('not suspicious: %s', (_what, attacks, mode) => {
  expect(warningsOf(parts(attacks, 10, mode))).toEqual([])
})

test('a loss that takes the place of another is named', () => {
  expect(
    warningsOf(
      parts(
        [
          ['apgd-ce', 5],
          ['apgd-t', 0],
        ],
        3,
      ),
    ),
  ).toEqual(['apgd-t uses the loss logit-difference instead of targeted-dlr, which is not defined for 3 classes.'])
})
