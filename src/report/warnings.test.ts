import { expect, test } from 'vitest'
import { rate } from '../evaluate/metrics.js'
import type { ResultParts } from './result.js'
import { warningsOf } from './warnings.js'

function parts(attacks: readonly (readonly [string, number, number?])[], classes = 10, mode = 'cascade'): ResultParts {
  return {
    spec: { attacks: attacks.map(([name]) => ({ name, options: {} })), mode, suite: 'custom' },
    tally: {
      standard: rate(990, 1000),
      robust: rate(900, 1000),
      attacks: attacks.map(([name, broken, alone = 0]) => ({ name, broken, alone, blind: 0 })),
      byGradients: attacks[0]?.[1],
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
      ['square', 60, 26],
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
      ['square', 2, 2],
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
    'fewer than gradients broke, and hardly any of its own',
    [
      ['apgd-ce', 50],
      ['square', 40, 2],
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

test.each([
  ['more than gradients broke, by however little', 'square', 51, 1, 'individual'],
  ['a single sample that noise broke alone', 'uniform-noise', 1, 1, 'cascade'],
  ['a single sample that noise broke alone', 'salt-and-pepper', 9, 1, 'individual'],
] as const)('suspicious: %s (%s)', (_what, name, broken, alone, mode) => {
  const [warning] = warningsOf(
    parts(
      [
        ['apgd-ce', 50],
        [name, broken, alone],
      ],
      10,
      mode,
    ),
  )
  expect(warning).toMatch(/broke 1 sample that attacks with gradients left/)
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

test('an attack that found no misclassified point to start from says so', () => {
  const given = parts([
    ['geoda', 3],
    ['ddn', 3],
  ])
  const empty = given.tally.attacks.map(attack => ({ ...attack, empty: 2 }))
  const planned = [
    { name: 'geoda', options: { starts: 1000 } },
    { name: 'ddn', options: {} },
  ]
  const spec = { ...given.spec, attacks: planned }
  expect(warningsOf({ ...given, spec, tally: { ...given.tally, attacks: empty } })).toEqual([
    'geoda met no misclassified point to start from on 2 samples, which it left standing without a search. Give it more starts (geoda:starts=…), or try other attacks.',
  ])
})
