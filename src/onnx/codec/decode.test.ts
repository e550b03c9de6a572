import { create } from '@bufbuild/protobuf'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { failure, graphOf, model, relu } from '../../../test/support/messages.js'
import { type DataType, float32, int64, type Tensor } from '../../tensor/tensor.js'
import {
  AttributeProtoSchema,
  AttributeProto_AttributeType as AttributeType,
  ModelProtoSchema,
  TensorProtoSchema,
} from '../generated/onnx-ml_pb.js'
import { type Graph, initializer, type Node } from '../graph.js'
import { decodeModel, encodeModel, largeTensor } from './index.js'
import { readTensor } from './tensors.js'

describe('tensors that are stored as lists', () => {
  const cases: readonly [DataType, object, Tensor['data']][] = [
    ['float32', { dataType: 1, floatData: [1.5, -2] }, Float32Array.of(1.5, -2)],
    ['float64', { dataType: 11, doubleData: [1.1, -2] }, Float64Array.of(1.1, -2)],
    ['float16', { dataType: 10, int32Data: [0x3c00, 0xfbff] }, Uint16Array.of(0x3c00, 0xfbff)],
    ['bfloat16', { dataType: 16, int32Data: [0x3f80, 0xffff] }, Uint16Array.of(0x3f80, 0xffff)],
    ['int8', { dataType: 3, int32Data: [-1, 127] }, Int8Array.of(-1, 127)],
    ['uint8', { dataType: 2, int32Data: [0, 255] }, Uint8Array.of(0, 255)],
    ['bool', { dataType: 9, int32Data: [0, 1] }, Uint8Array.of(0, 1)],
    ['int32', { dataType: 6, int32Data: [-7, 7] }, Int32Array.of(-7, 7)],
    ['uint32', { dataType: 12, uint64Data: [1n, 4294967295n] }, Uint32Array.of(1, 4294967295)],
    ['int64', { dataType: 7, int64Data: [-1n, 2n ** 62n] }, BigInt64Array.of(-1n, 2n ** 62n)],
    ['uint64', { dataType: 13, uint64Data: [1n, 2n ** 63n] }, BigUint64Array.of(1n, 2n ** 63n)],
    ['string', { dataType: 8, stringData: [Uint8Array.of(0x61), Uint8Array.of()] }, ['a', '']],
  ]
  test.each(cases)('%s', (dtype, fields, data) => {
    const constant = readTensor(create(TensorProtoSchema, { name: 'w', dims: [2n], ...fields }), 'w')
    expect(constant.load()).toEqual({ dtype, shape: [2], data })
  })
})

describe('decoding', () => {
  test('constants become initializers, whatever their form', () => {
    const forms = [
      [
        {
          name: 'value',
          type: AttributeType.TENSOR,
          t: create(TensorProtoSchema, { dims: [1n], dataType: 1, floatData: [3] }),
        },
        float32([3]),
      ],
      [{ name: 'value_float', type: AttributeType.FLOAT, f: 2 }, float32([2], [])],
      [{ name: 'value_floats', type: AttributeType.FLOATS, floats: [1, 2] }, float32([1, 2])],
      [{ name: 'value_int', type: AttributeType.INT, i: 2n ** 60n }, int64(BigInt64Array.of(2n ** 60n), [])],
      [{ name: 'value_ints', type: AttributeType.INTS, ints: [4n, 5n] }, int64([4, 5])],
      [
        { name: 'value_string', type: AttributeType.STRING, s: Uint8Array.of(0x61) },
        { dtype: 'string', shape: [], data: ['a'] },
      ],
    ] as const
    for (const [attribute, expected] of forms) {
      const bytes = model(proto => {
        const constant = {
          opType: 'Constant',
          output: ['c'],
          attribute: [create(AttributeProtoSchema, attribute as object)],
        }
        proto.graph!.node.unshift(create(ModelProtoSchema, { graph: { node: [constant] } }).graph!.node[0]!)
      })
      const { graph } = decodeModel(bytes)
      expect(graph.nodes).toHaveLength(1)
      expect(graph.initializers.get('c')!.load()).toEqual(expected)
    }
  })

  test('initializers that are listed as inputs are no inputs', () => {
    const bytes = model(proto => {
      proto.graph!.initializer = [create(TensorProtoSchema, { name: 'w', dims: [], dataType: 1, floatData: [1] })]
      proto.graph!.input.push({ ...proto.graph!.input[0]!, name: 'w' })
    })
    expect(decodeModel(bytes).graph.inputs.map(input => input.name)).toEqual(['x'])
  })

  test('nodes come out in topological order, whatever order they are in', () => {
    const chain = Array.from({ length: 30 }, (_, i) => relu(i === 0 ? 'x' : `h${i - 1}`, i === 29 ? 'y' : `h${i}`))
    fc.assert(
      fc.property(fc.shuffledSubarray(chain, { minLength: 30 }), nodes => {
        expect(decodeModel(encodeModel(graphOf(nodes))).graph.nodes).toEqual(chain)
      }),
      { numRuns: 30 },
    )
  })

  test('values that a subgraph takes from outside count for the order', () => {
    const inner: Graph = {
      ...graphOf([relu('h', 'inner')]),
      inputs: [],
      outputs: [{ name: 'inner', dtype: 'float32', shape: [3] }],
    }
    const branch = (name: string) => [name, { type: 'graph' as const, value: inner }] as const
    const condition: Node = {
      ...relu('x', 'y', 'if'),
      op: 'If',
      attributes: new Map([branch('then_branch'), branch('else_branch')]),
    }
    const { nodes } = decodeModel(encodeModel(graphOf([condition, relu('x', 'h')]))).graph
    expect(nodes.map(node => node.op)).toEqual(['Relu', 'If'])
    expect(failure(() => decodeModel(encodeModel(graphOf([condition])))).message).toContain('"h"')
  })

  test('20,000 nodes are no problem, backwards neither', () => {
    const chain = Array.from({ length: 20_000 }, (_, i) =>
      relu(i === 0 ? 'x' : `h${i - 1}`, i === 19_999 ? 'y' : `h${i}`),
    )
    expect(decodeModel(encodeModel(graphOf(chain.toReversed()))).graph.nodes).toEqual(chain)
  })
})

describe('reading large tensors again', () => {
  const large = float32(
    Float32Array.from({ length: largeTensor / 4 }, (_, i) => i),
    [largeTensor / 4],
  )
  const weights = new Map([
    ['large', initializer(large)],
    ['small', initializer(float32([1, 2, 3]))],
  ])
  const file = encodeModel(graphOf([relu('x', 'y')], { initializers: weights }))

  test('asks for the large ones alone, and needs the message no more', () => {
    const asked: number[] = []
    const reread = (offset: number, length: number) => {
      asked.push(length)
      return file.slice(offset, offset + length)
    }
    const message = file.slice()
    const { initializers } = decodeModel(message, { reread }).graph
    message.fill(0)
    for (const [name, constant] of weights) expect(initializers.get(name)!.load()).toEqual(constant.load())
    expect(asked).toEqual([largeTensor])
  })

  test('takes what it needs from the message otherwise', () => {
    const { initializers } = decodeModel(file).graph
    for (const [name, constant] of weights) expect(initializers.get(name)!.load()).toEqual(constant.load())
  })
})
