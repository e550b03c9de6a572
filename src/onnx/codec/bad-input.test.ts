import { create } from '@bufbuild/protobuf'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { failure, graphOf, model, relu, small } from '../../../test/support/messages.js'
import { RobustlyError } from '../../errors.js'
import { float32, int64 } from '../../tensor/tensor.js'
import { type ModelProto, TensorProto_DataLocation, TensorProtoSchema } from '../generated/onnx-ml_pb.js'
import { initializer } from '../graph.js'
import { decodeModel, type ExternalReader, encodeModel } from './index.js'

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
