import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { asset } from '../../test/support/assets.js'
import { node } from '../../test/support/nodes.js'
import { GraphBuilder, type Value } from '../onnx/build.js'
import { float32 } from '../tensor/tensor.js'
import { inspectModel } from './facts.js'
import { graphFacts } from './graph-facts.js'

const own = (name: string) => inspectModel(fileURLToPath(new URL(`../../${name}`, import.meta.url)))

/** What is said of a network whose first steps are these. */
function rangeAfter(steps: (b: GraphBuilder, x: Value, constant: (...values: number[]) => Value) => Value): string {
  const b = new GraphBuilder('range')
  const x = b.input('x', 'float32', [1, 3, 2, 2])
  b.output(b.relu(steps(b, x, (...values) => b.constant(float32(values, [1, values.length, 1, 1])))), 'y')
  return graphFacts(b.build(), undefined, 1).inputRange
}

describe('what a graph tells of its use', () => {
  it('counts multiply-adds, finds layout and range', async () => {
    // Two convolutions and two layers, by hand: output elements x terms.
    const cost = 14 * 14 * 16 * 16 + 7 * 7 * 32 * 16 * 16 + 7 * 7 * 32 * 64 + 64 * 10
    const found = await own('examples/models/mnist-cnn.onnx')
    expect(found).toMatchObject({ multiplyAdds: cost, layout: 'NCHW', quantised: false, draws: [] })
    expect(found.inputRange).toMatch(/not normalised/)
  })

  it('counts recurrences', async () => {
    // 12 steps of 8 numbers, three gates of 16, six classes.
    const { multiplyAdds } = await own('test/exports/models/gru-script.onnx')
    expect(multiplyAdds).toBe(12 * (3 * 16 * 8 + 3 * 16 * 16) + 16 * 6)
  })

  it('counts the numbers of operators of ai.onnx.ml as parameters', async () => {
    const { parameters } = await own('test/exports/models/breast-cancer-logistic.onnx')
    // A mean, a scale and, for each of two classes, a weight for each of 30 features, with two intercepts.
    expect(parameters).toBe(2 * 30 + 2 * (30 + 1))
  })

  it.each([
    ['nothing', (_, x) => x, /^not normalised/],
    ['a division by 255', (b, x, c) => b.div(x, c(255)), /^0 to 255/],
    ['a mean of bytes', (b, x, c) => b.sub(x, c(104, 117, 123)), /^0 to 255/],
    ['bytes to -1 … 1', (b, x, c) => b.sub(b.mul(x, c(1 / 127.5)), c(1)), /^0 to 255/],
    ['a mean and a scale', (b, x, c) => b.div(b.sub(x, c(0.49, 0.48, 0.45)), c(0.2, 0.2, 0.2)), /from 0 to 1$/],
    [
      'bytes made of shares, then normalised',
      (b, x, c) => b.div(b.sub(b.mul(x, c(255)), c(127)), c(128)),
      /from 0 to 1$/,
    ],
    ['two minus what comes', (b, x, c) => b.sub(c(1), x), /from 0 to 1$/],
  ] satisfies [string, Parameters<typeof rangeAfter>[0], RegExp][])('range of values: %s', (_, steps, range) => {
    expect(rangeAfter(steps)).toMatch(range)
  })

  it('tells where every operator stands', async () => {
    const { operators, quantised } = await own('test/exports/models/mnist-cnn-int8-qoperator.onnx')
    expect(quantised).toBe(true)
    expect(operators).toEqual([
      { name: 'QLinearConv', count: 2, standing: 'surrogate' },
      { name: 'com.microsoft.QGemm', count: 2, standing: 'surrogate' },
      { name: 'DequantizeLinear', count: 1, standing: 'gradient' },
      { name: 'Flatten', count: 1, standing: 'gradient' },
      { name: 'QuantizeLinear', count: 1, standing: 'surrogate' },
    ])
    const forest = await own('test/exports/models/breast-cancer-forest.onnx')
    expect(forest.operators.filter(({ standing }) => standing === 'none')).toEqual([
      { name: 'ai.onnx.ml.TreeEnsembleClassifier', count: 1, standing: 'none' },
    ])
  })

  it('names what draws at random', () => {
    const b = new GraphBuilder('draws')
    b.output(b.relu(b.input('x', 'float32', [1, 3])), 'y')
    const graph = b.build()
    const noise = ['RandomNormalLike', 'RandomUniformLike', 'RandomNormalLike'].map((op, i) =>
      node(op, ['x'], [`n${i}`]),
    )
    const { draws } = graphFacts({ ...graph, nodes: [...graph.nodes, ...noise] }, undefined, 1)
    expect(draws).toEqual([
      { name: 'RandomNormalLike', count: 2 },
      { name: 'RandomUniformLike', count: 1 },
    ])
  })

  it.skipIf(asset('MANIFEST.md') === undefined).each([
    ['models/cifar10_resnet20_std.onnx', /^normalised in the graph/],
    ['models/mnist_cntk.onnx', /^not normalised/],
  ])('%s: range of values', async (file, range) => {
    expect((await inspectModel(asset(file)!)).inputRange).toMatch(range)
  })
})
