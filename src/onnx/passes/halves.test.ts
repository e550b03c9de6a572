/** Half and double precision as float32: constants, conversions, stated types and branches. */
import { describe, expect, it } from 'vitest'
import { halfOfFloat } from '../../tensor/convert.js'
import { type Attribute, type Graph, initializer, type Node } from '../graph.js'
import { elementTypes } from '../operators.js'
import { singlePrecision } from './halves.js'

const half = (...values: number[]) =>
  initializer({ dtype: 'float16', shape: [values.length], data: Uint16Array.from(values, halfOfFloat) })
const node = (op: string, attributes: Record<string, Attribute>): Node => ({
  name: op,
  op,
  domain: '',
  inputs: ['x'],
  outputs: [`${op}_out`],
  attributes: new Map(Object.entries(attributes)),
})

function graphWith(nodes: readonly Node[], initializers: Graph['initializers'] = new Map()): Graph {
  const info = { name: 'x', dtype: 'float16', shape: [1] } as const
  return {
    name: 'g',
    opsets: new Map(),
    inputs: [info],
    outputs: [info],
    nodes,
    initializers,
    valueInfo: new Map([['x', info]]),
  }
}

describe('singlePrecision', () => {
  it('changes types, constants and conversions, in branches too', () => {
    const branch = graphWith(
      [node('Cast', { to: { type: 'int', value: elementTypes.bfloat16 } })],
      new Map([['w', half(0.5)]]),
    )
    const filled = { dtype: 'float64', shape: [1], data: Float64Array.of(0.1) } as const
    const graph = graphWith(
      [
        node('Cast', { to: { type: 'int', value: elementTypes.float16 } }),
        node('If', { then_branch: { type: 'graph', value: branch } }),
        node('ConstantOfShape', { value: { type: 'tensor', value: filled } }),
      ],
      new Map([
        ['w', half(1, -2.5)],
        ['n', initializer({ dtype: 'int64', shape: [1], data: BigInt64Array.of(3n) })],
      ]),
    )
    const { graph: lifted, notes } = singlePrecision(graph)
    expect(lifted.inputs[0]!.dtype).toBe('float32')
    expect(lifted.outputs[0]!.dtype).toBe('float32')
    expect(lifted.valueInfo.get('x')!.dtype).toBe('float32')
    expect(lifted.initializers.get('w')!.load()).toEqual({
      dtype: 'float32',
      shape: [2],
      data: Float32Array.of(1, -2.5),
    })
    expect(lifted.initializers.get('n')).toBe(graph.initializers.get('n'))
    const [cast, branches, fill] = lifted.nodes
    expect(cast!.attributes.get('to')!.value).toBe(elementTypes.float32)
    const inner = branches!.attributes.get('then_branch')!.value as Graph
    expect(inner.nodes[0]!.attributes.get('to')!.value).toBe(elementTypes.float32)
    expect(inner.initializers.get('w')!.dtype).toBe('float32')
    expect(fill!.attributes.get('value')!.value).toEqual({ dtype: 'float32', shape: [1], data: Float32Array.of(0.1) })
    expect(notes).toEqual(['Values of type float16 and bfloat16 and float64 are taken as float32 to attack the model.'])
  })

  it('leaves a graph of float32 as it is', () => {
    const info = { name: 'x', dtype: 'float32', shape: [1] } as const
    const graph: Graph = { ...graphWith([]), inputs: [info], outputs: [info], valueInfo: new Map() }
    expect(singlePrecision(graph)).toEqual({ graph, notes: [] })
  })
})
