/** The blocked layout: the same function, and nothing left between convolutions that would leave the blocks. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { expectClose } from '../../../test/support/gradcheck.js'
import { randomStream } from '../../random.js'
import { float32, type Shape, sizeOf, type Tensor, toNumbers } from '../../tensor/tensor.js'
import { GraphBuilder, type Value } from '../build.js'
import type { TypedGraph } from '../graph.js'
import { evaluate } from '../reference/evaluate.js'
import { blockedLayout } from './blocked.js'
import { withHardSwish } from './hard-swish.js'

const channels = 16
const shape = [2, channels, 2, 3]

function tensor(dims: Shape, seed: number): Tensor {
  const { normal } = randomStream(seed, 0, 'blocked')
  return float32(Float32Array.from({ length: sizeOf(dims) }, normal), dims)
}

/** Two images x, y that a convolution gave out, one number g per sample and channel; what `body` makes of them goes into another. */
function between(
  body: (b: GraphBuilder, x: Value, y: Value, g: Value) => Value,
  options: { channels?: number; convolved?: boolean; last?: boolean } = {},
): TypedGraph {
  const { channels: count = channels, convolved = true, last = true } = options
  const b = new GraphBuilder('between')
  const weights = (seed: number) => b.constant(tensor([count, count, 1, 1], seed))
  const [p, q] = ['p', 'q'].map(name => b.input(name, 'float32', shape.with(1, count))) as [Value, Value]
  const [x, y] = convolved ? [b.conv(p, weights(1)), b.conv(q, weights(2))] : [p, q]
  const made = body(b, x, y, b.input('g', 'float32', [2, count, 1, 1]))
  b.output(last ? b.conv(made, weights(3)) : made)
  return b.build()
}

const operators = (graph: TypedGraph) => new Set(graph.nodes.map(node => node.op))

/** What each form is made of, and what it leaves. */
const forms: Readonly<Record<string, [body: Parameters<typeof between>[0], left: readonly string[]]>> = {
  'a negative': [(b, x) => b.neg(x), ['Conv']],
  'a difference': [(b, x, y) => b.sub(x, y), ['Conv', 'Add']],
  'a multiple': [(b, x) => b.mul(b.scalar(1.5, 'float32'), x), ['Conv']],
  'a shift': [(b, x) => b.add(x, b.scalar(0.5, 'float32')), ['Conv']],
  'less a number': [(b, x) => b.sub(x, b.scalar(0.5, 'float32')), ['Conv']],
  'a number less x': [(b, x) => b.sub(b.scalar(1, 'float32'), x), ['Conv']],
  'multiples per channel': [(b, x) => b.mul(x, b.constant(tensor([x.shape[1]!, 1, 1], 3))), ['Conv']],
  'shifts per channel': [(b, x) => b.sub(b.constant(tensor([1, x.shape[1]!, 1, 1], 3)), x), ['Conv']],
  'a product with one number per map': [(b, x, _, g) => b.mul(x, g), ['Conv', 'Mul', 'Resize']],
  'a sum with one number per map': [(b, x, _, g) => b.add(g, x), ['Conv', 'Add', 'Resize']],
  'one number per map, everywhere': [
    (b, x, _, g) => b.add(b.expand(b.mul(g, b.scalar(2, 'float32')), x.shape), x),
    ['Conv', 'Add', 'Resize'],
  ],
  'the sum of all positions': [(b, x) => b.reduceSum(x, [-1, 2], true), ['Conv', 'GlobalAveragePool']],
  'HardSwish beside its input': [(b, x) => b.mul(b.unary('HardSwish', x), x), ['Conv', 'HardSwish', 'Mul']],
  'Clip beside its input': [
    (b, x) => b.mul(b.emit('Clip', [x, b.scalar(-0.5, 'float32'), b.scalar(0.5, 'float32')], {}, [x])[0]!, x),
    ['Conv', 'Clip', 'Mul'],
  ],
  'LeakyRelu beside its input': [
    (b, x) => b.mul(b.emit('LeakyRelu', [x], { alpha: 0.3 }, [x])[0]!, x),
    ['Conv', 'LeakyRelu', 'Mul'],
  ],
  'a clipped line': [
    (b, x) => {
      const line = b.add(b.mul(x, b.scalar(2, 'float32')), b.scalar(0.5, 'float32'))
      const clipped = b.emit('Clip', [line, b.scalar(0, 'float32'), b.scalar(1, 'float32')], {}, [line])[0]!
      return b.neg(clipped)
    },
    ['Conv', 'Clip'],
  ],
}

/** Expects two graphs to be the same function. */
function expectSame(after: TypedGraph, before: TypedGraph, seed: number): void {
  const feeds = new Map(
    before.inputs.map(({ name, shape }, i): [string, Tensor] => [name, tensor(shape as Shape, seed + i)]),
  )
  const [actual, expected] = [after, before].map(graph =>
    toNumbers(evaluate(graph, feeds).get(before.outputs[0]!.name)!),
  )
  expectClose(actual!, expected!, 1e-5, 'output')
}

describe('what is held in blocks', () => {
  it.each(Object.entries(forms))('%s', (_, [body, left]) => {
    const graph = between(body)
    const written = blockedLayout(graph)
    expect([...operators(written)].sort()).toEqual([...left].sort())
    expectSame(written, graph, 5)
  })

  it('HardSwish gets a convolution of its own only where its input is needed elsewhere', () => {
    const convolutions = (graph: TypedGraph) => graph.nodes.filter(node => node.op === 'Conv').length
    const beside = between((b, x) => b.mul(b.unary('HardSwish', x), x))
    const alone = between((b, x) => b.unary('HardSwish', x))
    expect([beside, alone].map(graph => convolutions(blockedLayout(graph)))).toEqual([3, 2])
  })

  it('any chain of them stays the same function', () => {
    const elementwise = Object.keys(forms).filter(name => name !== 'the sum of all positions')
    const chains = fc.array(fc.constantFrom(...elementwise), { minLength: 2, maxLength: 5 })
    fc.assert(
      fc.property(chains, fc.nat(1000), (chain, seed) => {
        const graph = between((b, x, y, g) => chain.reduce((value, name) => forms[name]![0](b, value, y, g), x))
        expectSame(blockedLayout(graph), graph, seed)
      }),
      { numRuns: 25 },
    )
  })
})

describe('what is not', () => {
  it.each(Object.entries(forms))('%s, with channels that fill no block', (_, [body]) => {
    const graph = between(body, { channels: 12 })
    expect(blockedLayout(graph).nodes).toEqual(graph.nodes)
  })

  it('images that no convolution gave out', () => {
    const graph = between((b, x, y) => b.neg(b.sub(x, y)), { convolved: false })
    expect(operators(blockedLayout(graph))).toEqual(new Set(['Sub', 'Neg', 'Conv']))
  })

  it.each(Object.entries(forms))('%s, where no convolution follows', (_, [body]) => {
    const graph = between(body, { last: false })
    expect(blockedLayout(graph).nodes).toEqual(graph.nodes)
  })

  it('constants along rows and columns', () => {
    const graph = between((b, x) => b.mul(x, b.constant(tensor([1, 1, 2, 3], 4))))
    expect(blockedLayout(graph).nodes).toEqual(graph.nodes)
  })
})

describe('HardSwish', () => {
  const product = (alpha: number, other = false) =>
    between((b, x, y) => {
      const gate = b.emit('HardSigmoid', [x], { alpha, beta: 0.5 }, [x])[0]!
      return b.mul(gate, other ? y : x)
    })

  it('is recognised where it was written out', () => {
    const graph = product(Math.fround(1 / 6))
    const written = withHardSwish(graph)
    expect(operators(written)).toEqual(new Set(['Conv', 'HardSwish']))
    expectSame(written, graph, 9)
  })

  it('is not seen in other gates', () => {
    expect(operators(withHardSwish(product(0.2)))).toContain('HardSigmoid')
    expect(operators(withHardSwish(product(1 / 6, true)))).toContain('HardSigmoid')
  })
})
