/** JUnit, SARIF, Markdown, CSV and annotations: what they say, and that names from files stay names in each of them. */
import { Ajv } from 'ajv'
import addFormats from 'ajv-formats'
import { parse as parseCsv } from 'csv-parse/sync'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { madeUpResult } from '../../test/support/result.js'
import { sarifSchema } from '../../test/support/sarif-schema.js'
import { parseXml, type XmlElement } from '../../test/support/xml.js'
import { comparisonMarkdown, comparisonText } from './comparison.js'
import { decide, type Outcome } from './gate/decide.js'
import { parseRequirement } from './gate/requirement.js'
import { annotations } from './github.js'
import { reportFormats } from './index.js'
import { marker } from './markdown.js'
import { uriOf } from './sarif.js'
import type { Result } from './schema.js'
import { renderTerminal } from './terminal.js'

// One pattern of the schema is none in Unicode mode.
const ajv = new Ajv({ allErrors: true, unicodeRegExp: false })
addFormats.default(ajv)
const isSarif = ajv.compile(sarifSchema)

const render = (ending: string, ...parts: Parameters<(typeof reportFormats)[number]['render']>) =>
  reportFormats.find(format => format.ending === ending)!.render(...parts)
const hold = (result = madeUpResult(), ...texts: string[]) =>
  texts.map(text => decide(parseRequirement(text), result, 'interval'))
const requirements = ['robust >= 0.43', 'standard >= 0.99', 'robust >= 0.45', 'apgd-ce.robust >= 0.6']

interface SarifLog {
  readonly runs: readonly [
    {
      readonly tool: { readonly driver: { readonly rules: readonly { readonly id: string }[] } }
      readonly results: readonly {
        readonly ruleId: string
        readonly ruleIndex: number
        readonly level: string
        readonly message: { readonly text: string }
        readonly locations: readonly {
          readonly physicalLocation: { readonly artifactLocation: { readonly uri: string } }
        }[]
        readonly partialFingerprints: Readonly<Record<string, string>>
      }[]
    },
  ]
}

function sarif(...parts: Parameters<(typeof reportFormats)[number]['render']>): SarifLog['runs'][0] {
  const log = JSON.parse(render('.sarif', ...parts)) as SarifLog
  expect(isSarif(log), JSON.stringify(isSarif.errors)).toBe(true)
  return log.runs[0]
}

test('JUnit: a suite of requirements, one for each attack, and counts that add up', () => {
  const result = madeUpResult()
  const root = parseXml(render('.junit.xml', result, undefined, hold(result, ...requirements)))
  const named = (element: XmlElement) => element.attributes.name
  expect(root.children.map(named)).toEqual(['requirements', 'apgd-ce'])
  const [general, attack] = root.children.map(({ children }) => children.filter(({ name }) => name === 'testcase'))
  expect(general!.map(named)).toEqual(requirements.slice(0, 3))
  expect(attack!.map(named)).toEqual(['apgd-ce on 900 samples', 'apgd-ce.robust >= 0.6'])
  const failures = (cases: readonly XmlElement[]) =>
    cases.map(({ children }) => children.map(({ name }) => name).join())
  expect(failures(general!)).toEqual(['system-out', 'failure,system-out', 'failure,system-out'])
  const [failure] = general![2]!.children
  expect(failure!.attributes.type).toMatch(/^undecided/)
  expect(failure!.attributes.message).toMatch(
    /^robust >= 0\.45 is undecided.*47\.00 % on 1,000 samples \(43\.87 % to 50\.15 % at 95 %\)/,
  )
  for (const [element, cases] of [
    [root, [...general!, ...attack!]],
    [root.children[0]!, general!],
  ] as const) {
    const failed = cases.filter(({ children }) => children.some(({ name }) => name === 'failure')).length
    expect(element.attributes).toMatchObject({ tests: String(cases.length), failures: String(failed), errors: '0' })
  }
})

test('JUnit without requirements fails for nothing but samples without a verdict', () => {
  expect(parseXml(render('.junit.xml', madeUpResult())).attributes).toMatchObject({
    tests: '1',
    failures: '0',
    errors: '0',
  })
  const unsure = madeUpResult({ failed: 3, unknown: 3 })
  expect(parseXml(render('.junit.xml', unsure)).attributes).toMatchObject({ tests: '1', failures: '0', errors: '1' })
})

test('SARIF: a rule for each class of weakness, findings in the model file, fingerprints that last', () => {
  const result = madeUpResult()
  const { tool, results } = sarif(result, undefined, hold(result, ...requirements))
  expect(results.map(({ ruleId, level }) => [ruleId, level])).toEqual([
    ['robustly/requirement', 'error'],
    ['robustly/requirement', 'warning'],
    ['robustly/requirement', 'error'],
    ['robustly/evasion-with-gradients', 'warning'],
  ])
  for (const { ruleId, ruleIndex, locations } of results) {
    expect(tool.driver.rules[ruleIndex]!.id).toBe(ruleId)
    expect(locations[0]!.physicalLocation.artifactLocation.uri).toBe('model.onnx')
  }
  const marks = (robust: number) => sarif(madeUpResult({ robust })).results.map(each => each.partialFingerprints)
  expect(marks(470)).toEqual(marks(300))
  expect(new Set(results.map(each => JSON.stringify(each.partialFingerprints))).size).toBe(results.length)
  const unsure = sarif(madeUpResult({ failed: 3, unknown: 3 })).results.map(({ ruleId }) => ruleId)
  expect(unsure).toContain('robustly/without-verdict')
  expect(isSarif({ version: '2.1.0', runs: [{ results: [] }] })).toBe(false)
})

test('the name of a file becomes a reference below the root, whatever it is', () => {
  expect(['model.onnx', 'a b.onnx', '..', 'javascript:alert(1)', '//host/x'].map(uriOf)).toEqual([
    'model.onnx',
    'a%20b.onnx',
    'model',
    'javascript%3Aalert(1)',
    '%2F%2Fhost%2Fx',
  ])
  expect(uriOf('https://host/v2/models/m')).toBe('https://host/v2/models/m')
  expect(uriOf('https://user:secret@host/m?key=secret')).toBe('https://host/m')
  expect(uriOf(`${'x'.repeat(299)}\u{1f600}`)).toMatch(/^x{299}%EF%BF%BD/)
})

test('Markdown: a hidden mark, and the requirements first', () => {
  const result = madeUpResult()
  const text = render('.md', result, undefined, hold(result, ...requirements))
  expect(text.startsWith(`${marker}\n`)).toBe(true)
  expect(text).toContain('| ✅ robust &gt;= 0.43 | met | 47.00 % | 43.87 % to 50.15 % |')
  expect(text).toContain('| ❌ standard &gt;= 0.99 | not met | 90.00 % |')
  expect(text).toContain('| ⚠️ robust &gt;= 0.45 | undecided, which counts as not met |')
  expect(text.indexOf('requirement')).toBeLessThan(text.indexOf('| accuracy |'))
})

test('annotations: an error for what is not met, a warning for what is undecided', () => {
  const result = { ...madeUpResult(), warnings: ['50 %: a line\nand another'] }
  const lines = annotations(result, hold(result, ...requirements))
    .trimEnd()
    .split('\n')
  expect(lines.map(line => line.split(' ')[0])).toEqual(['::error', '::warning', '::error', '::warning'])
  expect(lines[3]).toBe('::warning title=model.onnx::50 %25: a line%0Aand another')
})

/** Rows 28, 31 to 37, 51 and 52 of what hostile names may try. */
const hostile = [
  '</script><img src=x onerror=alert(1)>',
  '"><svg onload=alert(1)>',
  "' onmouseover='alert(1)",
  ']]><x/>',
  '<!-- --> --!>',
  '&lt;b&gt; &amp; &#60;',
  '\u001b[2J\u001b]0;title\u0007\u009b31m',
  '\u0000\u0001\u0008\u000b\u000c\u001f\ufffe\uffff\ud800',
  'a\r\nb\n::error::injected',
  'c\u2028d\u0085e',
  '\u202eexe.onnx\u202c\u200b',
  '=cmd|" /C calc"!A1',
  ' +1+1',
  '@SUM(1)',
  '| x | y |\n| --- | --- |',
  '[click](http://evil.example) ![](http://evil.example/x.png) <http://evil.example>',
  'https://evil.example www.evil.example @someone #123 `code` **bold** $x^2$',
  '<!-- robustly:result -->',
  '%0A::error::injected',
  '{0} [link](1)',
  '__proto__',
  '../../etc/passwd',
]

/** Live markup: tags, links, pictures, mentions, addresses, code. */
const markup = /<|(?<!\\)!?\[[^\]]*\]\(|@|:\/\/|www\.[a-z]|(?<!\\)`|(?<!\\)\*\*b/

const side = { name: 'a', model: 'm', sha256: '', samples: [0, 9], suite: 'quick', attacks: [], seed: 0, version: '0' }
const rates = {
  count: 9,
  first: 1,
  second: 1,
  difference: 0,
  interval: [-0.1, 0.1],
  probability: 1,
  lost: [],
  won: [],
} as const
const compared = { standard: rates, robust: rates, withoutVerdict: 0 }

type Check = (text: string, result: Result, outcomes?: readonly Outcome[]) => void

const harmless: Readonly<Record<string, Check>> = {
  '.json': (text, result, requirements) => {
    // JSON cannot hold half a surrogate pair in UTF-8; written as an escape it comes back as it was.
    expect(JSON.parse(text)).toEqual(requirements === undefined ? result : { ...result, requirements })
  },
  '.junit.xml': text => {
    const root = parseXml(text)
    expect(root.name).toBe('testsuites')
    const names = (element: XmlElement): string[] => [element.name, ...element.children.flatMap(names)]
    const known = ['testsuites', 'testsuite', 'properties', 'property', 'testcase', 'system-out', 'failure', 'error']
    expect(new Set([...names(root), ...known])).toEqual(new Set(known))
  },
  '.sarif': text => {
    const log = JSON.parse(text) as SarifLog
    expect(isSarif(log), JSON.stringify(isSarif.errors)).toBe(true)
    for (const { message, locations } of log.runs[0].results) {
      expect(message.text).not.toMatch(/(?<!\\)\[|(?<!\{)\{(?!\{)/)
      expect(message.text).not.toMatch(/[\p{Cc}\p{Bidi_Control}]/u)
      const { uri } = locations[0]!.physicalLocation.artifactLocation
      expect(new URL(uri, 'file:///root/').href).toMatch(/^(file:\/\/\/root\/|https?:)/)
    }
  },
  '.md': (text, result, outcomes) => {
    expect(text.match(/<!-- robustly:result -->/g)).toHaveLength(1)
    const shown = text.replace(marker, '')
    expect(shown).not.toMatch(markup)
    expect(shown).not.toMatch(/[^\P{Cc}\n]|\p{Bidi_Control}/u)
    // A name adds neither lines nor cells.
    const plain = render('.md', { ...madeUpResult(), warnings: result.warnings.map(() => 'w') }, undefined, outcomes)
    const shape = (markdown: string) => markdown.split('\n').map(line => line.match(/(?<!\\)\|/g)?.length ?? 0)
    expect(shape(text)).toEqual(shape(plain))
  },
  '.csv': (text, _, outcomes = []) => {
    const rows = parseCsv(text, { record_delimiter: '\r\n' }) as string[][]
    expect(rows[0]![0]).toBe('row')
    expect(rows).toHaveLength(4 + outcomes.length)
    for (const cell of rows.flat()) {
      if (!/^-?[\d.e+-]+$/.test(cell)) expect(cell).not.toMatch(/^\s*[=+\-@\t\r]/)
    }
  },
}

test.each(hostile)('%j stays a name in every format', text => {
  const result = madeUpResult({ text })
  // Requirements may name files too.
  const outcomes = hold(result, 'robust >= 0.9').map(outcome => ({ ...outcome, requirement: `drop <= 0 vs ${text}` }))
  for (const [ending, check] of Object.entries(harmless)) {
    check(render(ending, result), result)
    check(render(ending, result, undefined, outcomes), result, outcomes)
  }
  const terminal = renderTerminal(result, { width: 80, color: false, unicode: true })
  expect(terminal).not.toMatch(/[^\P{Cc}\n]|\p{Bidi_Control}/u)
  const lines = annotations(result, outcomes).split('\n')
  expect(lines).toHaveLength(3)
  for (const line of lines.slice(0, 2)) expect(line).toMatch(/^::(?:error|warning) title=[^:,\n\r]*::[^\n\r]*$/)
  const sides = [
    { ...side, name: text, model: text, attacks: [text] },
    { ...side, attacks: [] },
  ] as const
  const comparison = { ...compared, runs: sides, data: { file: text, sha256: '' }, threat: result.threat }
  expect(comparisonText(comparison)).not.toMatch(/[^\P{Cc}\n]|\p{Bidi_Control}/u)
  const markdown = comparisonMarkdown(comparison)
  expect(markdown.split('\n')).toHaveLength(
    comparisonMarkdown({ ...comparison, runs: [{ ...side, attacks: ['x'] }, sides[1]] }).split('\n').length,
  )
  expect(markdown.replace(/^<!-- robustly:comparison -->/, '')).not.toMatch(markup)
})

test('formats that hold text of others are all in the table', () => {
  const tested = new Set([...Object.keys(harmless), '.html']) // the page is tested beside its renderer
  expect(new Set(reportFormats.map(({ ending }) => ending))).toEqual(tested)
})

test('any name stays a name', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 60 }), text => {
      const result = madeUpResult({ text })
      for (const ending of ['.junit.xml', '.sarif', '.md', '.csv']) harmless[ending]!(render(ending, result), result)
    }),
    { numRuns: 300 },
  )
})
