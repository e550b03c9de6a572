/** Multiples of what goes into a convolution, as multiples of its weights. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { expectClose } from '../../../test/support/gradcheck.js'
import { randomStream } from '../../random.js'
import { float32, type Shape, sizeOf, type Tensor, toNumbers } from '../../tensor/tensor.js'
import { GraphBuilder, type Value } from '../build.js'
import type { TypedGraph } from '../graph.js'
import { evaluate } from '../reference/evaluate.js'
import { foldScales } from './scales.js'

function tensor(dims: Shape, seed: number): Tensor {
  const { normal } = randomStream(seed, 0, 'scales')
  return float32(
    Float32Array.from({ length: sizeOf(dims) }, () => normal() + 3),
    dims,
  )
}

/** conv(body(x - 1/2)) with padding, in groups. */
function convolved(body: (b: GraphBuilder, x: Value) => Value, group = 1): TypedGraph {
  const b = new GraphBuilder('convolved')
  const x = b.input('x', 'float32', [2, 4, 3, 4])
  const shifted = b.sub(x, b.scalar(0.5, 'float32'))
  const weights = b.constant(tensor([6, 4 / group, 3, 2], 1))
  b.output(b.conv(body(b, shifted), weights, b.constant(tensor([6], 2)), { pads: [1, 1, 0, 1], group }))
  return b.build()
}

const operators = (graph: TypedGraph) => graph.nodes.map(node => node.op)

function expectSame(after: TypedGraph, before: TypedGraph): void {
  const feeds = new Map([['x', tensor([2, 4, 3, 4], 7)]])
  const [actual, expected] = [after, before].map(graph =>
    toNumbers(evaluate(graph, feeds).get(before.outputs[0]!.name)!),
  )
  expectClose(actual!, expected!, 1e-6, 'output')
}

describe('scales before a convolution', () => {
  it('go into its weights, whatever their shape and its groups', () => {
    const shapes = fc.constantFrom<Shape>([], [1], [4, 1, 1], [1, 4, 1, 1], [1, 1, 1, 1])
    fc.assert(
      fc.property(shapes, fc.constantFrom(1, 2), fc.constantFrom('mul', 'div', 'left'), (shape, group, kind) => {
        const graph = convolved((b, x) => {
          const c = b.constant(tensor(shape, 3))
          return kind === 'div' ? b.div(x, c) : kind === 'mul' ? b.mul(x, c) : b.mul(c, x)
        }, group)
        const written = foldScales(graph)
        expect(operators(written)).toEqual(['Sub', 'Conv'])
        expectSame(written, graph)
      }),
      { numRuns: 30 },
    )
  })

  const left: Readonly<Record<string, Parameters<typeof convolved>[0]>> = {
    'along rows': (b, x) => b.mul(x, b.constant(tensor([1, 1, 3, 1], 3))),
    'along columns as many as channels': (b, x) => b.mul(x, b.constant(tensor([4], 3))),
    'a number over x': (b, x) => b.div(b.scalar(2, 'float32'), x),
    'by zero': (b, x) => b.mul(x, b.scalar(0, 'float32')),
    'used elsewhere': (b, x) => {
      const twice = b.mul(x, b.scalar(2, 'float32'))
      b.output(b.relu(twice))
      return twice
    },
  }
  it.each(Object.entries(left))('stay: %s', (_, body) => {
    const graph = convolved(body)
    expect(foldScales(graph).nodes).toEqual(graph.nodes)
  })
})
