import fc from 'fast-check'
import { expect, test } from 'vitest'
import { RobustlyError } from '../../errors.js'
import { comparisons, metrics, parseRequirement, shownText } from './requirement.js'

test.each([
  ['robust >= 0.45', { metric: 'robust', sign: '>=', threshold: 0.45, quantity: 'share' }],
  ['  standard>90% ', { metric: 'standard', sign: '>', threshold: 0.9, text: 'standard > 90 %' }],
  ['unknown <= 0', { metric: 'unknown', sign: '<=', threshold: 0, quantity: 'count' }],
  ['median-distance >= 8/255', { metric: 'median-distance', threshold: 8 / 255, quantity: 'distance' }],
  ['apgd-ce.robust >= 1e-1', { metric: 'apgd-ce.robust', attack: 'apgd-ce', threshold: 0.1 }],
  ['drop <= 0.01 vs baseline.json', { metric: 'drop', baseline: 'baseline.json', quantity: 'difference' }],
  ['drop < -1 % vs runs/of main vs x', { threshold: -0.01, baseline: 'runs/of main vs x' }],
])('%s', (text, expected) => {
  expect(parseRequirement(text)).toMatchObject(expected)
})

test.each([
  ['', /another form/],
  ['robust', /another form/],
  ['robust 0.45', /another form/],
  ['robust >=', /another form/],
  ['robust >= 0.45 0.46', /another form/],
  ['robust = 0.45', /"=" is none of >= <= > </],
  ['robust => 0.45', /"=>" is none of/],
  ['robust >= 45', /a share between 0 and 1/],
  ['robust >= high', /"high" is no number/],
  ['robust >= NaN', /"NaN" is no number/],
  ['robust >= Infinity', /"Infinity" is no number/],
  ['robust >= 0x1', /no number/],
  ['robust >= 1/0', /no number/],
  ['robust >= 1/2/3', /no number/],
  ['robust >= -0.1', /a share between 0 and 1/],
  ['robustness >= 0.5', /no metric "robustness"/],
  ['__proto__ >= 0.5', /no metric "__proto__"/],
  ['.robust >= 0.5', /no metric/],
  ['drop <= 0.01', /needs something to compare with/],
  ['drop <= 0.01 vs ', /needs something|another form/],
  ['robust >= 0.5 vs runs/a', /only drop takes "vs"/],
  ['unknown <= 1.5', /a whole number/],
  ['unknown <= 1 %', /not given in per cent/],
  ['median-distance >= -1', /at least 0/],
])('%j is refused', (text, message) => {
  expect(() => parseRequirement(text)).toThrow(
    expect.objectContaining({ code: 'usage', message: expect.stringMatching(message) }),
  )
})

test('the hint tells how 45 was meant', () => {
  expect(() => parseRequirement('robust >= 45')).toThrow(expect.objectContaining({ hint: 'Write 45 % or 0.45.' }))
})

test('what is written back is read as the same requirement', () => {
  const metric = fc.constantFrom(...metrics.keys(), 'square.robust')
  const blank = fc.constantFrom('', ' ', '  ')
  fc.assert(
    fc.property(
      metric,
      fc.constantFrom(...comparisons),
      fc.integer({ min: 0, max: 1000 }),
      blank,
      blank,
      fc.stringMatching(/^[\w./-]{1,20}$/),
      (name, sign, thousandths, before, after, path) => {
        const number = name === 'unknown' ? thousandths : thousandths / 1000
        const written = `${name}${before}${sign}${after}${number}${name === 'drop' ? ` vs ${path}` : ''}`
        const requirement = parseRequirement(written)
        expect(requirement).toMatchObject({ metric: name, sign, threshold: number })
        expect(parseRequirement(requirement.text)).toEqual(requirement)
      },
    ),
  )
})

test('any text is either a requirement or an error for people', () => {
  const parts = fc.array(fc.oneof(fc.string(), fc.constantFrom('robust', '>=', '0.5', '%', 'vs', ' ')), {
    maxLength: 8,
  })
  fc.assert(
    fc.property(parts, words => {
      try {
        const { threshold } = parseRequirement(words.join(''))
        expect(Number.isFinite(threshold)).toBe(true)
      } catch (error) {
        expect(error).toBeInstanceOf(RobustlyError)
        expect(error).toMatchObject({ code: 'usage' })
      }
    }),
  )
})

test('what others read tells no folders of this machine', () => {
  const shown = (path: string) => shownText(parseRequirement(`drop <= 0.1 vs ${path}`))
  expect(['/home/me/runs/main/', 'C:\\me\\main', 'runs/main', '/'].map(shown)).toEqual([
    'drop <= 0.1 vs main',
    'drop <= 0.1 vs main',
    'drop <= 0.1 vs runs/main',
    'drop <= 0.1 vs ',
  ])
})
