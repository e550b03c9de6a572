import { expect, test } from 'vitest'
import { reportFormats } from './index.js'
import { type Result, resultSchema } from './schema.js'
import { duration, grouped, percent, renderTerminal, short } from './terminal.js'

const rate = (correct: number, count: number, low: number, high: number) => ({
  value: correct / count,
  correct,
  count,
  interval: [low, high] as [number, number],
})
const attack = (name: string, attempted: number, broken: number) => ({
  name,
  options: { steps: 100 },
  attempted,
  broken,
  failed: 0,
  robustAfter: attempted - broken,
  queries: { forward: 12_345, gradient: 890_787 },
  seconds: 83.2,
})
const result: Result = {
  schemaVersion: 1,
  tool: { name: 'robustly', version: '0.1.0' },
  runtime: { onnxruntime: '1.30.0', engine: 'native', provider: 'cpu', node: '20.20.2' },
  model: {
    file: 'cnn.onnx',
    sha256: 'a'.repeat(64),
    parameters: 166_406,
    classes: 10,
    inputShape: [1, 28, 28],
    notes: [],
  },
  data: {
    file: 'mnist',
    sha256: 'b'.repeat(64),
    range: [0, 10_000],
    count: 10_000,
    mean: null,
    std: null,
    layout: 'NCHW',
    decoder: null,
  },
  threat: { norm: 'Linf', epsilon: '8/255', epsilonValue: 8 / 255, box: [0, 1] },
  suite: 'custom',
  mode: 'cascade',
  seed: 0,
  accuracy: {
    standard: rate(9850, 10_000, 0.9824, 0.9872),
    robust: rate(8658, 10_000, 0.859, 0.8723),
    certified: null,
  },
  unknown: 0,
  attacks: [attack('apgd-ce', 9850, 1192), attack('apgd-dlr', 8658, 0)],
  diagnostics: [],
  warnings: [
    'Something to know about these numbers, in a sentence long enough to need more than a line of a terminal.',
  ],
}
const run = { folder: 'runs/a', replay: 'robustly replay runs/a' }
const show = (width: number, unicode = true, color = false) => renderTerminal(result, { width, unicode, color, run })

test('the closing table at 80 columns', () => {
  expect(show(80)).toMatchInlineSnapshot(`
    "
      Model    cnn.onnx · 166,406 parameters · 10 classes · 1×28×28
      Data     mnist · 10,000 samples (0:10000)
      Threat   Linf ε = 8/255 · box [0, 1] · attacks as given · seed 0

      Attack    Attempted  Broken   Left  of all  Forward  Gradient        Time
      ─────────────────────────────────────────────────────────────────────────
      apgd-ce       9,850   1,192  8,658  86.6 %    12.3k      891k  1 min 23 s
      apgd-dlr      8,658       0  8,658  86.6 %    12.3k      891k  1 min 23 s

      Standard accuracy   98.50 %  ██████████████▊  [98.2 – 98.7 %]  9,850 of 10,000
      Robust accuracy     86.58 %  █████████████··  [85.9 – 87.2 %]  8,658 of 10,000
                         in brackets: 95 % confidence interval

      ! Something to know about these numbers, in a sentence long enough to need
        more than a line of a terminal.

      Run     runs/a
      Replay  robustly replay runs/a
    "
  `)
})

const distances: Result['distances'] = {
  norm: 'L2',
  bound: 'upper',
  median: 1.23456,
  quantiles: [0.1, 0.25, 0.5, 0.75, 0.9].map((share, i) => ({ share, distance: i < 4 ? i / 3 : null })),
  curve: [
    { epsilon: 0, robust: 0.98 },
    { epsilon: 0.5, robust: 0.5 },
  ],
  attacks: ['ddn', 'fmn'].map(name => ({ name, found: 9000, median: 1.3, optimality: 0.987 })),
  withoutDistance: 1234,
}

const constraints = { immutable: 2, integer: 1, monotone: 0, bounded: 0, oneHot: 3, relations: 0 }

test('distances, in every format', () => {
  const measured = { ...result, distances }
  const text = renderTerminal(measured, { width: 80, unicode: true, color: false })
  expect(text.split('\n').filter(line => /distance|Broken within|Median by/.test(line))).toEqual([
    '  Median distance    1.23 · L2, an upper bound · 1,234 samples never broken',
    '  Broken within      10 % 0 · 25 % 0.333 · 50 % 0.667 · 75 % 1 · 90 % –',
    '  Median by attack   ddn 1.3 (optimality 98.7 %) · fmn 1.3 (optimality 98.7 %)',
  ])
  for (const width of [40, 60]) {
    const lines = renderTerminal(measured, { width, unicode: false, color: false, run }).split('\n')
    expect(Math.max(...lines.map(line => line.length))).toBeLessThanOrEqual(width)
  }
  const [json, csv, markdown] = reportFormats.map(format => format.render(measured))
  expect(resultSchema.parse(JSON.parse(json!))).toEqual(measured)
  expect(csv).toContain('curve,epsilon 0.5,,,0.5,')
  expect(csv).toContain('distance,broken 0.9,,,,')
  expect(
    new Set(
      csv!
        .trimEnd()
        .split('\r\n')
        .map(row => row.split(',').length),
    ).size,
  ).toBe(1)
  expect(markdown).toContain('| ddn | 9,000 | 1.3 | 98.7 % |')
})

test.each([40, 50, 60, 75, 80, 100, 200])('no line is wider than a terminal of %i columns', width => {
  for (const line of show(width).split('\n')) expect(line.length).toBeLessThanOrEqual(width)
  expect(show(width)).toContain('86.58 %')
  expect(show(width)).toContain('1,192')
})

test.each([20, 24, 33, 39])('a terminal of %i columns gets a line for each attack, in full', width => {
  const measured = { ...result, distances, threat: { ...result.threat, constraints } }
  const text = renderTerminal(measured, { width, unicode: true, color: false })
  for (const line of text.split('\n')) expect(line.length).toBeLessThanOrEqual(width)
  const words = text.replaceAll(/\s+/g, ' ')
  expect(words).toContain(' apgd-ce: 1,192 broken, 8,658 left apgd-dlr: 0 broken, 8,658 left ')
  expect(words).toContain(' Robust accuracy 86.58 % [85.9 – 87.2 %] at 95 % ')
  expect(words).toContain(' 2 features that may not change, 1 feature that stays whole, 3 one-hot groups,')
})

test('plain ASCII without colour; the same words with it', () => {
  expect(show(80, false)).toMatch(/^[\n -~]+$/)
  // biome-ignore lint/suspicious/noControlCharactersInRegex: colours are control characters
  expect(show(80, true, true).replaceAll(/\u001b\[\d+m/g, '')).toBe(show(80))
})

test('text from files cannot leave its place', () => {
  const evil = '\u001b[2J\u001b]0;title\u0007\u202e=cmd()|<script>"]]>\n| x | @someone [a](http://b) `x`'
  const bad: Result = {
    ...result,
    model: { ...result.model, file: evil },
    data: { ...result.data, file: evil },
    attacks: [{ ...result.attacks[0]!, name: `=${evil}` }],
    warnings: [evil],
  }
  const terminal = renderTerminal(bad, { width: 80, unicode: true, color: false })
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these must not be there
  expect(terminal).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u202e]/)
  const [json, csv, markdown] = reportFormats.map(format => format.render(bad))
  expect(JSON.parse(json!)).toEqual(bad)
  expect(csv).toContain(`"'=`)
  expect(markdown).not.toMatch(/<script>|@someone|\]\(http|^\| x/m)
})

test('JSON numbers round-trip, and what is no number is refused', () => {
  expect(resultSchema.parse(JSON.parse(reportFormats[0]!.render(result)))).toEqual(result)
  const broken = { ...result, threat: { ...result.threat, epsilonValue: Number.NaN } }
  expect(resultSchema.safeParse(broken).success).toBe(false)
})

test('CSV has one header and as many fields in every row', () => {
  const rows = reportFormats[1]!.render(result).trimEnd().split('\r\n')
  expect(new Set(rows.map(row => row.split(',').length)).size).toBe(1)
  expect(rows).toContain('attack,apgd-ce,,,,,,9850,1192,0,8658,12345,890787,83.2')
})

test('numbers for people', () => {
  expect([0, 999, 1000, 1234567].map(grouped)).toEqual(['0', '999', '1,000', '1,234,567'])
  expect([0, 999, 999.6, 12_345, 99_960, 999_499, 999_600].map(short)).toEqual([
    '0',
    '999',
    '1.00k',
    '12.3k',
    '100k',
    '999k',
    '1.00M',
  ])
  expect([0, 1, 0.5, 1e-9, 1 - 1e-9].map(share => percent(share, 2))).toEqual([
    '0.00 %',
    '100.00 %',
    '50.00 %',
    '0.01 %',
    '99.99 %',
  ])
  expect([0.04, 9.96, 59.4, 200, 7500].map(duration)).toEqual(['0.0 s', '10 s', '59 s', '3 min 20 s', '2 h 5 min'])
})
