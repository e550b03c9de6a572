/**
 * Networks that classify without having been trained: random features, of which the last layer is fitted to real samples by ridge
 * regression. Enough for an accuracy that noise leaves alone and attacks do not.
 */
import { openDataset } from '../../src/data/dataset.js'
import { encodeModel } from '../../src/onnx/codec/index.js'
import { type Graph, initializer } from '../../src/onnx/graph.js'
import { loadEngine } from '../../src/runtime/engine.js'
import { float32, type Shape, sizeOf, toNumbers } from '../../src/tensor/tensor.js'
import { mnist } from './assets.js'
import type { Network } from './networks.js'

export interface Samples {
  readonly inputs: readonly Float32Array[]
  readonly labels: Int32Array
}

const classes = 10

/** MNIST in [0, 1], shrunk to 16 x 16 by the mean of 2 x 2 after two rows of zeros on each side; grey in every channel. */
export async function smallDigits(split: 'train' | 'test', count: number, sample: Shape): Promise<Samples> {
  const data = await openDataset(mnist, { split })
  const { inputs, labels } = await data.read(0, count)
  await data.close()
  const shrunk = Array.from({ length: count }, (_, at) => {
    const plane = new Float32Array(256)
    for (let i = 0; i < 784; i++) {
      const [row, column] = [(Math.floor(i / 28) + 2) >> 1, ((i % 28) + 2) >> 1]
      plane[16 * row + column]! += inputs[784 * at + i]! / 4
    }
    return Float32Array.from({ length: sizeOf(sample) }, (_, i) => plane[i % 256]!)
  })
  return { inputs: shrunk, labels }
}

/** The values of some names for each sample, from ONNX Runtime. */
export async function valuesOf(network: Network, names: readonly string[], samples: readonly Float32Array[]) {
  const outputs = names.map(name => ({ name, dtype: 'float32', shape: undefined }) as const)
  const engine = await loadEngine()
  await using session = await engine.createSession(
    { bytes: encodeModel({ ...network.graph, outputs }) },
    { threads: 1 },
  )
  const found: Float32Array[][] = []
  for (const sample of samples) {
    const values = await session.run(new Map([['x', float32(sample, [1, ...network.sample])]]))
    found.push(names.map(name => Float32Array.from(toNumbers(values.get(name)!))))
  }
  return found
}

/** The network with its last dense layer, x W + b, fitted to the samples. */
export async function fitted(network: Network, { inputs, labels }: Samples): Promise<Network> {
  const { graph } = network
  const product = graph.nodes.findLast(({ op }) => op === 'MatMul')!
  const sum = graph.nodes.find(({ inputs: from }) => from.includes(product.outputs[0]!))!
  const [from, weights] = product.inputs as [string, string]
  const bias = sum.inputs.find(name => graph.initializers.has(name))!
  const features = (await valuesOf(network, [from], inputs)).map(([own]) => Float64Array.of(...own!, 1))
  const solution = ridge(features, labels)
  const width = features[0]!.length - 1
  const initializers: Graph['initializers'] = new Map([
    ...graph.initializers,
    [weights, initializer(float32(solution.subarray(0, width * classes), [width, classes]))],
    [bias, initializer(float32(solution.subarray(width * classes), [classes]))],
  ])
  const outputs = graph.outputs.map(output => ({ ...output, shape: [1, classes] }))
  return { ...network, graph: { ...graph, initializers, outputs } }
}

/** Scores aimed at, for the true class. */
const height = 10

/** W with (XᵀX + λ n I) W = Xᵀ Y by Cholesky's factors; [features, classes], row by row. */
function ridge(rows: readonly Float64Array[], labels: Int32Array): Float32Array {
  const size = rows[0]!.length
  const a = Array.from({ length: size }, () => new Float64Array(size))
  const y = Array.from({ length: size }, () => new Float64Array(classes))
  rows.forEach((row, at) => {
    for (let i = 0; i < size; i++) {
      const [own, value] = [a[i]!, row[i]!]
      if (value === 0) continue
      for (let j = 0; j <= i; j++) own[j]! += value * row[j]!
      y[i]![labels[at]!]! += height * value
    }
  })
  const mean = a.reduce((sum, row, i) => sum + row[i]!, 0) / size
  for (let i = 0; i < size; i++) a[i]![i]! += 1e-3 * mean
  for (let i = 0; i < size; i++) {
    for (let j = 0; j <= i; j++) {
      let value = a[i]![j]!
      for (let k = 0; k < j; k++) value -= a[i]![k]! * a[j]![k]!
      a[i]![j] = i === j ? Math.sqrt(value) : value / a[j]![j]!
    }
  }
  for (let c = 0; c < classes; c++) {
    for (let i = 0; i < size; i++) {
      for (let k = 0; k < i; k++) y[i]![c]! -= a[i]![k]! * y[k]![c]!
      y[i]![c]! /= a[i]![i]!
    }
    for (let i = size - 1; i >= 0; i--) {
      for (let k = i + 1; k < size; k++) y[i]![c]! -= a[k]![i]! * y[k]![c]!
      y[i]![c]! /= a[i]![i]!
    }
  }
  return Float32Array.from(y.flatMap(row => [...row]))
}
