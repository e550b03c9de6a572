/** Networks in fewer bits, as converters write them: half precision, and eight bits in two ways. */
import { type Graph, type Initializer, initializer, type Node } from '../../src/onnx/graph.js'
import { halfOfFloat } from '../../src/tensor/convert.js'
import { type Tensor, toNumbers } from '../../src/tensor/tensor.js'
import type { Network } from './networks.js'
import { valuesOf } from './readout.js'

/** Weights, input and output of float16. */
export function inHalf({ name, sample, graph }: Network): Network {
  const half = <T extends { readonly dtype: string }>(info: T) =>
    info.dtype === 'float32' ? { ...info, dtype: 'float16' as const } : info
  const weights = (each: Initializer): Initializer =>
    each.dtype === 'float32'
      ? initializer({
          dtype: 'float16',
          shape: each.shape,
          data: Uint16Array.from(toNumbers(each.load()), halfOfFloat),
        })
      : each
  const initializers = new Map(Array.from(graph.initializers, ([key, each]) => [key, weights(each)] as const))
  return {
    name: `${name}, in half precision`,
    sample,
    graph: { ...graph, initializers, inputs: graph.inputs.map(half), outputs: graph.outputs.map(half) },
  }
}

export type Style = 'QDQ' | 'QLinear'

/** Convolutions and products in eight bits: activations uint8 in the range they have on the samples, weights int8. */
export async function inEightBits(network: Network, samples: readonly Float32Array[], style: Style): Promise<Network> {
  const { graph } = network
  const weighted = graph.nodes.filter(({ op }) => op === 'Conv' || op === 'MatMul')
  const names = [...new Set(weighted.flatMap(({ inputs, outputs }) => [inputs[0]!, outputs[0]!]))]
  const computed = names.filter(name => name !== 'x')
  const found = await valuesOf(network, computed, samples)
  const values = (name: string) => (name === 'x' ? samples : found.map(row => row[computed.indexOf(name)]!))
  const parts = new Parts(graph)
  const nodes = graph.nodes.flatMap(node =>
    weighted.includes(node) ? writers[style](parts, node, name => parts.range(name, values(name))) : [node],
  )
  return {
    ...network,
    name: `${network.name}, in eight bits by ${style}`,
    graph: { ...graph, nodes, initializers: parts.initializers },
  }
}

/** Names of a scale and a zero point. */
type Scale = readonly [scale: string, zero: string]

class Parts {
  readonly initializers: Map<string, Initializer>
  constructor(graph: Graph) {
    this.initializers = new Map(graph.initializers)
  }

  add(name: string, tensor: Tensor): string {
    this.initializers.set(name, initializer(tensor))
    return name
  }

  numbers(name: string): Float64Array {
    return Float64Array.from(toNumbers(this.initializers.get(name)!.load()))
  }

  /** 0 … 255 over what a value takes, zero included. */
  range(name: string, values: readonly Float32Array[]): Scale {
    let [low, high] = [0, 0]
    for (const own of values) for (const value of own) [low, high] = [Math.min(low, value), Math.max(high, value)]
    const scale = (high - low) / 255
    return this.#scale(name, scale, { dtype: 'uint8', shape: [], data: Uint8Array.of(Math.round(-low / scale)) })
  }

  /** The weights as int8, -127 … 127. */
  weights(name: string): readonly [values: string, ...Scale] {
    const values = this.numbers(name)
    const scale = values.reduce((most, value) => Math.max(most, Math.abs(value)), 0) / 127
    const data = Int8Array.from(values, value => Math.round(value / scale))
    const whole = this.add(`${name}/int8`, { dtype: 'int8', shape: this.initializers.get(name)!.shape, data })
    return [whole, ...this.#scale(name, scale, { dtype: 'int8', shape: [], data: Int8Array.of(0) })]
  }

  #scale(name: string, scale: number, zero: Tensor): Scale {
    const tensor: Tensor = { dtype: 'float32', shape: [], data: Float32Array.of(scale) }
    return [this.add(`${name}/scale`, tensor), this.add(`${name}/zero`, zero)]
  }
}

function step(op: string, inputs: readonly string[], output: string, attributes: Node['attributes'] = new Map()): Node {
  return { name: output, op, domain: '', inputs, outputs: [output], attributes }
}

const writers: Readonly<Record<Style, (parts: Parts, node: Node, range: (name: string) => Scale) => Node[]>> = {
  QDQ(parts, node, range) {
    const [x, w, ...bias] = node.inputs as [string, string, ...string[]]
    const y = node.outputs[0]!
    return [
      step('QuantizeLinear', [x, ...range(x)], `${y}/q`),
      step('DequantizeLinear', [`${y}/q`, ...range(x)], `${y}/x`),
      step('DequantizeLinear', parts.weights(w), `${y}/w`),
      { ...node, inputs: [`${y}/x`, `${y}/w`, ...bias] },
    ]
  },

  QLinear(parts, { op, inputs, outputs, attributes }, range) {
    const [x, w, bias] = inputs as [string, string, string | undefined]
    const y = outputs[0]!
    const weights = parts.weights(w)
    const [given, result] = [range(x), range(y)]
    const whole: string[] = []
    if (bias !== undefined) {
      const scale = parts.numbers(given[0])[0]! * parts.numbers(weights[1])[0]!
      const data = Int32Array.from(parts.numbers(bias), value => Math.round(value / scale))
      whole.push(parts.add(`${bias}/int32`, { dtype: 'int32', shape: [data.length], data }))
    }
    return [
      step('QuantizeLinear', [x, ...given], `${y}/q`),
      step(`QLinear${op}`, [`${y}/q`, ...given, ...weights, ...result, ...whole], `${y}/y`, attributes),
      step('DequantizeLinear', [`${y}/y`, ...result], y),
    ]
  },
}
