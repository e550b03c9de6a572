/** Real child processes. The workers are compiled code: `npm test` builds first. */
import { spawn } from 'node:child_process'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { encodeModel } from '../onnx/codec/index.js'
import { type Attribute, type Graph, initializer, type Node } from '../onnx/graph.js'
import { bool, float32, int64, type Tensor } from '../tensor/tensor.js'
import { connect, deadline } from './channel.js'
import { canLimitMemory, compiledEntry, startWorker, type WorkerProcess } from './process.js'

vi.setConfig({ testTimeout: 30_000 }) // other tests use the processors too

/** What the worker of these tests can do. */
type Probe = {
  echo: { params: unknown; progress: never; result: unknown }
  count: { params: { to: number; everyMs: number }; progress: number; result: string }
  run: { params: RunParams; progress: never; result: Tensor[] }
  script: { params: string; progress: never; result: unknown }
  hold: { params: null; progress: string; result: never }
}
type RunParams = { bytes: Uint8Array; feeds: [string, Tensor][]; require: 'native' | 'wasm' }

const engineEntry = compiledEntry(import.meta.url, './engine.ts')
const channelEntry = compiledEntry(import.meta.url, './channel.ts')
const scratchEntry = compiledEntry(import.meta.url, './scratch.ts')
const buildEntry = compiledEntry(import.meta.url, '../onnx/build.ts')
const tensorEntry = compiledEntry(import.meta.url, '../tensor/tensor.ts')
const probeSource = `
import { loadEngine } from ${JSON.stringify(engineEntry.href)}
import { serve } from ${JSON.stringify(channelEntry.href)}
import { asFile } from ${JSON.stringify(scratchEntry.href)}
import { GraphBuilder } from ${JSON.stringify(buildEntry.href)}
import { float32 } from ${JSON.stringify(tensorEntry.href)}
serve({
  echo: params => params,
  count: async ({ to, everyMs }, progress) => {
    for (let i = 1; i <= to; i++) {
      await new Promise(resolve => setTimeout(resolve, everyMs))
      progress(i)
    }
    return 'counted'
  },
  run: async ({ bytes, feeds, require }) => {
    const engine = await loadEngine({ require })
    const session = await engine.createSession({ bytes }, { threads: 1 })
    return [...(await session.run(new Map(feeds))).values()]
  },
  hold: (_, progress) => {
    const b = new GraphBuilder('large')
    b.output(b.add(b.input('x', 'float32', [1]), b.constant(float32(new Float32Array(2 ** 19)))), 'y')
    return asFile({ graph: b.build() }, path => {
      progress(path)
      return new Promise(() => {})
    })
  },
  script: source => new Function('return (async () => {' + source + '})()')(),
})
`

let folder = ''
let probe: URL
const started: WorkerProcess[] = []
const start = (options: Partial<Parameters<typeof startWorker>[0]> = {}) => {
  const worker = startWorker({ entry: probe, label: 'probe', ...options })
  started.push(worker)
  return connect<Probe>(worker)
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'robustly-process-test-'))
  probe = pathToFileURL(join(folder, 'probe.mjs'))
  await writeFile(probe, probeSource)
})
afterEach(async () => {
  for (const worker of started) worker.kill()
  await Promise.all(started.splice(0).map(worker => worker.exited))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const node = (op: string, inputs: string[], outputs: string[], attributes: [string, Attribute][] = []): Node => ({
  name: '',
  op,
  domain: '',
  inputs,
  outputs,
  attributes: new Map(attributes),
})
const graph = (parts: Partial<Graph>): Graph => ({
  name: 'test',
  opsets: new Map([['', 17]]),
  inputs: [],
  outputs: [],
  nodes: [],
  initializers: new Map(),
  valueInfo: new Map(),
  ...parts,
})

/** Sums a tensor of as many zeros as its input says. */
const zeros = encodeModel(
  graph({
    inputs: [{ name: 'size', dtype: 'int64', shape: [1] }],
    outputs: [{ name: 'sum', dtype: 'float32', shape: undefined }],
    nodes: [
      node('ConstantOfShape', ['size'], ['zeros']),
      node('ReduceSum', ['zeros'], ['sum'], [['keepdims', { type: 'int', value: 0 }]]),
    ],
  }),
)
const sumOf = (elements: number, require: 'native' | 'wasm'): RunParams => ({
  bytes: zeros,
  feeds: [['size', int64([elements])]],
  require,
})

/** Adds one to its input 10^12 times. */
const endless = encodeModel(
  graph({
    inputs: [{ name: 'x', dtype: 'float32', shape: [1] }],
    outputs: [{ name: 'y', dtype: 'float32', shape: [1] }],
    initializers: new Map([
      ['times', initializer(int64(BigInt64Array.of(10n ** 12n), []))],
      ['yes', initializer(bool([true], []))],
    ]),
    nodes: [
      node(
        'Loop',
        ['times', 'yes', 'x'],
        ['y'],
        [
          [
            'body',
            {
              type: 'graph',
              value: graph({
                inputs: [
                  { name: 'i', dtype: 'int64', shape: [] },
                  { name: 'go', dtype: 'bool', shape: [] },
                  { name: 'v', dtype: 'float32', shape: [1] },
                ],
                outputs: [
                  { name: 'on', dtype: 'bool', shape: [] },
                  { name: 'w', dtype: 'float32', shape: [1] },
                ],
                initializers: new Map([['one', initializer(float32([1]))]]),
                nodes: [node('Identity', ['go'], ['on']), node('Add', ['v', 'one'], ['w'])],
              }),
            },
          ],
        ],
      ),
    ],
  }),
)
const endlessRun: RunParams = { bytes: endless, feeds: [['x', float32([0])]], require: 'native' }

const isAlive = (pid: number) => {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}
const gone = async (pid: number, seconds: number) => {
  for (let i = 0; i < seconds * 20 && isAlive(pid); i++) await sleep(50)
  return !isAlive(pid)
}

describe('calls', () => {
  test('carry typed arrays, big integers and maps both ways, in order', async () => {
    const client = start()
    const values = [Float32Array.of(1, Number.NaN), 2n ** 60n, new Map([['__proto__', [1]]]), null, { a: undefined }]
    expect(await Promise.all(values.map(value => client.call('echo', value)))).toEqual(values)
  })

  test('report progress and then the result', async () => {
    const seen: number[] = []
    const result = await start().call('count', { to: 3, everyMs: 5 }, { onProgress: n => seen.push(n) })
    expect([result, seen]).toEqual(['counted', [1, 2, 3]])
  })

  test('an error of the worker keeps its code and hint, and the worker goes on', async () => {
    const client = start()
    const bad: RunParams = { bytes: new TextEncoder().encode('hello'), feeds: [], require: 'native' }
    await expect(client.call('run', bad)).rejects.toMatchObject({
      name: 'RobustlyError',
      code: 'model-invalid',
      hint: expect.any(String),
    })
    await expect(client.call('script', 'throw new TypeError("oops")')).rejects.toMatchObject({
      code: 'internal',
      message: expect.stringContaining('oops'),
    })
    expect(await client.call('echo', 1)).toBe(1)
  })

  test('an answer that cannot travel is an error of that call', async () => {
    const client = start()
    await expect(client.call('script', 'return () => 1')).rejects.toThrow(/could not be cloned/)
    expect(await client.call('echo', 1)).toBe(1)
  })

  test('a call to a worker that is gone fails at once', async () => {
    const client = start()
    client.worker.kill()
    expect(await client.worker.exited).toMatchObject({ reason: 'stopped', signal: 'SIGKILL' })
    await expect(client.call('echo', 1)).rejects.toMatchObject({ code: 'worker-lost' })
    expect(client.worker.send({})).toBe(false)
  })
})

describe('ends', () => {
  test('an exit code and the last output are kept', async () => {
    const client = start()
    const call = client.call('script', 'console.log("x".repeat(20000)); console.error("goodbye"); process.exit(7)')
    await expect(call).rejects.toMatchObject({ code: 'worker-lost', message: expect.stringContaining('goodbye') })
    const exit = await client.worker.exited
    expect(exit).toMatchObject({ reason: 'failed', code: 7, signal: null })
    expect(exit.output.length).toBe(8192)
  })

  test.skipIf(process.platform === 'win32').each([false, canLimitMemory])(
    'a native crash is told from a failure (limited: %s)',
    async limited => {
      const client = start(limited ? { memoryLimitBytes: 2e9 } : {})
      await expect(client.call('script', 'process.kill(process.pid, "SIGSEGV")')).rejects.toMatchObject({
        code: 'worker-lost',
        message: expect.stringContaining('crashed (SIGSEGV)'),
      })
      expect(await client.worker.exited).toMatchObject({ reason: 'crashed', signal: 'SIGSEGV' })
    },
  )

  test('a worker that is killed while it holds a model in a file leaves nothing behind', async () => {
    const hold = () => {
      const client = start()
      return new Promise<{ client: typeof client; path: string }>((resolve, reject) => {
        client.call('hold', null, { onProgress: path => resolve({ client, path }) }).catch(reject)
      })
    }
    const [killed, other] = await Promise.all([hold(), hold()])
    const filesOf = ({ path }: { path: string }) => readdir(dirname(path))
    expect((await filesOf(killed)).sort()).toEqual(['model.onnx', 'weights'])
    process.kill(killed.client.worker.pid, 'SIGKILL')
    expect(await killed.client.worker.exited).toMatchObject({ signal: 'SIGKILL' })
    await expect(filesOf(killed)).rejects.toMatchObject({ code: 'ENOENT' })
    expect(await filesOf(other)).toHaveLength(2)
    other.client.worker.kill()
    await other.client.worker.exited
    await expect(filesOf(other)).rejects.toMatchObject({ code: 'ENOENT' })
  })

  test('an entry that does not exist is a failure that says so', async () => {
    const { worker } = start({ entry: pathToFileURL(join(folder, 'missing.mjs')) })
    expect(await worker.exited).toMatchObject({ reason: 'failed', output: expect.stringContaining('missing.mjs') })
  })

  test.skipIf(process.platform === 'win32')(
    'workers outlive Ctrl-C: what becomes of it is up to the parent',
    async () => {
      const client = start()
      await client.call('echo', 1)
      for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.kill(client.worker.pid, signal)
      expect(await client.call('echo', 2)).toBe(2)
    },
  )

  test.skipIf(process.platform === 'win32').each([
    ['idle', 'client.call("echo", 1)'],
    ['inside a run', `client.call("run", v8.deserialize(Buffer.from(process.argv[2], "base64")))`],
  ])('a worker %s dies with its parent', async (_, work) => {
    const { serialize } = await import('node:v8')
    const parent = join(folder, `parent-${Math.random()}.mjs`)
    await writeFile(
      parent,
      `import v8 from 'node:v8'
       import { startWorker } from ${JSON.stringify(compiledEntry(import.meta.url, './process.ts').href)}
       import { connect } from ${JSON.stringify(channelEntry.href)}
       const client = connect(startWorker({ entry: new URL(${JSON.stringify(probe.href)}), label: 'probe' }))
       await client.call('echo', 0)
       ${work}
       console.log(client.worker.pid)
       setInterval(() => {}, 1000)`,
    )
    const child = spawn(process.execPath, [parent, serialize(endlessRun).toString('base64')])
    const pid = await new Promise<number>(resolve => child.stdout.once('data', data => resolve(Number(data))))
    await sleep(300)
    expect(isAlive(pid)).toBe(true)
    child.kill('SIGKILL')
    expect(await gone(pid, 10)).toBe(true)
  })
})

describe('limits', () => {
  test('a run that never ends is killed when it has been silent for too long', async () => {
    const client = start()
    await client.call('echo', 1)
    await expect(client.call('run', endlessRun, { silenceSeconds: 1 })).rejects.toMatchObject({ code: 'time-limit' })
    expect(await client.worker.exited).toMatchObject({ reason: 'time-limit', signal: 'SIGKILL' })
  })

  test('progress is a sign of life', async () => {
    const client = start()
    await client.call('echo', 1)
    const counting = client.call('count', { to: 6, everyMs: 200 }, { silenceSeconds: 1 })
    expect(await counting).toBe('counted') // 1.2 s in all
    const stop = deadline(client.worker, 0.3)
    stop()
    await sleep(500)
    expect(await client.call('echo', 1)).toBe(1) // no call, no watch
  })

  describe.skipIf(!canLimitMemory)('memory', () => {
    const limit = { memoryLimitBytes: 600e6 }

    test.each([
      ['4 GB', 'native', 1e9],
      ['4 TB', 'native', 1e12],
      ['4 GB', 'wasm', 1e9],
      ['4 TB', 'wasm', 1e12],
    ] as const)('a model that wants %s fails cleanly (%s)', async (_, require, elements) => {
      const client = start(limit)
      await expect(client.call('run', sumOf(elements, require))).rejects.toMatchObject({
        code: 'memory-limit',
        hint: expect.stringContaining('memory'),
      })
    })

    test.each(['native', 'wasm'] as const)('a model within its limit runs (%s)', async require => {
      const [sum] = await start(limit).call('run', sumOf(1e7, require))
      expect(sum).toEqual(float32([0], []))
    })

    test('JavaScript that eats memory is told apart from a crash', async () => {
      const client = start(limit)
      const eat = 'const kept = []; for (;;) kept.push(new Array(1e5).fill(0).map((_, i) => ({ i })))'
      await expect(client.call('script', eat)).rejects.toMatchObject({ code: 'memory-limit' })
      expect(await client.worker.exited).toMatchObject({ reason: 'memory-limit' })
    })
  })
})

describe('compiledEntry', () => {
  test('finds the compiled module of a source, and says what to do when there is none', () => {
    expect(fileURLToPath(engineEntry)).toMatch(/dist.runtime.engine\.js$/)
    expect(compiledEntry(engineEntry.href, './process.js').href).toBe(
      compiledEntry(import.meta.url, './process.ts').href,
    )
    expect(() => compiledEntry(import.meta.url, './nothing.ts')).toThrow(/nothing\.js is missing/)
  })
})
