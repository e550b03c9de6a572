/** The walk: sums where paths meet, what is left out, what is refused; the rules have their own tests. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { expectDifferences, rowTensor } from '../../test/support/gradcheck.js'
import { RobustlyError } from '../errors.js'
import { GraphBuilder, type Value } from '../onnx/build.js'
import type { Node, TypedGraph } from '../onnx/graph.js'
import { evaluate } from '../onnx/reference/evaluate.js'
import { float32, type Tensor, toNumbers } from '../tensor/tensor.js'
import { differentiate, gradientGraph, gradientName } from './gradient.js'

/** Gradients of sum(y) at the given inputs, by the reference. */
function gradientsAt(graph: TypedGraph, of: string, feeds: Record<string, readonly number[]>, weights: string[] = []) {
  const names = [...Object.keys(feeds), ...weights]
  const fed = new Map(
    Object.entries(feeds).map(([name, values]) => [name, float32(values, graph.types.get(name)!.shape)]),
  )
  const values = evaluate(gradientGraph(graph, of, names), fed)
  return names.map(name => toNumbers(values.get(gradientName(name))!))
}

function vector(name = 'f', length = 3): { b: GraphBuilder; x: Value } {
  const b = new GraphBuilder(name)
  return { b, x: b.input('x', 'float32', [length]) }
}

function count(graph: TypedGraph, op: string): number {
  return graph.nodes.filter(node => node.op === op).length
}

function caught(action: () => unknown): RobustlyError {
  try {
    action()
  } catch (error) {
    if (error instanceof RobustlyError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

describe('the walk', () => {
  it('sums the contributions of a value used twice by one node and again by another', () => {
    const { b, x } = vector()
    const y = b.output(b.add(b.mul(x, x), x), 'y')
    expect(gradientsAt(b.build(), y.name, { x: [1, -2, 3] })).toEqual([[3, -3, 7]])
  })

  it('goes through a diamond once', () => {
    const { b, x } = vector()
    const top = b.mul(x, b.scalar(2, 'float32'))
    const y = b.output(b.mul(b.tanh(top), b.exp(top)), 'y')
    const graph = b.build()
    const twice = [0.2, -0.4, 0.6]
    const slope = twice.map(t => 2 * Math.exp(t) * (Math.tanh(t) + 1 - Math.tanh(t) ** 2))
    const [gradient] = gradientsAt(graph, y.name, { x: [0.1, -0.2, 0.3] })
    gradient!.forEach((value, i) => {
      expect(value).toBeCloseTo(slope[i]!, 6)
    })
    // One sum where the branches meet; the product below it is differentiated once.
    expect(count(gradientGraph(graph, y.name, ['x']), 'Sum')).toBe(1)
  })

  it('grows linearly with a chain of diamonds', () => {
    const { b, x } = vector()
    let y = x
    for (let i = 0; i < 30; i++) y = b.add(y, b.tanh(y))
    b.output(y, 'y')
    const graph = gradientGraph(b.build(), 'y', ['x'])
    expect(graph.nodes.length).toBeLessThan(30 * 8)
  })

  it('gives undefined, and zeros in a graph, for an input without influence', () => {
    const { b, x } = vector()
    const unused = b.input('unused', 'float32', [2, 2])
    const y = b.output(b.mul(x, x), 'y')
    const [toX, toUnused] = differentiate(new GraphBuilder(b.build()), y, [x, unused])
    expect(toX).toBeDefined()
    expect(toUnused).toBeUndefined()
    expect(gradientsAt(b.build(), 'y', { x: [1, 2, 3], unused: [1, 1, 1, 1] })[1]).toEqual([0, 0, 0, 0])
  })

  it('multiplies with the seed', () => {
    const { b, x } = vector()
    const [gradient] = differentiate(b, b.mul(x, x), [x], { seed: b.constant(float32([1, 10, 100])) })
    b.output(gradient!, 'g')
    const values = evaluate(b.build(), new Map([['x', float32([1, 2, 3])]]))
    expect(toNumbers(values.get('g')!)).toEqual([2, 40, 600])
  })

  it('differentiates to an intermediate value and past it', () => {
    const { b, x } = vector()
    const middle = b.mul(x, b.scalar(3, 'float32'))
    const y = b.output(b.mul(middle, middle), 'y')
    const values = evaluate(gradientGraph(b.build(), y.name, [middle.name, 'x']), new Map([['x', float32([1, 2, 3])]]))
    expect(toNumbers(values.get(gradientName(middle.name))!)).toEqual([6, 12, 18])
    expect(toNumbers(values.get(gradientName('x'))!)).toEqual([18, 36, 54])
  })

  it('gives gradients to inputs and weights in one graph', () => {
    const b = new GraphBuilder('affine')
    const x = b.input('x', 'float32', [2, 2])
    const w = b.constant(float32([1, 2, 3, 4], [2, 2]), 'w')
    const bias = b.constant(float32([5, 6], [2]), 'bias')
    const y = b.output(b.add(b.matMul(x, w), bias), 'y')
    const [toX, toW, toBias] = gradientsAt(b.build(), y.name, { x: [1, 2, 3, 4] }, ['w', 'bias'])
    expect(toX).toEqual([3, 7, 3, 7])
    expect(toW).toEqual([4, 4, 6, 6])
    expect(toBias).toEqual([2, 2])
  })

  it('drops nodes for gradients that nobody wants', () => {
    const b = new GraphBuilder('affine')
    const x = b.input('x', 'float32', [2, 2])
    const w = b.constant(float32([1, 2, 3, 4], [2, 2]), 'w')
    const scale = b.constant(float32([5, 6], [2]), 'scale')
    const y = b.output(b.div(b.matMul(x, w), scale), 'y')
    const graph = b.build()
    const [toInput, toAll] = [gradientGraph(graph, y.name, ['x']), gradientGraph(graph, y.name, ['x', 'w', 'scale'])]
    expect(count(toInput, 'MatMul') + count(toInput, 'Gemm')).toBe(2)
    expect(count(toAll, 'MatMul') + count(toAll, 'Gemm')).toBe(3)
    expect(count(toInput, 'ReduceSum')).toBe(0)
    const used = new Set(toInput.nodes.flatMap(node => node.inputs))
    expect([...toInput.initializers.keys()].filter(name => !used.has(name))).toEqual([])
  })

  it('goes through a composition once, whatever its inputs share', () => {
    // One value as both initial states, which is computed from the sequence too.
    const build = (shared: boolean) => {
      const b = new GraphBuilder('layer')
      const x = b.input('x', 'float32', [2, 1, 2])
      const state = () => b.tanh(b.reduceSum(x, [0], true))
      const h = state()
      const c = shared ? h : state()
      const weights = [8, 8].map((rows, i) => b.constant(rowTensor({ shape: [1, rows, 2] }, i)))
      const types = [{ dtype: 'float32', shape: [2, 1, 1, 2] } as const]
      const [y] = b.emit('LSTM', [x, ...weights, undefined, undefined, h, c], { hidden_size: 2 }, types, ['y'])
      b.output(y!)
      return gradientsAt(b.build(), 'y', { x: [0.3, -0.2, 0.5, 0.1] })
    }
    const [[shared], [apart]] = [build(true), build(false)]
    expect(shared).toEqual(apart!.map(value => expect.closeTo(value, 10)))
  })

  it('sums back what was broadcast', () => {
    const { b, x } = vector()
    const matrix = b.constant(float32([1, 2, 3, 4, 5, 6], [2, 3]))
    b.output(b.mul(b.mul(matrix, x), b.scalar(2, 'float32')), 'y')
    expect(gradientsAt(b.build(), 'y', { x: [0, 0, 0] })).toEqual([[10, 14, 18]])
  })
})

describe('what has no gradient', () => {
  /** x -> Sign -> (an operator of nobody) -> ArgMax. */
  function obstacles(): TypedGraph {
    const { b, x } = vector()
    const sign = b.sign(x)
    const strange = b.identity(sign)
    const best = b.argMax(strange, 0)
    b.output(b.cast(best, 'float32'), 'y')
    const graph = b.build()
    const nodes = graph.nodes.map(
      (node): Node =>
        node.outputs[0] === strange.name ? { ...node, op: 'Foo', domain: 'com.example', name: 'odd' } : node,
    )
    return { ...graph, nodes }
  }

  it('is named all at once, refused and unknown operators alike', () => {
    const error = caught(() => gradientGraph(obstacles(), 'y', ['x']))
    expect(error.code).toBe('model-unsupported')
    expect(error.hint).toBeDefined()
    expect(error.message).toMatch(/Sign \(node/)
    expect(error.message).toContain('com.example.Foo (node "odd")')
    expect(error.message).toMatch(/ArgMax \(node/)
  })

  it('does no harm beside the way', () => {
    const { b, x } = vector()
    const side = b.input('side', 'float32', [3])
    b.output(b.mul(x, b.sign(side)), 'y')
    const values = evaluate(
      gradientGraph(b.build(), 'y', ['x']),
      new Map([
        ['x', float32([1, 1, 1])],
        ['side', float32([-2, 0, 2])],
      ]),
    )
    expect(toNumbers(values.get(gradientName('x'))!)).toEqual([-1, 0, 1])
  })

  it('nothing flows through comparisons and shapes', () => {
    const { b, x } = vector()
    const zero = b.scalar(0, 'float32')
    b.output(b.where(b.greater(x, zero), b.mul(x, x), zero), 'y')
    expect(gradientsAt(b.build(), 'y', { x: [-1, 0, 2] })).toEqual([[0, 0, 4]])
  })

  it('a detour over integers is refused', () => {
    const { b, x } = vector()
    b.output(b.cast(b.cast(x, 'int64'), 'float32'), 'y')
    expect(caught(() => gradientGraph(b.build(), 'y', ['x'])).message).toContain('int64')
  })

  it('a Dropout in training mode is refused', () => {
    const { b, x } = vector()
    const training = b.constant({ dtype: 'bool', shape: [], data: Uint8Array.of(1) })
    b.output(b.emit('Dropout', [x, b.scalar(0.5, 'float32'), training], {}, [x])[0]!, 'y')
    expect(caught(() => gradientGraph(b.build(), 'y', ['x'])).message).toContain('training mode')
  })

  it('a ScatterElements that multiplies is refused', () => {
    const { b, x } = vector()
    b.output(
      b.emit('ScatterElements', [x, b.integers([0]), b.full([1], 2, 'float32')], { reduction: 'mul' }, [x])[0]!,
      'y',
    )
    expect(caught(() => gradientGraph(b.build(), 'y', ['x'])).message).toContain('"mul"')
  })

  it('a slice at computed positions is refused with its node named', () => {
    const { b, x } = vector()
    const start = b.input('start', 'int64', [1])
    const type = { dtype: 'float32', shape: [2] } as const
    b.output(b.emit('Slice', [x, start, b.integers([3])], {}, [type], ['cut'])[0]!, 'y')
    const error = caught(() => gradientGraph(b.build(), 'y', ['x']))
    expect(error.code).toBe('model-unsupported')
    expect(error.message).toContain('"cut" (Slice)')
  })
})

/** A step of a random graph: makes a value of earlier ones, or nothing where their shapes do not suit it. */
type Step = (b: GraphBuilder, a: Value, c: Value) => Value | false

const steps: readonly Step[] = [
  (b, a, c) => broadcastable(a, c) && b.add(a, c),
  (b, a, c) => broadcastable(a, c) && b.sub(a, c),
  (b, a, c) => broadcastable(a, c) && b.mul(a, c),
  (b, a, c) => broadcastable(a, c) && b.div(a, b.add(b.mul(c, c), b.scalar(1, 'float32'))),
  (b, a) => b.tanh(a),
  (b, a) => b.sigmoid(a),
  (b, a) => b.exp(b.tanh(a)),
  (b, a, c) => (a.shape.length === 2 && c.shape.length === 2 && a.shape[1] === c.shape[0] ? b.matMul(a, c) : false),
  (b, a, c) => (a.shape.length === 2 && c.shape.length === 1 && a.shape[1] === c.shape[0] ? b.matMul(a, c) : false),
  (b, a) => (a.shape.length > 0 ? b.reduceSum(a, [0]) : false),
  (b, a) => (a.shape.length > 0 ? b.reduceMean(a, [-1], true) : false),
  (b, a) => b.reshape(a, a.shape.toReversed()),
  (b, a) => b.reshape(a, [a.shape.reduce((product, dim) => product * dim, 1)]),
  (b, a) => (a.shape.length === 2 ? b.transpose(a, [1, 0]) : false),
  (b, a) => (a.shape.length === 2 && a.shape[0]! > 1 ? b.slice(a, [0], [-1], [-3], [-1]) : false),
]

function broadcastable(a: Value, c: Value): boolean {
  const rank = Math.min(a.shape.length, c.shape.length)
  const ends = [a.shape.slice(a.shape.length - rank), c.shape.slice(c.shape.length - rank)] as const
  return ends[0].every((dim, axis) => dim === 1 || ends[1][axis] === 1 || dim === ends[1][axis])
}

describe('random graphs', () => {
  const choice = fc.tuple(fc.nat({ max: steps.length - 1 }), fc.nat({ max: 7 }), fc.nat({ max: 7 }))

  it('gradient = central differences, to inputs and weights', () => {
    fc.assert(
      fc.property(fc.array(choice, { minLength: 1, maxLength: 10 }), choices => {
        const b = new GraphBuilder('random')
        const matrix = rowTensor({ shape: [2, 3] }, 0)
        const row = rowTensor({ shape: [3] }, 1)
        const weight = b.constant(rowTensor({ shape: [3, 2] }, 2), 'weight')
        const pool = [b.input('matrix', 'float32', [2, 3]), b.input('row', 'float32', [3]), weight]
        for (const [kind, first, second] of choices) {
          const recent = pool.toReversed()
          const made = steps[kind]!(b, recent[first % pool.length]!, recent[second % pool.length]!)
          if (made !== false && made.shape.length < 4) pool.push(made)
        }
        const last = pool.at(-1)!
        const weighted = b.mul(last, b.constant(rowTensor({ shape: last.shape }, 3)))
        b.output(
          b.reduceSum(
            weighted,
            last.shape.map((_, axis) => axis),
          ),
          'loss',
        )
        const forward = b.build(['matrix', 'row', 'weight'])
        const feeds = new Map<string, Tensor>([
          ['matrix', matrix],
          ['row', row],
        ])
        const names = ['matrix', 'row', 'weight']
        const values = evaluate(gradientGraph(forward, 'loss', names), feeds)
        for (const name of names)
          expectDifferences({ forward, feeds }, name, toNumbers(values.get(gradientName(name))!))
      }),
      { numRuns: 100 },
    )
  }, 30_000)
})
