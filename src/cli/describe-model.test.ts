import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { inspectModel } from '../evaluate/facts.js'
import type { SuiteTimes } from '../evaluate/preflight-times.js'
import { describeModel } from './describe-model.js'

const own = (name: string) => inspectModel(fileURLToPath(new URL(`../../test/exports/models/${name}`, import.meta.url)))
const plain = (text: string) => text
const queries = { forward: 1, gradient: 1 }

const times: SuiteTimes = {
  samples: 1000,
  processes: 2,
  secondsPerQuery: { forward: 1, gradient: null },
  suites: [
    { suite: 'scores', norm: 'Linf', queries, seconds: 5.24 },
    { suite: 'scores', norm: 'L0', queries, seconds: 89 },
    { suite: 'labels', norm: 'Linf', queries, seconds: 91 },
    { suite: 'labels', norm: 'L2', queries, seconds: 3 * 86_400 },
  ],
}

it('says in one screen what a model is', async () => {
  const lines = describeModel({ ...(await own('mobilenet-v3-int8.onnx')), times }, plain).split('\n')
  expect(lines.length).toBeLessThan(50)
  const standings = lines.flatMap(line => /^ {2}(gradient|surrogate|none) {2}/.exec(line)?.[1] ?? [])
  expect(standings).toEqual(['gradient', 'surrogate'])
  expect(lines.find(line => line.startsWith('  surrogate'))).toContain('QuantizeLinear')
  const operators = lines.slice(lines.indexOf('  Operators') + 1)
  for (const line of operators.slice(0, operators.indexOf(''))) expect(line.length).toBeLessThanOrEqual(100)
  expect(lines).toContain('  Randomness  none: two equal calls agree')
})

it('estimates to two digits, and leaves out what does not apply', async () => {
  const text = describeModel({ ...(await own('breast-cancer-forest.onnx')), times }, plain)
  expect(text).toContain(
    [
      "  The model's answers for 1,000 samples on 2 cores take at most (the attacks' own steps are extra):",
      '                  Linf        L0        L2',
      '  scores         5.2 s      89 s',
      '  labels       1.5 min            3.0 days',
    ].join('\n'),
  )
  expect(text).toMatch(/^ {2}none {8}ai\.onnx\.ml\.TreeEnsembleClassifier 1$/m)
})
