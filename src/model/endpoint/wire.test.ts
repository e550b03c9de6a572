/** What is sent and what is understood, in both protocols. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { at, parsePath } from './path.js'
import { rowsOf } from './rows.js'
import { type Endpoint, endpointSchema, mappingOf } from './schema.js'
import { wireOf } from './wire.js'

const settled = {
  url: 'https://host.test/v2/models/m',
  classes: 3,
  inputShape: null,
  rowsPerRequest: 8,
  fixedRows: false,
} as const
const v2 = (datatype: 'FP32' | 'UINT8' = 'FP32', output = 'probs'): Endpoint => ({
  ...settled,
  ...{ protocol: 'v2', kind: 'scores', input: { name: 'in "put"', datatype }, output },
})
const json = (more: object): Endpoint =>
  ({
    ...settled,
    ...{
      protocol: 'json',
      method: 'POST',
      kind: 'scores',
      request: { instances: '$samples' },
      samples: 'nested',
      response: 'predictions',
    },
    ...more,
  }) as Endpoint
const scores = (count: number) => ({ kind: 'scores', count, classes: 3 }) as const

describe('Open Inference Protocol v2', () => {
  test('the request of the specification', () => {
    const { method, url, encode } = wireOf(v2())
    expect([method, url]).toEqual(['POST', 'https://host.test/v2/models/m/infer'])
    expect(JSON.parse(encode(Float32Array.of(1, 2, 3, 4), 2, [1, 2]))).toEqual({
      inputs: [{ name: 'in "put"', shape: [2, 1, 2], datatype: 'FP32', data: [1, 2, 3, 4] }],
      outputs: [{ name: 'probs' }],
    })
    expect(JSON.parse(wireOf(v2('UINT8', '')).encode(Float32Array.of(0, 0.5, 1, 1.2), 1, [4]))).toEqual({
      inputs: [{ name: 'in "put"', shape: [1, 4], datatype: 'UINT8', data: [0, 128, 255, 255] }],
    })
  })
  test('every float32 arrives as it was', () => {
    fc.assert(
      fc.property(fc.float32Array({ minLength: 1, maxLength: 20, noNaN: true, noDefaultInfinity: true }), values => {
        const { inputs } = JSON.parse(wireOf(v2()).encode(values, 1, [values.length])) as {
          inputs: [{ data: number[] }]
        }
        expect(Float32Array.from(inputs[0].data)).toEqual(values.map(value => value + 0)) // JSON has no -0
      }),
    )
  })
  // Answers as Triton and KServe give them.
  const triton = (data: unknown, shape = [2, 3], name = 'probs') =>
    JSON.stringify({ model_name: 'm', model_version: '1', outputs: [{ name, datatype: 'FP32', shape, data }] })
  test.each([
    ['flat', triton([1, 2, 3, 4, 5, 6])],
    [
      'nested',
      triton([
        [1, 2, 3],
        [4, 5, 6],
      ]),
    ],
    ['one output of another name', triton([1, 2, 3, 4, 5, 6], [2, 3], 'other')],
  ])('understands: %s', (_, text) => {
    expect(wireOf(v2()).decode(text, scores(2))).toEqual(Float32Array.of(1, 2, 3, 4, 5, 6))
  })
  test.each([
    ['', 'the answer is empty'],
    ['<!doctype html><html>', 'the answer is a web page, not JSON'],
    ['{"outputs": [', 'the answer is not JSON: "{"outputs": ["'],
    ['{"outputs":[{"name":"probs","data":[NaN]}]}', 'the answer holds NaN or Infinity, which JSON does not have'],
    ['[]', 'the answer holds no outputs'],
    ['null', 'the answer holds no outputs'],
    [triton([1, 2, 3], [1, 3]), 'the answer has the shape [1,3], expected 2 rows'],
    [triton([1, 2, 3, 4], [2, 2]), 'the answer holds 2 scores for a sample, expected 3'],
    [triton([1, 2, 3, 4, 5], [2, 3]), 'the answer holds 5 rows with 5 numbers, expected 2 rows'],
    [
      triton([
        [1, 2, 3, 4],
        [5, 6],
      ]),
      'the answer holds rows of different lengths',
    ],
    [triton(['1', 2, 3, 4, 5, 6]), 'the answer holds "1" where a number is expected'],
    [triton({ a: 1 }), 'the answer holds an object where numbers are expected'],
    [triton(undefined), 'the answer holds nothing where the rows are expected'],
    [triton(JSON.parse(`${'['.repeat(50)}${']'.repeat(50)}`)), 'the answer is nested too deeply'],
    ['{"outputs":[{"name":"a","data":[]},{"name":"b","data":[]}]}', 'the answer holds no output "probs"'],
  ])('refuses %s', (text, problem) => {
    expect(wireOf(v2()).decode(text, scores(2))).toBe(problem)
  })
  test('numbers that JSON cannot hold come as null and are not finite', () => {
    expect(wireOf(v2()).decode(triton([null, 2, 3], [1, 3]), scores(1))).toEqual(Float32Array.of(Number.NaN, 2, 3))
  })
})

describe('plain JSON', () => {
  const rows = Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8)
  const sent = (more: object, count = 2) =>
    JSON.parse(wireOf(json(more)).encode(rows.subarray(0, 4 * count), count, [1, 2, 2])) as unknown
  test('samples nested, flat, as base64, one alone', () => {
    expect(sent({})).toEqual({
      instances: [
        [
          [
            [1, 2],
            [3, 4],
          ],
        ],
        [
          [
            [5, 6],
            [7, 8],
          ],
        ],
      ],
    })
    expect(sent({ samples: 'flat' })).toEqual({
      instances: [
        [1, 2, 3, 4],
        [5, 6, 7, 8],
      ],
    })
    const { image } = sent({ samples: 'base64', request: { image: '$sample' } }, 1) as { image: string }
    expect(new Float32Array(Uint8Array.from(Buffer.from(image, 'base64')).buffer)).toEqual(rows.subarray(0, 4))
  })
  test('what other inputs get stands where the template names them', () => {
    const request = {
      inputs: { image: '$samples', 'odd "ids"': '$samples.odd "ids"', at: '$samples.at' },
      shapes: ['$shape', '$shape.odd "ids"'],
    }
    const others = [
      { name: 'at', datatype: 'FP32', shape: [], values: Float32Array.of(0.5, 7) },
      { name: 'odd "ids"', datatype: 'FP32', shape: [1, 2], values: Float32Array.of(1, 2, 3, 4) },
    ]
    const said = (more: object, count: number) =>
      JSON.parse(wireOf(json({ request, ...more })).encode(rows.subarray(0, 4 * count), count, [4], others)) as unknown
    expect(said({}, 2)).toEqual({
      inputs: {
        image: [
          [1, 2, 3, 4],
          [5, 6, 7, 8],
        ],
        'odd "ids"': [[[1, 2]], [[3, 4]]],
        at: [0.5, 7],
      },
      shapes: [
        [2, 4],
        [2, 1, 2],
      ],
    })
    expect(said({ request: [{ x: '$sample', ids: '$sample.odd "ids"' }], samples: 'flat' }, 2)).toEqual([
      { x: [1, 2, 3, 4], ids: [1, 2] },
    ])
  })
  test('only whole values of the template are replaced', () => {
    const request = { $count: '$count', text: 'a "$samples" b', shape: '$shape', data: ['$samples'] }
    expect(sent({ request, samples: 'flat' }, 1)).toEqual({
      ...{ $count: 1, text: 'a "$samples" b', shape: [1, 1, 2, 2], data: [[[1, 2, 3, 4]]] },
    })
  })
  test('scores by path, labels by number or name, objects by class name', () => {
    const answer = JSON.stringify({
      results: [
        { s: { cat: 1, dog: 2, eel: 3 }, l: 'dog' },
        { s: { eel: 6, dog: 5, cat: 4 }, l: 'eel' },
      ],
    })
    const classNames = ['cat', 'dog', 'eel']
    const byName = { ...scores(2), classNames }
    expect(wireOf(json({ response: 'results[*].s' })).decode(answer, byName)).toEqual(Float32Array.of(1, 2, 3, 4, 5, 6))
    expect(wireOf(json({ response: 'results[*].l' })).decode(answer, { ...byName, kind: 'labels' })).toEqual(
      Float32Array.of(0, 1, 0, 0, 0, 1),
    )
    expect(wireOf(json({ response: 'results[*].x' })).decode(answer, byName)).toBe(
      'the answer holds nothing at results[*].x',
    )
    expect(rowsOf([[2], [0]], { ...scores(2), kind: 'labels' })).toEqual(Float32Array.of(0, 0, 1, 1, 0, 0))
    expect(
      rowsOf(
        [
          [1, 9, 2],
          [3, 3, 0],
        ],
        { ...scores(2), kind: 'labels' },
      ),
    ).toEqual(Float32Array.of(0, 1, 0, 1, 0, 0))
    expect(rowsOf([3, 0], { ...scores(2), kind: 'labels' })).toBe(
      'the answer holds the label 3, which is none of the 3 classes',
    )
    expect(rowsOf(['cow', 'cat'], { ...byName, kind: 'labels' })).toContain('"cow"')
    expect(rowsOf([1], { kind: 'labels', count: 1, classes: undefined })).toContain('not known')
    expect(rowsOf({ cat: 1, dog: 2 }, { ...byName, count: 1 })).toBe('the answer holds no number for the class "eel"')
  })
})

describe('paths', () => {
  test.each([
    ['a.b', 1],
    ['$.a.b', 1],
    ['list[1][0]', 3],
    ['["odd name"].x', 4],
    ['rows[*].s', [5, 6]],
    ['a.c', undefined],
    ['list[9]', undefined],
    ['rows[*].t', undefined],
    ['a.constructor', undefined],
    ['__proto__', undefined],
  ])('%s', (path, expected) => {
    const value = { a: { b: 1 }, list: [2, [3]], 'odd name': { x: 4 }, rows: [{ s: 5, t: 1 }, { s: 6 }] }
    expect(at(value, parsePath(path) as Exclude<ReturnType<typeof parsePath>, string>)).toEqual(expected)
  })
  test.each(['a..b', 'a[', '[x]', 'a b', '9'])('%s is none', path => {
    expect(parsePath(path)).toMatch(/^is not a path at/)
  })
})

describe('endpoint files', () => {
  const file = { protocol: 'json', request: { x: ['$samples'] }, response: 'y', kind: 'scores' }
  test('defaults; headers and limits are no part of the mapping', () => {
    const full = endpointSchema.parse({ ...file, url: 'https://h', headers: { a: '$B' }, maxQueries: 5 })
    expect(full).toMatchObject({
      concurrency: 4,
      retries: 4,
      timeoutSeconds: 30,
      allowPrivate: false,
      samples: 'nested',
    })
    expect(mappingOf(full)).toEqual({ ...file, method: 'POST', samples: 'nested' })
  })
  test.each([
    [{ ...file, retires: 3 }, /retires/],
    [{ ...file, request: { x: 'samples' } }, /\$samples/],
    [{ ...file, request: { x: '$samples.x', n: '$count' } }, /\$samples/],
    [{ ...file, response: 'a..b' }, /is not a path/],
    [{ ...file, protocol: 'v3' }, /protocol|discriminator/i],
    [{ ...file, classNames: ['a', 'a'] }, /twice/],
    [{ ...file, concurrency: 0 }, /concurrency|>=1/],
    [{ protocol: 'v2', response: 'a' }, /response/],
  ])('%j is refused', (value, message) => {
    expect(JSON.stringify(endpointSchema.safeParse(value).error?.issues)).toMatch(message)
  })
})
