/** Operators of ai.onnx.ml written out, beside ONNX Runtime on the operators themselves; what is left, and why. */
import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { engine, expectClose } from '../../../test/support/gradcheck.js'
import { type Attributes, float, floats, int, ints, text } from '../../../test/support/nodes.js'
import { RobustlyError } from '../../errors.js'
import { float32, int64, toNumbers } from '../../tensor/tensor.js'
import { decodeModel, encodeModel } from '../codec/index.js'
import { type Graph, initializer, type Node } from '../graph.js'
import { canonical } from './canonical.js'
import { singlePrecision } from './halves.js'
import { noGradientOf, standardOperators } from './ml.js'
import { scoresOf } from './scores.js'
import { splitSoftmax } from './softmax.js'

const x = float32([0.5, -1.5, 2, 0, 0, 0, -1, 3, Number.NaN, 0.25, -0.75, 1], [4, 3])
const finite = float32(
  [...x.data].map(value => (Number.isNaN(value) ? 0.5 : value)),
  x.shape,
)

/** One node over `x`, whose output of interest is the last; more nodes may follow it. */
function graphOf(op: string, attributes: Attributes, more: readonly (readonly [string, Attributes])[] = []): Graph {
  const node = (name: string, inputs: string[], outputs: string[], given: Attributes): Node => ({
    name: `${name} node`,
    op: name,
    domain: 'ai.onnx.ml',
    inputs,
    outputs,
    attributes: new Map(Object.entries(given)),
  })
  const nodes = [
    node(
      op,
      op === 'FeatureVectorizer' ? ['x', 'x'] : ['x'],
      op.endsWith('Classifier') ? ['label', 'y0'] : ['y0'],
      attributes,
    ),
  ]
  for (const [name, given] of more) nodes.push(node(name, [`y${nodes.length - 1}`], [`y${nodes.length}`], given))
  const y = `y${nodes.length - 1}`
  return {
    name: op,
    opsets: new Map([
      ['', 21],
      ['ai.onnx.ml', 3],
    ]),
    inputs: [{ name: 'x', dtype: 'float32', shape: [4, 3] }],
    outputs: [{ name: y, dtype: 'float32', shape: undefined }],
    nodes,
    initializers: new Map(),
    valueInfo: new Map(),
  }
}

async function run(graph: Graph, input: typeof x) {
  await using session = await (await engine()).createSession({ bytes: encodeModel(graph) }, { threads: 1 })
  const [y] = [...(await session.run(new Map([['x', input]]))).values()]
  return toNumbers(y!)
}

const three = {
  coefficients: floats(1, -2, 0.5, 0.3, 1, -1, -1, 0, 2),
  intercepts: floats(0.1, -0.2, 0.3),
  classlabels_ints: ints(0, 1, 2),
}
const two = {
  coefficients: floats(1, -2, 0.5, -1, 2, -0.5),
  intercepts: floats(0.25, -0.25),
  classlabels_ints: ints(0, 1),
}

const rows: readonly {
  op: string
  shows: string
  attributes: Attributes
  more?: [string, Attributes][]
  cut?: boolean
  nan?: boolean
}[] = [
  { op: 'Scaler', shows: 'per feature', attributes: { offset: floats(1, 2, 3), scale: floats(0.5, 2, -1) } },
  { op: 'Scaler', shows: 'one number', attributes: { offset: floats(1), scale: floats(0.5) } },
  { op: 'Normalizer', shows: 'MAX', attributes: { norm: text('MAX') } },
  { op: 'Normalizer', shows: 'L1', attributes: { norm: text('L1') } },
  { op: 'Normalizer', shows: 'L2', attributes: { norm: text('L2') } },
  { op: 'Binarizer', shows: 'a threshold', attributes: { threshold: float(0.5) } },
  {
    op: 'Imputer',
    shows: 'NaN',
    attributes: { imputed_value_floats: floats(7, 8, 9), replaced_value_float: float(Number.NaN) },
    nan: true,
  },
  { op: 'Imputer', shows: 'a number', attributes: { imputed_value_floats: floats(7), replaced_value_float: float(0) } },
  { op: 'FeatureVectorizer', shows: 'two parts', attributes: { inputdimensions: ints(3, 3) } },
  {
    op: 'LinearRegressor',
    shows: 'two targets',
    attributes: { coefficients: floats(1, -2, 0.5, 0.3, 1, -1), intercepts: floats(0.1, -0.2), targets: int(2) },
  },
  { op: 'LinearClassifier', shows: 'scores', attributes: three },
  { op: 'LinearClassifier', shows: 'softmax', attributes: { ...three, post_transform: text('SOFTMAX') }, cut: true },
  {
    op: 'LinearClassifier',
    shows: 'softmax, normalised',
    attributes: { ...three, post_transform: text('SOFTMAX') },
    more: [['Normalizer', { norm: text('L1') }]],
    cut: true,
  },
  {
    op: 'LinearClassifier',
    shows: 'one against the rest',
    attributes: { ...three, post_transform: text('LOGISTIC') },
    cut: true,
  },
  {
    op: 'LinearClassifier',
    shows: 'one against the rest, normalised',
    attributes: { ...three, post_transform: text('LOGISTIC') },
    more: [['Normalizer', { norm: text('L1') }]],
    cut: true,
  },
  {
    op: 'LinearClassifier',
    shows: 'two mirrored rows',
    attributes: { ...two, post_transform: text('LOGISTIC') },
    cut: true,
  },
]

describe('standardOperators', () => {
  it.each(rows)('$op, $shows', async ({ op, attributes, more, cut, nan }) => {
    const graph = graphOf(op, attributes, more)
    const { graph: written } = standardOperators(graph)
    expect(written.nodes.filter(node => node.domain !== '')).toEqual([])
    const input = nan ? x : finite
    expectClose(await run(written, input), await run(graph, input), 1e-5, op)
    const notes = splitSoftmax(written).notes
    expect(notes.some(note => note.includes('cut off'))).toBe(cut === true)
  })

  it.each([
    ['columns in any order, one of them twice', int64([2, 0, 2])],
    ['a column', int64([1], [])],
    ['a table of columns', int64([0, 2], [1, 2])],
  ])('ArrayFeatureExtractor, %s', async (_, places) => {
    const graph = graphOf('ArrayFeatureExtractor', {})
    const [node] = graph.nodes
    const given = {
      ...graph,
      nodes: [{ ...node!, inputs: ['x', 'places'] }],
      initializers: new Map([['places', initializer(places)]]),
    }
    const { graph: written } = standardOperators(given)
    expect(written.nodes.filter(node => node.domain !== '')).toEqual([])
    expectClose(await run(written, finite), await run(given, finite), 0, 'ArrayFeatureExtractor')
  })

  it.each([
    [
      'whose labels are used',
      { ...graphOf('LinearClassifier', two), outputs: [{ name: 'label', dtype: 'int64', shape: undefined }] },
    ],
    [
      'of one row for two classes',
      graphOf('LinearClassifier', { ...two, coefficients: floats(1, 2, 3), intercepts: floats(1) }),
    ],
    ['of weights that are no whole rows', graphOf('LinearClassifier', { ...two, coefficients: floats(1, 2, 3) })],
    ['of more targets than weights', graphOf('LinearRegressor', { coefficients: floats(1, 2), targets: int(2 ** 40) })],
    ['with a probit', graphOf('LinearClassifier', { ...two, post_transform: text('PROBIT') })],
  ] as [string, Graph][])('leaves a classifier %s', (_, graph) => {
    expect(standardOperators(graph).graph).toBe(graph)
  })
})

describe('noGradientOf', () => {
  it('names what is left, and tree ensembles as such', () => {
    expect(noGradientOf(graphOf('SVMClassifier', {}))).toEqual({
      why: 'There are no gradients through SVMClassifier (node "SVMClassifier node"); attacks by scores or labels work.',
      missing: new Map([['ai.onnx.ml.SVMClassifier', ['SVMClassifier node']]]),
    })
    expect(noGradientOf(graphOf('Scaler', {}, [['TreeEnsembleRegressor', {}]]))!.why).toMatch(/tree ensemble/)
    expect(noGradientOf(standardOperators(graphOf('Scaler', {})).graph)).toBeUndefined()
  })
})

describe('model files changed at random', () => {
  const files = ['breast-cancer-forest', 'breast-cancer-logistic', 'iris-normalised-names', 'iris-lightgbm']
  const folder = new URL('../../../test/exports/models/', import.meta.url)

  it.each(files)('%s: give a graph or a clear error', file => {
    const bytes = readFileSync(new URL(`${file}.onnx`, folder))
    const edit = fc.record({ at: fc.nat(bytes.length - 1), remove: fc.nat(4), insert: fc.uint8Array({ maxLength: 4 }) })
    fc.assert(
      fc.property(fc.array(edit, { minLength: 1, maxLength: 4 }), edits => {
        let mutated = Buffer.from(bytes)
        for (const { at, remove, insert } of edits) {
          mutated = Buffer.concat([mutated.subarray(0, at), insert, mutated.subarray(at + remove)])
        }
        try {
          const { graph } = scoresOf(decodeModel(new Uint8Array(mutated)).graph)
          const single = singlePrecision(canonical(graph).graph).graph
          for (const constant of standardOperators(single).graph.initializers.values()) constant.load()
        } catch (error) {
          if (!(error instanceof RobustlyError)) throw error
        }
      }),
      { numRuns: 300 },
    )
  })
})
