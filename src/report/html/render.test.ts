import fc from 'fast-check'
import { expect, test } from 'vitest'
import { madeUpRun } from '../../../test/support/report-run.js'
import { numbersOf } from '../../../web/data/columns.js'
import { decodeFloats } from '../../evaluate/record.js'
import type { EvaluationSpec } from '../../evaluate/spec.js'
import { floats, integers } from './columns.js'
import { commandOf } from './command.js'
import type { ReportDocument, Trace } from './document.js'
import { embedded } from './embed.js'
import { embeddedShape, embeddedSize, encodeSample, frameOf, spread } from './gallery.js'
import { renderHtml, withoutRecords } from './render.js'
import { embeddedTrace } from './traces.js'

type Trail = Trace['attacks'][number]

const hostile = `</script><img src=x onerror="document.title='taken'"><!--<script>\u2028$&$1`

/** The data of a page as the page reads it. */
function dataOf(page: string, id = 'report-data'): unknown {
  const start = `<script type="application/json" id="${id}">`
  const from = page.indexOf(start) + start.length
  return JSON.parse(page.slice(from, page.indexOf('</script>', from)))
}

test('hostile names cannot leave the data', () => {
  const run = madeUpRun({ count: 20, text: hostile, name: hostile, classNames: Array(10).fill(hostile) })
  const page = renderHtml([run])
  const clean = renderHtml([madeUpRun({ count: 20 })])
  const scripts = (text: string) => text.match(/<\/?script/g)?.length
  expect(scripts(page)).toBe(scripts(clean))
  expect(page).not.toContain('<img src=x')
  expect((dataOf(page) as ReportDocument).runs[0]!.result.data.file).toBe(hostile)
})

test('any value comes back from its JSON, which holds nothing that a parser of HTML looks for', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom('<', '/', '!', '-', '\u2028', '\u2029', '\\', '"', 'a') }), text => {
      expect(JSON.parse(embedded({ text }))).toEqual({ text })
      expect(embedded({ text })).not.toMatch(/[<\u2028\u2029]/)
    }),
  )
})

test('the page holds one policy that lets it load nothing, and no address', () => {
  const page = renderHtml([madeUpRun({ count: 20 })])
  const policies = page.match(/http-equiv="Content-Security-Policy" content="([^"]*)"/g)
  expect(policies).toHaveLength(1)
  expect(policies![0]).toMatch(
    /default-src 'none'; script-src 'sha256-[\w+/=]+'; style-src 'unsafe-inline'; img-src data:/,
  )
  expect(page).not.toMatch(/<(link|script|img)[^>]+(href|src)="(?!data:)/)
})

test('the page itself stays small: nothing of the program that it does not need comes along', () => {
  expect(Buffer.byteLength(renderHtml([madeUpRun({ count: 5, withGallery: false })]))).toBeLessThan(400_000)
})

test('10,000 samples of a suite with four attacks stay below 2 MB without the gallery', () => {
  const attacks = ['apgd-ce', 'apgd-t', 'fab-t', 'square']
  const page = renderHtml([madeUpRun({ count: 10_000, attacks, withGallery: false })])
  expect(Buffer.byteLength(page)).toBeLessThan(2e6)
})

test('runs of the same name are told apart; a result alone is enough', () => {
  const run = madeUpRun({ count: 5, name: 'a' })
  const document = dataOf(renderHtml([run, run, withoutRecords(run.document.result)])) as ReportDocument
  expect(document.runs.map(({ name }) => name)).toEqual(['a', 'a (2)', 'made-up.onnx'])
  expect(document.runs[2]).toMatchObject({ records: null, gallery: null, command: null })
})

test('columns keep their numbers, in the smallest type', () => {
  const whole = fc.array(fc.oneof(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }), fc.integer({ min: -3, max: 300 })))
  fc.assert(fc.property(whole, values => void expect([...numbersOf(integers(values))]).toEqual(values)))
  const real = fc.array(fc.float())
  fc.assert(fc.property(real, values => void expect([...numbersOf(floats(values))]).toEqual(values)))
  expect([[0, 255], [-1, 127], [256], [-200], [70_000], [-70_000]].map(values => integers(values).type)).toEqual([
    'u8',
    'i8',
    'u16',
    'i16',
    'u32',
    'i32',
  ])
  expect(() => integers([2 ** 32])).toThrow(RangeError)
})

test('a spread is increasing, without doubles, from the start to near the end', () => {
  const sizes = fc.tuple(fc.integer({ min: 1, max: 500 }), fc.integer({ min: 1, max: 500 }))
  fc.assert(
    fc.property(sizes, ([available, count]) => {
      const chosen = spread(available, count)
      expect(chosen).toHaveLength(Math.min(available, count))
      expect(chosen.every((at, i) => i === 0 || at > chosen[i - 1]!)).toBe(true)
      expect(chosen[0]).toBe(0)
      expect(chosen.at(-1)).toBeLessThan(available)
      expect(chosen.at(-1)).toBeGreaterThanOrEqual(available - Math.ceil(available / chosen.length) - 1)
    }),
  )
})

test('a long search keeps its first and its last query, and as many between as can be told apart', () => {
  const search = (length: number) => {
    const values = Array.from({ length }, (_, at) => at / 8)
    const trace = { attack: 'b', margin: values, loss: values.map(() => null), distance: values }
    return embeddedTrace({ reproduced: false, attacks: [trace, { ...trace, attack: 'unknown' }] }, ['a', 'b'])
  }
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 3000 }), length => {
      const [{ attack, queries, query, margin, loss }, ...others] = search(length).attacks as [Trail, ...Trail[]]
      expect([attack, queries, loss, others]).toEqual([1, length, null, []])
      const numbers = [...numbersOf(query)]
      expect(numbers.length).toBe(length <= 400 ? length : 401)
      expect([numbers[0], numbers.at(-1)]).toEqual([1, length])
      expect([...numbersOf(margin)]).toEqual(numbers.map(number => (number - 1) / 8))
    }),
    { numRuns: 30 },
  )
})

test('pictures keep their pixels and changes, whatever the layout', () => {
  // 3 channels, 1 × 2 pixels; red of the first pixel rises by 0.1, blue of the second falls by 0.06.
  const frames = [
    { layout: 'CHW', shape: [3, 1, 2], clean: [0, 1, 0.2, 0.4, 0, 0.6], change: [0.1, 0, 0, 0, 0, -0.06] },
    { layout: 'HWC', shape: [1, 2, 3], clean: [0, 0.2, 0, 1, 0.4, 0.6], change: [0.1, 0, 0, 0, 0, -0.06] },
  ] as const
  const texts = frames.map(({ layout, shape, clean, change }) => {
    const frame = frameOf('image', shape, { layout, range: [0, 1] })
    expect(embeddedShape(frame)).toEqual([3, 1, 2])
    const point = clean.map((value, at) => value + change[at]!)
    const text = encodeSample(frame, Float32Array.from(point), Float32Array.from(clean))
    expect(text).toHaveLength(embeddedSize(frame, true))
    return text
  })
  expect(texts[0]).toBe(texts[1])
  const bytes = Buffer.from(texts[0]!, 'base64')
  expect(bytes.readFloatLE(0)).toBeCloseTo(0.1, 6)
  expect([...bytes.subarray(4, 10)]).toEqual([0, 51, 0, 255, 102, 153])
  expect([...new Int8Array(bytes.subarray(10))]).toEqual([127, 0, 0, 0, 0, -76])
})

test('large pictures are averaged over squares, and features keep their values', () => {
  const frame = frameOf('image', [1, 256, 256], { layout: 'CHW', range: [0, 2] })
  expect(embeddedShape(frame)).toEqual([1, 128, 128])
  const values = new Float32Array(256 * 256)
  values.set([2, 0], 0)
  values.set([2, 2], 256)
  expect(Buffer.from(encodeSample(frame, values, undefined), 'base64')[0]).toBe(Math.round((255 * 3) / 4))
  const features = frameOf('features', [3], { layout: 'CHW', range: [0, 1] })
  const text = encodeSample(features, Float32Array.of(1.5, -2, 3), Float32Array.of(1, -2, 1e20))
  expect([...decodeFloats(text)]).toEqual([1, -2, Math.fround(1e20), 1.5, -2, 3])
})

test('the command says what is not as usual, with names in place of paths', () => {
  const spec: EvaluationSpec = {
    model: { path: '/home/someone/my model.onnx', sha256: '' },
    data: { path: '/data/secret/x.npz', sha256: '', range: [0, 10], space: { mean: [0.5], layout: 'NHWC' } },
    threat: { norm: 'L2', epsilon: 0.5, epsilonText: '0.5', box: null },
    suite: 'custom',
    attacks: [
      { name: 'fgsm', options: {} },
      { name: 'pgd', options: { steps: 7 } },
    ],
    mode: 'individual',
    seed: 3,
  }
  const command = commandOf(spec, path => path.replace(/.*\//, ''))
  expect(command).toBe(
    "robustly evaluate 'my model.onnx' --data x.npz --samples 0:10 --norm L2 --epsilon 0.5 --box none --mean 0.5" +
      ' --layout NHWC --attack fgsm --attack pgd:steps=7 --individual --seed 3',
  )
  expect(commandOf({ ...spec, suite: 'standard' }, path => path)).toContain('--suite standard')
  const surrogateModels = [
    { path: 'a.onnx', sha256: '' },
    { path: 'b.onnx', sha256: '', space: { mean: [0.5, 0.25], layout: 'NHWC', scale: 255 } },
  ] as const
  expect(commandOf({ ...spec, surrogateModels }, path => path)).toContain(
    '--surrogate a.onnx --surrogate b.onnx:mean=0.5,0.25,layout=NHWC,scale=255 --data',
  )
})
