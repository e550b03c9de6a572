/** The evaluator itself, and what neither the rows of the gradient rules nor the standard's cases show. */
import { describe, expect, it } from 'vitest'
import { RobustlyError } from '../../errors.js'
import { float32, int64, type Tensor, toNumbers } from '../../tensor/tensor.js'
import { GraphBuilder } from '../build.js'
import type { Attribute, Graph, Node } from '../graph.js'
import { mergeTables } from '../tables.js'
import { erf } from './elementwise.js'
import { evaluate } from './evaluate.js'

const feeds = new Map<string, Tensor>([['x', float32([1, 2, 3])]])

function graphOf(node: Partial<Node>): Graph {
  const b = new GraphBuilder('one')
  b.output(b.identity(b.input('x', 'float32', [3])), 'y')
  const graph = b.build()
  const one: Node = {
    name: 'n',
    op: 'Identity',
    domain: '',
    inputs: ['x'],
    outputs: ['y'],
    attributes: new Map(),
    ...node,
  }
  return { ...graph, nodes: [one] }
}

describe('evaluate', () => {
  it('gives every value, floats as float64', () => {
    const b = new GraphBuilder('f')
    const x = b.input('x', 'float32', [3])
    const third = b.constant(float32([1 / 3]), 'third')
    const y = b.output(b.mul(x, third), 'y')
    const values = evaluate(b.build(), feeds)
    expect([...values.keys()].sort()).toEqual(['Mul_0', 'third', 'x', 'y'])
    expect(values.get(y.name)!.dtype).toBe('float64')
    expect(toNumbers(values.get('y')!)[1]).toBe(2 * Math.fround(1 / 3))
  })

  it('keeps integers, and cuts their quotients', () => {
    const graph = graphOf({ op: 'Div', inputs: ['x', 'x'] })
    const quotient = evaluate(
      { ...graph, nodes: [{ ...graph.nodes[0]!, inputs: ['a', 'b'] }] },
      new Map([
        ['a', int64([7, -7, 9])],
        ['b', int64([2, 2, 3])],
      ]),
    )
    expect(quotient.get('y')).toEqual(int64([3, -3, 3]))
  })

  it('moves 64-bit integers without rounding them', () => {
    const big = 2n ** 63n - 1n
    const graph = graphOf({
      op: 'Concat',
      inputs: ['a', 'a'],
      attributes: new Map([['axis', { type: 'int', value: 0 }]]),
    })
    const values = evaluate(graph, new Map([['a', int64(BigInt64Array.of(big))]]))
    expect(values.get('y')!.data).toEqual(BigInt64Array.of(big, big))
  })

  it.each<[string, Attribute, Tensor['shape'], number[]]>([
    ['value', { type: 'tensor', value: float32([1, 2], [2, 1]) }, [2, 1], [1, 2]],
    ['value_float', { type: 'float', value: 0.5 }, [], [0.5]],
    ['value_floats', { type: 'floats', value: [0.5, 1] }, [2], [0.5, 1]],
    ['value_int', { type: 'int', value: 3 }, [], [3]],
    ['value_ints', { type: 'ints', value: [3, 4] }, [2], [3, 4]],
  ])('reads a Constant from %s', (name, attribute, shape, expected) => {
    const graph = graphOf({ op: 'Constant', inputs: [], attributes: new Map([[name, attribute]]) })
    const y = evaluate(graph, feeds).get('y')!
    expect(y.shape).toEqual(shape)
    expect(toNumbers(y)).toEqual(expected)
  })

  it.each<[string, Partial<Node>, string]>([
    ['an operator outside the union', { op: 'Det' }, 'n'],
    ['another domain', { domain: 'com.example' }, 'com.example.Identity'],
    [
      'a Constant of text',
      { op: 'Constant', attributes: new Map([['value_string', { type: 'string', value: 'a' }]]) },
      'n',
    ],
    ['a cast to text', { op: 'Cast', attributes: new Map([['to', { type: 'int', value: 8 }]]) }, 'string'],
  ])('refuses %s', (_, node, mentioned) => {
    const action = () => evaluate(graphOf(node), feeds)
    expect(action).toThrow(RobustlyError)
    expect(action).toThrow(mentioned)
  })

  it.each<[string, Partial<Node>]>([
    ['a value that is not there', { inputs: ['gone'] }],
    ['an input that is absent', { inputs: [''] }],
    ['an attribute of another type', { op: 'Elu', attributes: new Map([['alpha', { type: 'int', value: 1 }]]) }],
  ])('calls %s invalid', (_, node) => {
    expect(() => evaluate(graphOf(node), feeds)).toThrow(expect.objectContaining({ code: 'model-invalid' }))
  })
})

describe('erf', () => {
  // Abramowitz and Stegun, table 7.1.
  it.each([
    [0, 0],
    [0.1, 0.1124629160182849],
    [0.5, 0.5204998778130465],
    [1, 0.8427007929497149],
    [2, 0.9953222650189527],
    [3, 0.9999779095030014],
    [7, 1],
  ])('of %s', (x, expected) => {
    expect(erf(x)).toBeCloseTo(expected, 14)
    expect(erf(-x)).toBeCloseTo(-expected, 14)
  })
})

describe('mergeTables', () => {
  it('puts families together and refuses a key that stands in two', () => {
    expect(mergeTables({ a: 1 }, { b: 2 })).toEqual({ a: 1, b: 2 })
    expect(() => mergeTables({ a: 1 }, { a: 2 })).toThrow('a stands in two families')
  })
})
