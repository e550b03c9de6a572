/** Small networks of the architectures that people export, with random weights: one sample, as exporters write them. */
import { GraphBuilder, type Value } from '../../src/onnx/build.js'
import type { Graph, Node } from '../../src/onnx/graph.js'
import { randomStream } from '../../src/random.js'
import { bool, float32, int64, type Shape, sizeOf } from '../../src/tensor/tensor.js'

export interface Network {
  readonly name: string
  /** Shape of one sample. */
  readonly sample: Shape
  readonly graph: Graph
}

/** A builder with random weights and the layers that the networks share. */
class NetworkBuilder extends GraphBuilder {
  readonly #random
  readonly #foreign = new Map<string, Pick<Node, 'op' | 'inputs' | 'attributes'>>()
  constructor(name: string) {
    super(name)
    this.#random = randomStream(7, 0, name)
  }

  weights(shape: Shape, scale = Math.sqrt(2 / sizeOf(shape.slice(1)))): Value {
    return this.constant(
      float32(
        Float32Array.from({ length: sizeOf(shape) }, () => this.#random.normal() * scale),
        shape,
      ),
    )
  }

  /** x W + b over the last axis. */
  dense(x: Value, to: number, gain = 1): Value {
    const from = x.shape.at(-1)!
    return this.add(this.matMul(x, this.weights([from, to], gain / Math.sqrt(from))), this.weights([to], 0.1))
  }

  convolved(x: Value, to: number, kernel: number, stride = 1, group = 1): Value {
    const pads = new Array(4).fill((kernel - 1) >> 1)
    const w = this.weights([to, x.shape[1]! / group, kernel, kernel])
    return this.conv(x, w, this.weights([to], 0.1), { strides: [stride, stride], pads, group })
  }

  /** As in inference, with the statistics of a training that never was. */
  batchNorm(x: Value): Value {
    const channels = x.shape[1]!
    const around = (mean: number) => {
      const drawn = Float32Array.from({ length: channels }, () => mean + 0.2 * (2 * this.#random.uniform() - 1))
      return this.constant(float32(drawn))
    }
    return this.emit('BatchNormalization', [x, around(1), around(0), around(0), around(1)], {}, [x])[0]!
  }

  layerNorm(x: Value): Value {
    const width = x.shape.at(-1)!
    const scale = this.constant(float32(new Float32Array(width).fill(1)))
    return this.emit('LayerNormalization', [x, scale, this.weights([width], 0.1)], { axis: -1 }, [x])[0]!
  }

  /** An operator that the table does not hold; its output is like its first input. */
  foreign(op: string, inputs: readonly Value[], attributes: Readonly<Record<string, number>> = {}): Value {
    const [placeholder] = this.emit('Identity', [inputs[0]!], {}, [inputs[0]!]) as [Value]
    this.#foreign.set(placeholder.name, {
      op,
      inputs: inputs.map(({ name }) => name),
      attributes: new Map(Object.entries(attributes).map(([name, value]) => [name, { type: 'int', value }])),
    })
    return placeholder
  }

  logits(x: Value, classes: number, opset = 21): Graph {
    this.output(this.dense(this.flatten(x), classes, 3), 'logits')
    const graph = this.build([...this.#foreign.values()].flatMap(({ inputs }) => inputs))
    const nodes = graph.nodes.map(node => ({ ...node, ...this.#foreign.get(node.outputs[0]!) }))
    return { ...graph, nodes, opsets: new Map([['', opset]]) }
  }
}

export function networks(): Network[] {
  return [
    visionTransformer(),
    mobileNetwork(),
    encoderDecoder(),
    residualNetwork(),
    recurrentClassifier(),
    causalEinsum(),
    newAttention(),
    transformer(),
  ]
}

/** Patches, a class token, self-attention with layer norms before it, GELU. */
export function visionTransformer(width = 12, heads = 3, size = 8, blocks = 1): Network {
  const b = new NetworkBuilder('vision transformer')
  const sample = [3, size, size]
  const patches = b.conv(b.input('x', 'float32', [1, ...sample]), b.weights([width, 3, 4, 4]), undefined, {
    strides: [4, 4],
  })
  const count = sizeOf(patches.shape.slice(2))
  const tokens = b.transpose(b.reshape(patches, [1, width, count]), [0, 2, 1])
  let x = b.add(b.concat([b.weights([1, 1, width]), tokens], 1), b.weights([1, count + 1, width], 0.1))
  for (let block = 0; block < blocks; block++) {
    x = b.add(x, selfAttention(b, b.layerNorm(x), heads))
    const hidden = b.emit('Gelu', [b.dense(b.layerNorm(x), 2 * width)], {}, [
      { ...x, shape: [1, count + 1, 2 * width] },
    ])[0]!
    x = b.add(x, b.dense(hidden, width))
  }
  const first = b.gather(b.layerNorm(x), b.constant(int64([0], [])), 1)
  return { name: 'a vision transformer', sample, graph: b.logits(first, 5) }
}

function selfAttention(b: NetworkBuilder, x: Value, heads: number, mask?: Value): Value {
  const [, count, width] = x.shape as [number, number, number]
  const split = (value: Value) => b.transpose(b.reshape(value, [1, count, heads, width / heads]), [0, 2, 1, 3])
  const [q, k, v] = [0, 1, 2].map(() => split(b.dense(x, width))) as [Value, Value, Value]
  const raw = b.mul(b.matMul(q, b.transpose(k, [0, 1, 3, 2])), b.scalar(1 / Math.sqrt(width / heads), 'float32'))
  const scores = mask === undefined ? raw : b.where(mask, raw, b.scalar(Number.NEGATIVE_INFINITY, 'float32'))
  const mixed = b.transpose(b.matMul(b.softmax(scores), v), [0, 2, 1, 3])
  return b.dense(b.reshape(mixed, [1, count, width]), width)
}

/** Depthwise convolutions, HardSwish, squeeze and excite. */
export function mobileNetwork(width = 8, size = 8, blocks = 1): Network {
  const b = new NetworkBuilder('mobile network')
  const sample = [3, size, size]
  const act = (x: Value) => b.unary('HardSwish', x)
  const block = (x: Value) => {
    const wide = act(b.convolved(x, 2 * width, 1))
    const deep = act(b.convolved(wide, 2 * width, 3, 1, 2 * width))
    const squeezed = b.relu(b.convolved(b.globalAveragePool(deep), width / 2, 1))
    const gate = b.unary('HardSigmoid', b.convolved(squeezed, 2 * width, 1))
    return b.add(x, b.convolved(b.mul(deep, gate), width, 1))
  }
  let x = act(b.convolved(b.input('x', 'float32', [1, ...sample]), width, 3, 2))
  for (let i = 0; i < blocks; i++) x = block(x)
  return {
    name: 'a network of depthwise convolutions with squeeze and excite',
    sample,
    graph: b.logits(b.globalAveragePool(x), 5),
  }
}

/** Convolutions with batch norm in residual blocks, the second of which halves the sides. */
export function residualNetwork(width = 6, size = 8): Network {
  const b = new NetworkBuilder('residual network')
  const sample = [3, size, size]
  const normed = (x: Value, to: number, kernel: number, stride = 1) =>
    b.batchNorm(
      b.conv(x, b.weights([to, x.shape[1]!, kernel, kernel]), undefined, {
        strides: [stride, stride],
        pads: new Array(4).fill((kernel - 1) >> 1),
      }),
    )
  const block = (x: Value, to: number, stride: number) => {
    const inner = normed(b.relu(normed(x, to, 3, stride)), to, 3)
    return b.relu(b.add(inner, stride === 1 ? x : normed(x, to, 1, stride)))
  }
  let x = b.relu(normed(b.input('x', 'float32', [1, ...sample]), width, 3))
  x = block(block(x, width, 1), 2 * width, 2)
  const pooled = b.averagePool(x, [2, 2], { strides: [2, 2] })
  return { name: 'a residual network with batch norm', sample, graph: b.logits(pooled, 5) }
}

/** Two convolutions and a dense layer: what is usually quantised first. */
export function plainNetwork(width = 8, size = 8): Network {
  const b = new NetworkBuilder('plain network')
  const sample = [3, size, size]
  const first = b.relu(b.convolved(b.input('x', 'float32', [1, ...sample]), width, 3, 2))
  return { name: 'two convolutions', sample, graph: b.logits(b.relu(b.convolved(first, 2 * width, 3, 2)), 5) }
}

/** Down by pooling, up by Resize and a transposed convolution, with skips and group norm. */
export function encoderDecoder(size = 8): Network {
  const b = new NetworkBuilder('encoder and decoder')
  const sample = [1, size, size]
  const norm = (x: Value) => {
    const channels = x.shape[1]!
    return b.foreign('GroupNormalization', [x, b.weights([channels]), b.weights([channels], 0.1)], { num_groups: 2 })
  }
  const top = b.relu(norm(b.convolved(b.input('x', 'float32', [1, ...sample]), 4, 3)))
  const middle = b.relu(b.convolved(b.maxPool(top, [2, 2], { strides: [2, 2] }), 6, 3))
  const bottom = b.relu(b.convolved(b.averagePool(middle, [2, 2], { strides: [2, 2] }), 6, 3))
  const sizes = b.integers([1, 6, size / 2, size / 2])
  const up = b.emit('Resize', [bottom, undefined, undefined, sizes], { mode: 'linear' }, [middle])[0]!
  const joined = b.relu(b.convolved(b.concat([up, middle], 1), 4, 3))
  const back = b.convTranspose(joined, b.weights([4, 4, 2, 2]), undefined, { strides: [2, 2] })
  const last = b.relu(b.convolved(b.concat([back, top], 1), 3, 3))
  return { name: 'an encoder and decoder with skips', sample, graph: b.logits(b.reduceMean(last, [2]), 4) }
}

/** Both directions of an LSTM over a GRU, and the last step, as PyTorch exports them. */
export function recurrentClassifier(steps = 5, width = 4, size = 6): Network {
  const b = new NetworkBuilder('recurrent classifier')
  const x = b.transpose(b.input('x', 'float32', [1, steps, width]), [1, 0, 2])
  const layer = (op: 'LSTM' | 'GRU', gates: number, from: Value, directions: number) => {
    const rows = gates * size
    const gain = 0.7 * Math.sqrt(6 / size)
    const weights = [from.shape[2]!, size].map(columns => b.weights([directions, rows, columns], gain))
    const state = b.full([directions, 1, size], 0, 'float32')
    const inputs = [
      from,
      ...weights,
      b.weights([directions, 2 * rows], 0.2),
      undefined,
      state,
      ...(op === 'LSTM' ? [state] : []),
    ]
    const direction = directions === 2 ? 'bidirectional' : 'forward'
    const after = op === 'GRU' ? { linear_before_reset: 1 } : {}
    return b.emit(op as 'GRU', inputs, { hidden_size: size, direction, ...after }, [
      { dtype: 'float32', shape: [steps, directions, 1, size] },
      { dtype: 'float32', shape: [directions, 1, size] },
    ])
  }
  const [sequence] = layer('LSTM', 4, x, 2) as [Value]
  const joined = b.reshape(b.transpose(sequence, [0, 2, 1, 3]), [steps, 1, 2 * size])
  const [second] = layer('GRU', 3, joined, 1) as [Value]
  const [squeezed] = b.emit('Squeeze', [second, b.integers([1])], {}, [
    { dtype: 'float32', shape: [steps, 1, size] },
  ]) as [Value]
  const last = b.gather(squeezed, b.constant(int64([steps - 1], [])), 0)
  return { name: 'a recurrent classifier', sample: [steps, width], graph: b.logits(last, 4) }
}

/** Attention under a triangular mask, RMS norm written out, products by Einsum. */
function causalEinsum(): Network {
  const b = new NetworkBuilder('causal attention')
  const [count, width] = [5, 6]
  const x = b.input('x', 'float32', [1, count, width])
  const mean = b.reduceMean(b.pow(x, b.scalar(2, 'float32')), [-1], true)
  const normed = b.mul(x, b.reciprocal(b.sqrt(b.add(mean, b.scalar(1e-5, 'float32')))))
  const truth = b.constant(bool(new Array(count * count).fill(1), [count, count]))
  const mask = b.emit('Trilu', [truth], { upper: 0 }, [truth])[0]!
  const attended = b.add(x, selfAttention(b, normed, 2, mask))
  const gated = b.emit('Einsum', [attended, b.weights([width, 8])], { equation: 'btc,ch->bth' }, [
    { dtype: 'float32', shape: [1, count, 8] },
  ])[0]!
  return { name: 'causal attention', sample: [count, width], graph: b.logits(b.unary('Mish', gated), 4) }
}

/** The Attention, RMSNormalization and Swish of opset 24. */
function newAttention(): Network {
  const b = new NetworkBuilder('attention of opset 24')
  const [count, width] = [4, 8]
  const x = b.input('x', 'float32', [1, count, width])
  const normed = b.foreign('RMSNormalization', [x, b.weights([width], 1)])
  const [q, k, v] = [0, 1, 2].map(() => b.dense(normed, width)) as [Value, Value, Value]
  const mixed = b.foreign('Attention', [q, k, v], { q_num_heads: 2, kv_num_heads: 2, is_causal: 1 })
  const graph = b.logits(b.foreign('Swish', [b.add(x, mixed)]), 4, 24)
  return { name: 'attention as an operator', sample: [count, width], graph }
}

/** A spatial transformer: the image is sampled where a small network says. */
function transformer(): Network {
  const b = new NetworkBuilder('spatial transformer')
  const sample = [1, 6, 6]
  const x = b.input('x', 'float32', [1, ...sample])
  const pose = b.reshape(b.mul(b.tanh(b.dense(b.flatten(x), 6)), b.scalar(0.4, 'float32')), [1, 2, 3])
  const places = Array.from({ length: 36 }, (_, i) => [((i % 6) - 2.5) / 3, (Math.floor(i / 6) - 2.5) / 3, 1]).flat()
  const grid = b.reshape(b.matMul(b.constant(float32(places, [1, 36, 3])), b.transpose(pose, [0, 2, 1])), [1, 6, 6, 2])
  const sampled = b.emit('GridSample', [x, grid], { padding_mode: 'border' }, [x])[0]!
  return { name: 'a spatial transformer', sample, graph: b.logits(b.relu(b.convolved(b.add(x, sampled), 3, 3)), 4) }
}
