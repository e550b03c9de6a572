import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { GraphBuilder } from '../onnx/build.js'
import { encodeModel } from '../onnx/codec/index.js'
import { type Dim, type Graph, initializer, type Node, type ValueInfo } from '../onnx/graph.js'
import { bool, type DataType, float32, int64, type Tensor } from '../tensor/tensor.js'
import { loadEngine } from './engine.js'
import { writeModelFile } from './files.js'

const info = (name: string, dtype: DataType, shape: readonly Dim[] | undefined): ValueInfo => ({ name, dtype, shape })
const node = (op: string, inputs: string[], outputs: string[]): Node => ({
  name: '',
  op,
  domain: '',
  inputs,
  outputs,
  attributes: new Map(),
})
const graph = (nodes: Node[], inputs: ValueInfo[], outputs: ValueInfo[]): Graph => ({
  name: 'test',
  opsets: new Map([['', 17]]),
  inputs,
  outputs,
  nodes,
  initializers: new Map(),
  valueInfo: new Map(),
})
const bytesOf = (of: Graph) => ({ bytes: encodeModel(of) })
const one = { threads: 1 } as const

/** What this file's engines left behind: in a folder of its own, for other tests run at the same time. */
const scratchFolders = () => readdir(tmpdir())
beforeAll(async () => {
  process.env.TMPDIR = await mkdtemp(join(tmpdir(), 'robustly-engine-test-'))
})
afterAll(() => rm(process.env.TMPDIR!, { recursive: true }))

/** y = -x, z = exp(x), for x of any batch. */
const twoOutputs = (x = 'x', y = 'y') =>
  bytesOf(
    graph(
      [node('Neg', [x], [y]), node('Exp', [x], ['z'])],
      [info(x, 'float32', ['N', 2])],
      [info(y, 'float32', ['N', 2]), info('z', 'float32', ['N', 2])],
    ),
  )

describe.each(['native', 'wasm'] as const)('%s engine', kind => {
  const engine = loadEngine({ require: kind })
  const open = async (source: { bytes: Uint8Array } | { path: string }) => (await engine).createSession(source, one)

  test('says what it is', async () => {
    expect(await engine).toMatchObject({ kind, notice: undefined, version: expect.stringMatching(/^1\./) })
    expect((await engine).providers).toContain('cpu')
  })

  test.each(['x', '__proto__', 'constructor', 'hasOwnProperty', 'a b\n'])('runs with values named %j', async name => {
    const feeds = (input: string) => new Map([[input, float32([1, 2], [1, 2])]])
    await using byInput = await open(twoOutputs(name))
    expect((await byInput.run(feeds(name))).get('y')).toEqual(float32([-1, -2], [1, 2]))
    await using byOutput = await open(twoOutputs('in', name))
    expect([...(await byOutput.run(feeds('in'))).keys()]).toEqual([name, 'z'])
    const [bound] = await byOutput.bind(feeds('in'), [name])()
    expect(bound).toEqual(Float32Array.of(-1, -2))
  })

  const samples: readonly Tensor[] = [
    float32([1.5, -2]),
    { dtype: 'float64', shape: [2], data: Float64Array.of(1.5, -2) },
    { dtype: 'float16', shape: [2], data: Uint16Array.of(0x3e00, 0xc000) },
    int64(BigInt64Array.of(2n ** 60n, -1n)),
    { dtype: 'uint64', shape: [2], data: BigUint64Array.of(2n ** 63n, 1n) },
    { dtype: 'int32', shape: [2], data: Int32Array.of(-5, 7) },
    { dtype: 'uint32', shape: [2], data: Uint32Array.of(4e9, 7) },
    { dtype: 'int16', shape: [2], data: Int16Array.of(-5, 7) },
    { dtype: 'uint16', shape: [2], data: Uint16Array.of(65535, 7) },
    { dtype: 'int8', shape: [2], data: Int8Array.of(-5, 7) },
    { dtype: 'uint8', shape: [2], data: Uint8Array.of(255, 7) },
    bool([true, false]),
    { dtype: 'string', shape: [2], data: ['a', 'né'] },
  ]
  test.each(samples)('passes $dtype through', async sample => {
    const { dtype, shape } = sample
    await using session = await open(
      bytesOf(graph([node('Identity', ['x'], ['y'])], [info('x', dtype, shape)], [info('y', dtype, shape)])),
    )
    const feeds = new Map([['x', sample]])
    expect((await session.run(feeds)).get('y')).toEqual(sample)
    expect((await session.bind(feeds, ['y'])())[0]).toEqual(sample.data)
  })

  test('states types and shapes of inputs and outputs', async () => {
    const shape = ['N', undefined, 3]
    await using session = await open(
      bytesOf(graph([node('Neg', ['x'], ['y'])], [info('x', 'float32', shape)], [info('y', 'float32', shape)])),
    )
    expect(session.inputs).toEqual([info('x', 'float32', shape)])
    expect(session.outputs).toEqual([info('y', 'float32', shape)])
  })

  test('refuses feeds that are not the inputs, and names them', async () => {
    await using session = await open(twoOutputs())
    const x = float32([1, 2], [1, 2])
    const cases: readonly [Record<string, Tensor>, string][] = [
      [{}, 'input "x" is missing'],
      [{ x, w: x }, 'there is no input "w"; the model\'s inputs are "x"'],
      [{ x: int64([1, 2], [1, 2]) }, 'input "x" is float32, got int64'],
      [{ x: float32([1, 2], [2]) }, 'input "x" has shape [N, 2], got [2]'],
      [{ x: float32([1, 2, 3], [1, 3]) }, 'input "x" has shape [N, 2], got [1, 3]'],
      [{ x: { dtype: 'float32', shape: [2, 2], data: Float32Array.of(1, 2) } }, 'shape [2, 2] wants 4 elements, got 2'],
    ]
    for (const [feeds, message] of cases) {
      await expect(session.run(new Map(Object.entries(feeds)))).rejects.toMatchObject({
        name: 'RobustlyError',
        code: 'model-failed',
        message: expect.stringContaining(message),
      })
    }
    await expect(session.run(new Map([['x', x]]), ['nope'])).rejects.toThrow('there is no output "nope"')
    await expect(session.run(new Map([['x', x]]), [])).rejects.toThrow('no outputs were asked for')
  })

  test('a bound run reads its inputs anew and gives outputs of their own, in the order asked', async () => {
    await using session = await open(twoOutputs())
    const data = Float32Array.of(0, 1)
    const call = session.bind(new Map([['x', float32(data, [1, 2])]]), ['z', 'y'])
    const first = await call()
    data.set([2, 3])
    const second = await call()
    expect(first).toEqual([Float32Array.of(1, Math.exp(1)), Float32Array.of(-0, -1)])
    expect(second[1]).toEqual(Float32Array.of(-2, -3))
    expect(session.runtimeSeconds).toBeGreaterThan(0)
  })

  test('an empty batch is a batch', async () => {
    await using session = await open(twoOutputs())
    expect((await session.run(new Map([['x', float32([], [0, 2])]]))).get('y')).toEqual(float32([], [0, 2]))
  })

  test('models that cannot be loaded are refused with a reason and a next step', async () => {
    const neg = (op: string, input = 'x') =>
      bytesOf(graph([node(op, [input], ['y'])], [info('x', 'float32', [1])], [info('y', 'float32', [1])]))
    const cases = [
      [{ bytes: new TextEncoder().encode('hello') }, 'model-invalid', /protobuf parsing failed|No graph was found/i],
      [neg('Foo'), 'model-unsupported', /No Op registered for Foo/],
      [neg('Neg', 'ghost'), 'model-invalid', /'ghost' is not a graph input/],
      [{ path: '/no/such/model.onnx' }, 'model-unreadable', /^model\.onnx: /],
      [{ path: tmpdir() }, 'model-unreadable', /directory/],
    ] as const
    for (const [source, code, message] of cases) {
      const error = await open(source).catch(error => error)
      expect(error).toMatchObject({ name: 'RobustlyError', code, hint: expect.any(String) })
      expect(error.message).toMatch(message)
      expect(error.message).not.toMatch(/\n|\.cc:\d/)
    }
  })

  test('types that an operator is not there for are named as such', async () => {
    const b = new GraphBuilder('double')
    const x = b.input('x', 'float64', [1, 1, 2])
    b.output(b.conv(x, b.full([1, 1, 1], 2, 'float64')), 'y')
    await expect(open(bytesOf(b.build()))).rejects.toMatchObject({
      code: 'model-unsupported',
      message: expect.stringContaining('Could not find an implementation for Conv'),
      hint: expect.stringMatching(/types of its values.*float32/),
    })
  })

  test('a run that fails says so in one clean line', async () => {
    await using session = await open(
      bytesOf(
        graph(
          [node('Add', ['a', 'b'], ['y'])],
          [info('a', 'float32', ['N']), info('b', 'float32', ['M'])],
          [info('y', 'float32', ['K'])],
        ),
      ),
    )
    const feeds = new Map([
      ['a', float32([1, 2])],
      ['b', float32([1, 2, 3])],
    ])
    const error = await session.run(feeds).catch(error => error)
    expect(error).toMatchObject({ name: 'RobustlyError', code: 'model-failed' })
    expect(error.message).toMatch(/2 by 3/)
    expect(error.message).not.toMatch(/\n|\.(h|cc):\d/)
  })

  test('release may be called twice; a run after it is refused', async () => {
    const session = await open(twoOutputs())
    const feeds = new Map([['x', float32([1, 2], [1, 2])]])
    const call = session.bind(feeds, ['y'])
    await session.release()
    await session.release()
    await expect(call()).rejects.toThrow('was released')
    await expect(session.run(feeds)).rejects.toThrow('was released')
  })

  test('infers the types of outputs that the file leaves open', async () => {
    const open = graph(
      [node('Shape', ['x'], ['s']), node('MatMul', ['x', 'w'], ['y'])],
      [info('x', 'float32', ['N', 4]), info('w', 'float32', [4, 3])],
      [info('s', 'int64', undefined), info('y', 'float32', undefined)],
    )
    const types = await (await engine).outputTypes(bytesOf(open))
    expect(types.get('s')).toEqual({ dtype: 'int64', shape: [2] })
    expect(types.get('y')).toEqual({ dtype: 'float32', shape: ['N', 3] })
  })

  test('simplifies, and leaves no files behind', async () => {
    const b = new GraphBuilder('fold')
    const x = b.input('x', 'float32', [2])
    b.output(b.add(x, b.exp(b.constant(float32([0, 1])))), 'y')
    const had = await scratchFolders()
    const simple = await (await engine).simplify({ graph: b.build() })
    expect(await scratchFolders()).toEqual(had)
    expect(simple.nodes.map(node => node.op).filter(op => op !== 'Identity')).toEqual(['Add'])
    expect(simple.outputs).toEqual([info('y', 'float32', [2])])
  })

  test('weights too large for a message go in and out beside it, and nothing stays behind', async () => {
    const weights = Float32Array.from({ length: 2 ** 19 }, (_, i) => i / 3)
    const b = new GraphBuilder('large')
    const x = b.input('x', 'float32', [1])
    b.output(b.add(b.add(x, b.constant(float32(weights), 'w')), b.exp(b.constant(float32([0])))), 'y')
    const had = await scratchFolders()
    const simple = await (await engine).simplify({ graph: b.build() })
    await using session = await (await engine).createSession({ graph: simple }, one)
    expect(await scratchFolders()).toEqual(had)
    expect(simple.initializers.get('w')!.load()).toEqual(float32(weights))
    const result = await session.run(new Map([['x', float32([2])]]))
    expect(result.get('y')!.data).toEqual(weights.map(weight => Math.fround(weight + 2) + 1))
  })

  test('reads models with external data by path', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'robustly-external-test-'))
    try {
      const b = new GraphBuilder('external')
      const x = b.input('x', 'float32', [1, 1000])
      const weights = Float32Array.from({ length: 1000 }, (_, i) => i)
      b.output(b.add(x, b.constant(float32(weights, [1, 1000]), 'weights')), 'y')
      const path = join(folder, 'model.onnx')
      await writeModelFile(b.build(), path, { external: true })
      expect(await readdir(folder)).toHaveLength(2)
      await using session = await open({ path })
      const result = await session.run(new Map([['x', float32(new Float32Array(1000), [1, 1000])]]))
      expect(result.get('y')!.data).toEqual(weights)
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  test('several threads compute the same', async () => {
    const b = new GraphBuilder('wide')
    const x = b.input('x', 'float32', [64, 64])
    b.output(b.matMul(x, x), 'y')
    const feeds = new Map([
      [
        'x',
        float32(
          Float32Array.from({ length: 4096 }, (_, i) => (i % 7) - 3),
          [64, 64],
        ),
      ],
    ])
    const run = async (threads: number) => {
      await using session = await (await engine).createSession({ bytes: encodeModel(b.build()) }, { threads })
      return await session.run(feeds)
    }
    expect(await run(2)).toEqual(await run(1))
    await expect(run(0)).rejects.toThrow(RangeError)
  })
})

test.skipIf(process.platform !== 'linux')('a native session has as many threads as asked for', async () => {
  const engine = await loadEngine({ require: 'native' })
  const threadsOfProcess = async () => (await readdir('/proc/self/task')).length
  await using first = await engine.createSession(twoOutputs(), one)
  const before = await threadsOfProcess()
  await using single = await engine.createSession(twoOutputs(), one)
  expect(await threadsOfProcess()).toBe(before)
  await using several = await engine.createSession(twoOutputs(), { threads: 6 })
  expect(await threadsOfProcess()).toBe(before + 5)
  expect([first, single, several].every(session => session.inputs.length === 1)).toBe(true)
})

test.skipIf(process.platform === 'win32')('a folder for temporary files that cannot be used is said', async () => {
  const engine = await loadEngine({ require: 'native' })
  const b = new GraphBuilder('large')
  b.output(b.add(b.input('x', 'float32', [1]), b.full([2 ** 18], 1, 'float32')), 'y')
  const source = { graph: b.build() }
  const usual = process.env.TMPDIR!
  process.env.TMPDIR = join(usual, 'missing')
  try {
    for (const asking of [() => engine.simplify(source), () => engine.createSession(source, one)]) {
      await expect(asking()).rejects.toMatchObject({
        code: 'output-unwritable',
        message: 'the folder for temporary files cannot be used: there is no such file',
        hint: expect.stringContaining('TMPDIR'),
      })
    }
  } finally {
    process.env.TMPDIR = usual
  }
})

test('bfloat16 is refused with advice', async () => {
  const model = graph([node('Identity', ['x'], ['y'])], [info('x', 'bfloat16', [1])], [info('y', 'bfloat16', [1])])
  const opening = (await loadEngine()).createSession(bytesOf(model), one)
  await expect(opening).rejects.toMatchObject({ code: 'model-unsupported', hint: expect.stringContaining('float32') })
})

test('initializers reach the engine', async () => {
  const model: Graph = {
    ...graph([node('Add', ['x', 'c'], ['y'])], [info('x', 'float32', [2])], [info('y', 'float32', [2])]),
    initializers: new Map([['c', initializer(float32([10, 20]))]]),
  }
  await using session = await (await loadEngine()).createSession(bytesOf(model), one)
  expect((await session.run(new Map([['x', float32([1, 2])]]))).get('y')).toEqual(float32([11, 22]))
})
