import { create, toBinary } from '@bufbuild/protobuf'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { RobustlyError } from '../../errors.js'
import { arrays, type DataType, float32, int64, type Tensor } from '../../tensor/tensor.js'
import {
  AttributeProtoSchema,
  AttributeProto_AttributeType as AttributeType,
  type ModelProto,
  ModelProtoSchema,
  TensorProto_DataLocation,
  TensorProtoSchema,
  TypeProtoSchema,
} from '../generated/onnx-ml_pb.js'
import { type Graph, initializer, type Node } from '../graph.js'
import { decodeModel, type ExternalReader, encodeExternal, encodeModel } from './index.js'
import { rawBytes, readTensor } from './tensors.js'

type NumericTensor = Parameters<typeof rawBytes>[0]

const relu = (from: string, to: string, name = `relu-${to}`): Node => ({
  name,
  op: 'Relu',
  domain: '',
  inputs: [from],
  outputs: [to],
  attributes: new Map(),
})

function graphOf(nodes: readonly Node[], more: Partial<Graph> = {}): Graph {
  return {
    name: 'test',
    opsets: new Map([['', 21]]),
    inputs: [{ name: 'x', dtype: 'float32', shape: ['batch', 3] }],
    outputs: [{ name: 'y', dtype: 'float32', shape: ['batch', 3] }],
    nodes,
    initializers: new Map(),
    valueInfo: new Map(),
    ...more,
  }
}

const small = graphOf([relu('x', 'y')])

/** A model message that is valid until `change` touches it. */
function model(change: (proto: ModelProto) => unknown = () => {}): Uint8Array {
  const tensorType = { elemType: 1, shape: { dim: [{ value: { case: 'dimValue' as const, value: 3n } }] } }
  const type = create(TypeProtoSchema, { value: { case: 'tensorType', value: tensorType as never } })
  const proto = create(ModelProtoSchema, {
    irVersion: 8n,
    opsetImport: [{ domain: '', version: 17n }],
    graph: {
      name: 'test',
      node: [{ name: 'first', opType: 'Relu', input: ['x'], output: ['y'] }],
      input: [{ name: 'x', type }],
      output: [{ name: 'y', type }],
    },
  })
  change(proto)
  return toBinary(ModelProtoSchema, proto)
}

function failure(action: () => unknown): RobustlyError {
  try {
    action()
  } catch (error) {
    expect(error).toBeInstanceOf(RobustlyError)
    return error as RobustlyError
  }
  throw new Error('nothing was thrown')
}

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

describe('bad input', () => {
  test('row 2: an empty file', () => {
    const error = failure(() => decodeModel(new Uint8Array()))
    expect(error.code).toBe('model-unreadable')
    expect(error.message).toContain('empty')
  })

  const others: readonly [string, Uint8Array, string][] = [
    ['gzip', Uint8Array.of(0x1f, 0x8b, 8, 0, 0, 0, 0, 0), 'gzip'],
    ['zip', Uint8Array.of(0x50, 0x4b, 3, 4, 20, 0), 'zip'],
    ['PyTorch zip', new TextEncoder().encode('PK\u0003\u0004 archive/data.pkl'), 'PyTorch'],
    ['pickle', Uint8Array.of(0x80, 2, 0x8a, 0x0a), 'pickle'],
    ['text', new TextEncoder().encode('Not found\n'), 'text'],
    ['JSON', new TextEncoder().encode('{"model": []}'), 'JSON'],
    ['web page', new TextEncoder().encode('<!DOCTYPE html><html>'), 'web page'],
    ['LFS pointer', new TextEncoder().encode('version https://git-lfs.github.com/spec/v1\n'), 'LFS'],
    ['HDF5', Uint8Array.of(0x89, 0x48, 0x44, 0x46, 0x0d), 'Keras'],
    ['TensorFlow Lite', new TextEncoder().encode('\u001c\u0000\u0000\u0000TFL3'), 'TensorFlow Lite'],
    ['SavedModel', Uint8Array.of(8, 1, 0x12, 9, 0x0a, 7, 0x22, 5, ...new TextEncoder().encode('serve')), 'SavedModel'],
  ]
  test.each(others)('row 3: %s is named as what it is', (_, bytes, kind) => {
    const error = failure(() => decodeModel(bytes))
    expect(error.code).toBe('model-unreadable')
    expect(error.message).toContain(kind)
  })

  test('row 3: a model that was cut off, anywhere', () => {
    const weights = new Map([['w', initializer(float32(new Float32Array(100)))]])
    const bytes = encodeModel({ ...small, initializers: weights })
    for (let length = 0; length < bytes.length; length += 7) {
      expect(['model-unreadable', 'model-invalid']).toContain(
        failure(() => decodeModel(bytes.subarray(0, length))).code,
      )
    }
  })

  test('row 4: 3,000 levels of nesting end at once', () => {
    let nested: number[] = []
    const wrap = (field: number) => {
      const length: number[] = []
      for (let left = nested.length; ; left >>>= 7) {
        length.push(left < 128 ? left : (left & 127) | 128)
        if (left < 128) break
      }
      nested = [(field << 3) | 2, ...length, ...nested]
    }
    // graph > node > attribute > graph > …
    for (let level = 0; level < 1000; level++) for (const field of [6, 5, 1]) wrap(field)
    wrap(7)
    expect(failure(() => decodeModel(Uint8Array.of(8, 8, ...nested))).code).toBe('model-unreadable')
  })

  test.each([
    ['a length of 2^31', [0x08, 8, 0x3a, 0x80, 0x80, 0x80, 0x80, 0x08]],
    ['a length of 2^63', [0x08, 8, 0x3a, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01]],
    ['a number of 11 bytes', [0x08, ...new Array<number>(10).fill(0xff), 0x01]],
    ['wire type 7', [0x08, 8, 0x3f, 0x01]],
  ])('row 5: %s', (_, bytes) => {
    const { code } = failure(() => decodeModel(Uint8Array.from(bytes)))
    expect(['model-unreadable', 'model-invalid']).toContain(code)
  })

  test.each([
    ['10^9 x 10^9 elements', [10n ** 9n, 10n ** 9n], 'impossible'],
    ['2^62 elements', [2n ** 62n], 'impossible'],
    ['an overflowing product', [2n ** 32n, 2n ** 32n], 'impossible'],
    ['a negative dimension', [-3n], 'negative'],
    ['more elements than bytes', [1000n, 1000n], 'needs 4000000 bytes'],
    ['fewer elements than bytes', [1n], 'needs 4 bytes'],
  ])('row 6: a tensor with %s', (_, dims, text) => {
    const tensor = create(TensorProtoSchema, { name: 'w', dims, dataType: 1, rawData: new Uint8Array(8) })
    const error = failure(() => decodeModel(model(proto => Object.assign(proto.graph!, { initializer: [tensor] }))))
    expect(error.code).toBe('model-invalid')
    expect(error.message).toContain('"w"')
    expect(error.message).toContain(text)
  })

  test('row 7: raw data at any offset of the file', () => {
    for (let length = 0; length < 8; length++) {
      const graph = {
        ...small,
        name: 'n'.repeat(length + 1),
        initializers: new Map([['w', initializer(int64([1, -2]))]]),
      }
      expect(decodeModel(encodeModel(graph)).graph.initializers.get('w')!.load()).toEqual(int64([1, -2]))
    }
  })

  const withExternal = (entries: Readonly<Record<string, string>>) =>
    model(proto => {
      const externalData = Object.entries(entries).map(([key, value]) => ({ key, value }))
      const dataLocation = TensorProto_DataLocation.EXTERNAL
      proto.graph!.initializer = [
        create(TensorProtoSchema, { name: 'w', dims: [2n], dataType: 1, dataLocation, externalData }),
      ]
    })
  const open: ExternalReader = { check: () => {}, read: (_, __, length) => new Uint8Array(length) }

  test.each([
    '../x',
    'a/../../x',
    'a/..',
    '/etc/passwd',
    '/proc/self/environ',
    '/dev/zero',
    'C:\\x',
    'C:x',
    '..\\x',
    'file:///etc/passwd',
    '',
    'a\u0000b',
    '*/_ORT_MEM_ADDR_/*',
  ])('rows 8 and 11: external data at %j', location => {
    const error = failure(() => decodeModel(withExternal({ location }), { external: open }))
    expect(error.code).toBe('model-unsafe')
    expect(error.message).toContain('"w"')
  })

  test.each([
    ['a negative offset', { offset: '-1' }],
    ['a fractional offset', { offset: '1.5' }],
    ['an offset in hexadecimal', { offset: '0x10' }],
    ['an offset past every file', { offset: '9007199254740991' }],
    ['a negative length', { length: '-8' }],
    ['a length that does not fit the shape', { length: '9' }],
  ])('row 10: external data with %s', (_, entries) => {
    const error = failure(() => decodeModel(withExternal({ location: 'w.bin', ...entries }), { external: open }))
    expect(error.code).toBe('model-invalid')
  })

  test('row 12: external data is refused when only bytes are given', () => {
    const error = failure(() => decodeModel(withExternal({ location: 'w.bin' })))
    expect(error.code).toBe('model-unreadable')
    expect(error.message).toContain('"w.bin"')
  })

  test.each([
    ['opset 27', (proto: ModelProto) => Object.assign(proto.opsetImport[0]!, { version: 27n })],
    ['IR version 14', (proto: ModelProto) => Object.assign(proto, { irVersion: 14n })],
  ])('row 14: %s', (text, change) => {
    const error = failure(() => decodeModel(model(change)))
    expect(error.code).toBe('model-unsupported')
    expect(error.message).toContain(text)
    expect(error.hint).toContain('opset <= 26')
  })

  const broken: readonly [string, (proto: ModelProto) => unknown, string][] = [
    ['no graph', proto => Object.assign(proto, { graph: undefined }), 'no graph'],
    ['no nodes', proto => Object.assign(proto.graph!, { node: [] }), 'computed by no node'],
    ['no inputs', proto => Object.assign(proto.graph!, { input: [] }), '"x"'],
    ['no outputs', proto => Object.assign(proto.graph!, { output: [] }), 'no outputs'],
    ['an output that nothing computes', proto => Object.assign(proto.graph!.output[0]!, { name: 'z' }), '"z"'],
    [
      'an input that nothing defines',
      proto => Object.assign(proto.graph!.node[0]!, { input: ['q'] }),
      'node "first" (Relu) uses the value "q"',
    ],
    [
      'a value defined twice',
      proto => proto.graph!.node.push({ ...proto.graph!.node[0]!, name: 'second' }),
      'node "second"',
    ],
    [
      'a node that overwrites the input',
      proto => Object.assign(proto.graph!.node[0]!, { output: ['x'] }),
      '"x" is defined twice',
    ],
    [
      'a cycle',
      proto => Object.assign(proto.graph!.node[0]!, { input: ['y'] }),
      'cycle through node "first" (Relu) and its output "y"',
    ],
  ]
  test.each(broken)('row 15: %s', (_, change, text) => {
    const error = failure(() => decodeModel(model(change)))
    expect(['model-invalid', 'model-unreadable']).toContain(error.code)
    expect(error.message).toContain(text)
  })

  test('row 15: custom domains and unknown operators are decoded, and can be named', () => {
    const { graph } = decodeModel(
      model(proto => Object.assign(proto.graph!.node[0]!, { opType: 'Odd', domain: 'com.example' })),
    )
    expect(graph.nodes[0]).toMatchObject({ op: 'Odd', domain: 'com.example' })
  })

  test('names in messages are cut and cannot steer a terminal', () => {
    const name = `\u001b[31m${'n'.repeat(100_000)}`
    const { message } = failure(() =>
      decodeModel(model(proto => Object.assign(proto.graph!.node[0]!, { name, input: ['q'] }))),
    )
    expect(message).not.toContain('\u001b')
    expect(message.length).toBeLessThan(700)
  })

  test('row 21: element types that nothing here computes with', () => {
    const tensor = create(TensorProtoSchema, { name: 'w', dims: [2n], dataType: 22, rawData: Uint8Array.of(0x12) })
    const error = failure(() => decodeModel(model(proto => Object.assign(proto.graph!, { initializer: [tensor] }))))
    expect(error.code).toBe('model-unsupported')
    expect(error.message).toContain('int4')
  })

  test.each(['__proto__', 'constructor', 'toString', 'hasOwnProperty'])('row 23: values named %s', name => {
    const graph = graphOf([relu(name, 'y')], {
      inputs: [{ name, dtype: 'float32', shape: [3] }],
      initializers: new Map([
        [`${name}2`, initializer(float32([1]))],
        ['__defineGetter__', initializer(float32([2]))],
      ]),
    })
    const back = decodeModel(encodeModel(graph)).graph
    expect(back.inputs[0]!.name).toBe(name)
    expect(back.nodes[0]!.inputs).toEqual([name])
    expect(back.initializers.get('__defineGetter__')!.load()).toEqual(float32([2]))
  })
})

test('any change of bytes gives a model or a clear error, quickly', () => {
  const weights = new Map([
    ['w', initializer(float32([1, 2, 3]))],
    ['shape', initializer(int64([1, 3]))],
  ])
  const bytes = encodeModel(graphOf([relu('x', 'h'), relu('h', 'y')], { initializers: weights }))
  const position = fc.nat(bytes.length - 1)
  const edit = fc.record({ at: position, remove: fc.nat(3), insert: fc.uint8Array({ maxLength: 3 }) })
  fc.assert(
    fc.property(fc.array(edit, { minLength: 1, maxLength: 6 }), edits => {
      let mutated = [...bytes]
      for (const { at, remove, insert } of edits) mutated = mutated.toSpliced(at % mutated.length, remove, ...insert)
      try {
        const { graph } = decodeModel(Uint8Array.from(mutated))
        for (const constant of graph.initializers.values()) constant.load()
        encodeModel(graph)
      } catch (error) {
        if (!(error instanceof RobustlyError)) throw error
      }
    }),
    { numRuns: 1000 },
  )
})
