import { create, toBinary } from '@bufbuild/protobuf'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { graphOf, model, relu, small } from '../../../test/support/messages.js'
import { arrays, type DataType, float32, int64, type Tensor } from '../../tensor/tensor.js'
import {
  AttributeProtoSchema,
  AttributeProto_AttributeType as AttributeType,
  TypeProtoSchema,
} from '../generated/onnx-ml_pb.js'
import { initializer, type Node } from '../graph.js'
import { decodeModel, type ExternalReader, encodeExternal, encodeModel } from './index.js'
import { rawBytes } from './tensors.js'

type NumericTensor = Parameters<typeof rawBytes>[0]

describe('round trip', () => {
  test('keeps names, shapes, attributes, domains and initializers', () => {
    const nodes: Node[] = [
      {
        name: 'custom',
        op: 'Odd',
        domain: 'com.example',
        inputs: ['x', '', 'w'],
        outputs: ['h', ''],
        attributes: new Map([
          ['f', { type: 'float', value: 0.5 }],
          ['i', { type: 'int', value: -3 }],
          ['s', { type: 'string', value: 'grün' }],
          ['t', { type: 'tensor', value: float32([1, 2], [2]) }],
          ['fs', { type: 'floats', value: [0.25, -1] }],
          ['is', { type: 'ints', value: [1, -2] }],
          ['ss', { type: 'strings', value: ['a', ''] }],
          [
            'g',
            { type: 'graph', value: { ...graphOf([relu('x', 'h1')]), inputs: [], outputs: [], opsets: new Map() } },
          ],
        ]),
      },
      relu('h', 'h0'),
      relu('h0', 'y'),
    ]
    const graph = graphOf(nodes, {
      opsets: new Map([
        ['', 21],
        ['com.example', 2],
      ]),
      inputs: [
        { name: 'x', dtype: 'float32', shape: ['batch', undefined, 7] },
        { name: 'free', dtype: 'uint8', shape: undefined },
        { name: 'scalar', dtype: 'float64', shape: [] },
      ],
      initializers: new Map([['w', initializer(int64([1, 2, 3]))]]),
      valueInfo: new Map([['h', { name: 'h', dtype: 'float16', shape: [1] }]]),
    })
    const back = decodeModel(encodeModel(graph, { producer: 'me', metadata: new Map([['k', 'v']]) }))
    expect(back.producer).toBe('me')
    expect(back.metadata).toEqual(new Map([['k', 'v']]))
    const { initializers, nodes: read, ...rest } = back.graph
    const { initializers: _, nodes: __, ...expected } = graph
    expect(rest).toEqual(expected)
    expect(initializers.get('w')!.load()).toEqual(int64([1, 2, 3]))
    expect(read.map(({ attributes, ...node }) => node)).toEqual(nodes.map(({ attributes, ...node }) => node))
    const inner = read[0]!.attributes.get('g')
    expect(inner?.type === 'graph' && inner.value.nodes).toEqual([relu('x', 'h1')])
    for (const [name, value] of nodes[0]!.attributes)
      if (name !== 'g') expect(read[0]!.attributes.get(name)).toEqual(value)
  })

  test('nodes that share a name get names of their own, which ONNX Runtime insists on', () => {
    const nodes = ['h1', 'h2', 'h3', 'h4', 'y'].map((to, i) =>
      relu(i === 0 ? 'x' : `h${i}`, to, ['a', 'a', 'a#2', '', ''][i]),
    )
    const names = decodeModel(encodeModel(graphOf(nodes))).graph.nodes.map(node => node.name)
    expect(names).toEqual(['a', 'a#3', 'a#2', '', ''])
  })

  test('types that are no tensors are kept as text and written back', () => {
    for (const typeText of [
      'sequence(map(int64, float32))',
      'optional(float16)',
      'sparse(float64)',
      'float8e4m3fn',
      'opaque(a, b)',
    ]) {
      const output = { name: 'y', dtype: 'other' as const, typeText, shape: undefined }
      expect(decodeModel(encodeModel({ ...small, outputs: [output] })).graph.outputs).toEqual([output])
    }
  })

  test('attributes without a form of their own survive as they were read', () => {
    const type = create(TypeProtoSchema, { value: { case: 'sequenceType', value: {} as never } })
    const bytes = model(proto => {
      proto.graph!.node[0]!.attribute = [
        create(AttributeProtoSchema, { name: 'tp', type: AttributeType.TYPE_PROTO, tp: type }),
        create(AttributeProtoSchema, { name: 's', type: AttributeType.STRING, s: Uint8Array.of(0xff, 0xfe) }),
      ]
    })
    const [a, b] = [decodeModel(bytes), decodeModel(encodeModel(decodeModel(bytes).graph))]
    expect(a.graph.nodes[0]!.attributes.get('tp')?.type).toBe('opaque')
    expect(b.graph.nodes).toEqual(a.graph.nodes)
  })

  test('the largest 64-bit integer, "to the end" in old slices, is written back as it was', () => {
    const attribute = create(AttributeProtoSchema, {
      name: 'ends',
      type: AttributeType.INTS,
      ints: [2n ** 63n - 1n, -(2n ** 63n)],
    })
    const bytes = model(proto => Object.assign(proto.graph!.node[0]!, { attribute: [attribute] }))
    const again = encodeModel(decodeModel(bytes).graph)
    expect(Buffer.from(again).includes(Buffer.from(toBinary(AttributeProtoSchema, attribute)))).toBe(true)
  })

  test.each(Object.keys(arrays) as Exclude<DataType, 'string'>[])(
    '%s tensors, for any values and at any offset',
    dtype => {
      const size = arrays[dtype].BYTES_PER_ELEMENT
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 40 }), fc.string({ maxLength: 7 }), (bytes, name) => {
          const whole = bytes.slice(0, bytes.length - (bytes.length % size))
          const data = new arrays[dtype](whole.buffer, 0, whole.length / size)
          const tensor = { dtype, shape: [data.length], data } as Tensor
          const graph = { ...small, name: `g${name}`, initializers: new Map([['w', initializer(tensor)]]) }
          const back = decodeModel(encodeModel(graph)).graph.initializers.get('w')!.load()
          expect({ dtype: back.dtype, shape: back.shape }).toEqual({ dtype, shape: [data.length] })
          // As plain arrays: an empty piece of a buffer and an empty buffer are not equal otherwise.
          expect([...rawBytes(back as NumericTensor)]).toEqual([...whole])
        }),
        { numRuns: 30 },
      )
    },
  )

  test('external data holds every large tensor once, aligned, and reads back', () => {
    const weights = new Map(
      [1000, 3, 2000].map(
        (size, i) => [`w${i}`, initializer(float32(Float32Array.from({ length: size }, (_, j) => j + i)))] as const,
      ),
    )
    const chunks: Uint8Array[] = []
    const bytes = encodeExternal(
      { ...small, initializers: weights },
      { location: 'd.bin', write: chunk => chunks.push(chunk.slice()) },
    )
    const data = Buffer.concat(chunks)
    expect(bytes.length).toBeLessThan(1000)
    expect(data.length).toBe(4096 + 8000)
    const external: ExternalReader = {
      check: () => {},
      read: (_, offset, length) => data.subarray(offset, offset + length),
    }
    const { initializers } = decodeModel(bytes, { external }).graph
    for (const [name, constant] of weights) expect(initializers.get(name)!.load()).toEqual(constant.load())
  })
})
