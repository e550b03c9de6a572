import { createHash } from 'node:crypto'
import {
  closeSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { RobustlyError } from '../errors.js'
import { decodeModel, encodeModel } from '../onnx/codec/index.js'
import { ModelProtoSchema, TensorProto_DataLocation, TensorProtoSchema } from '../onnx/generated/onnx-ml_pb.js'
import { type Graph, initializer } from '../onnx/graph.js'
import { float32, type TensorOf } from '../tensor/tensor.js'
import { loadEngine } from './engine.js'
import { externalFiles, readModelFile, writeModelFile } from './files.js'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'files-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const weights = float32(
  Float32Array.from({ length: 2000 }, (_, i) => i / 7),
  [2000],
)

const graph: Graph = {
  name: 'test',
  opsets: new Map([['', 21]]),
  inputs: [{ name: 'x', dtype: 'float32', shape: ['batch', 2000] }],
  outputs: [{ name: 'y', dtype: 'float32', shape: ['batch', 2000] }],
  nodes: [{ name: 'add', op: 'Add', domain: '', inputs: ['x', 'w'], outputs: ['y'], attributes: new Map() }],
  initializers: new Map([['w', initializer(weights)]]),
  valueInfo: new Map(),
}

const at = (name: string) => join(folder, name)

async function failure(action: Promise<unknown>): Promise<RobustlyError> {
  const error = await action.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(RobustlyError)
  return error as RobustlyError
}

/** Writes a model that says its weights lie at `location`, whatever is there. */
function pointTo(location: string, offset = 0): string {
  const proto = fromBinary(ModelProtoSchema, encodeModel({ ...graph, initializers: new Map() }))
  const entries = { location, offset, length: 8000 }
  proto.graph!.initializer = [
    create(TensorProtoSchema, {
      name: 'w',
      dims: [2000n],
      dataType: 1,
      dataLocation: TensorProto_DataLocation.EXTERNAL,
      externalData: Object.entries(entries).map(([key, value]) => ({ key, value: `${value}` })),
    }),
  ]
  writeFileSync(at('model.onnx'), toBinary(ModelProtoSchema, proto))
  return at('model.onnx')
}

const dataBytes = () => Buffer.from(weights.data.buffer)

test('large tensors are read when they are wanted, and never from a file that changed', async () => {
  const large = float32(
    Float32Array.from({ length: 2 ** 19 }, (_, i) => i),
    [2 ** 19],
  )
  const path = at('large.onnx')
  const write = () => writeModelFile({ ...graph, initializers: new Map([['w', initializer(large)]]) }, path)
  await write()
  const { initializers } = (await readModelFile(path)).graph
  const weight = initializers.get('w')!
  expect(weight.load()).toEqual(large)
  // Another file under the same name is none of its business, nor that there is none any more.
  await write()
  rmSync(path)
  expect(weight.load()).toEqual(large)

  await write()
  const changed = (await readModelFile(path)).graph.initializers.get('w')!
  truncateSync(path, 100)
  expect(await failure((async () => changed.load())())).toMatchObject({
    code: 'model-unreadable',
    message: expect.stringContaining('changed while it was in use'),
  })
})

describe('writing and reading', () => {
  test('a model in one file', async () => {
    await writeModelFile(graph, at('model.onnx'))
    const model = await readModelFile(at('model.onnx'))
    expect(model.graph.initializers.get('w')!.load()).toEqual(weights)
    expect(model).toMatchObject({ file: 'model.onnx', path: at('model.onnx'), dataFiles: [] })
    expect(model.sha256).toBe(
      createHash('sha256')
        .update(readFileSync(at('model.onnx')))
        .digest('hex'),
    )
    expect(readdirSync(folder)).toEqual(['model.onnx'])
  })

  test('a model with external data, which ONNX Runtime reads too', async () => {
    await writeModelFile(graph, at('model.onnx'), { external: true })
    expect(readdirSync(folder).sort()).toEqual(['model.onnx', 'model.onnx.data'])
    const model = await readModelFile(at('model.onnx'))
    expect(model.graph.initializers.get('w')!.load()).toEqual(weights)
    expect(model.dataFiles).toEqual(['model.onnx.data'])
    const engine = await loadEngine()
    await using session = await engine.createSession({ path: at('model.onnx') }, { threads: 1 })
    const zeros = float32(new Float32Array(2000), [1, 2000])
    const y = (await session.run(new Map([['x', zeros]]))).get('y') as TensorOf<'float32'>
    expect(y.data).toEqual(weights.data)
  })

  test('the hash covers the external data', async () => {
    await writeModelFile(graph, at('model.onnx'), { external: true })
    const before = (await readModelFile(at('model.onnx'))).sha256
    const data = readFileSync(at('model.onnx.data'))
    data[17]! ^= 1
    writeFileSync(at('model.onnx.data'), data)
    expect((await readModelFile(at('model.onnx'))).sha256).not.toBe(before)
  })

  test('row 37: a failed write leaves neither half a file nor the old one changed', async () => {
    writeFileSync(at('old.onnx'), 'old')
    const failing: Graph = {
      ...graph,
      initializers: new Map([
        ['w', initializer(weights)],
        [
          'broken',
          {
            ...initializer(weights),
            load: () => {
              throw Object.assign(new Error('full'), { code: 'ENOSPC' })
            },
          },
        ],
      ]),
    }
    for (const external of [false, true]) {
      const error = await failure(writeModelFile(failing, at('old.onnx'), { external }))
      expect(error.code).toBe('output-unwritable')
      expect(error.message).toContain('the disk is full')
      expect(readdirSync(folder)).toEqual(['old.onnx'])
      expect(readFileSync(at('old.onnx'), 'utf8')).toBe('old')
    }
  })

  test('row 37: an output path that is a directory, or in one that is not there', async () => {
    mkdirSync(at('taken'))
    expect((await failure(writeModelFile(graph, at('taken')))).message).toContain('directory')
    expect((await failure(writeModelFile(graph, at('nowhere/model.onnx')))).message).toContain('no such file')
    expect(readdirSync(folder)).toEqual(['taken'])
  })
})

describe('bad files', () => {
  test('row 1: missing, a directory, a SavedModel, no regular file', async () => {
    const missing = await failure(readModelFile(at('none.onnx')))
    expect(missing.code).toBe('model-unreadable')
    expect(missing.message).toContain(at('none.onnx'))
    expect(missing.message).toContain('no such file')
    expect((await failure(readModelFile(folder))).message).toContain('directory')
    writeFileSync(at('saved_model.pb'), 'x')
    expect((await failure(readModelFile(folder))).message).toContain('SavedModel')
    expect((await failure(readModelFile('/dev/zero'))).message).toContain('not a regular file')
  })

  test('row 2: empty', async () => {
    writeFileSync(at('model.onnx'), '')
    const error = await failure(readModelFile(at('model.onnx')))
    expect(error.code).toBe('model-unreadable')
    expect(error.message).toMatch(/model\.onnx: .*empty/)
  })

  test('row 3: truncated', async () => {
    writeFileSync(at('model.onnx'), encodeModel(graph).subarray(0, 4000))
    expect(['model-unreadable', 'model-invalid']).toContain((await failure(readModelFile(at('model.onnx')))).code)
  })

  test('row 13: one message of more than 2 GB is refused without reading it', async () => {
    writeFileSync(at('model.onnx'), encodeModel(graph))
    truncateSync(at('model.onnx'), 2 ** 31 + 1000)
    const error = await failure(readModelFile(at('model.onnx')))
    expect(error.code).toBe('model-unreadable')
    expect(error.hint).toContain('external data')
  })

  test('row 13: external data past 2 GB is read at its place', () => {
    const offset = 2 ** 31 + 4096
    const path = pointTo('w.bin', offset)
    // A sparse file: it takes no room on the disk.
    const fd = openSync(at('w.bin'), 'w')
    writeSync(fd, dataBytes(), 0, 8000, offset)
    closeSync(fd)
    // Not by readModelFile, which would take its time to hash the 2 GB.
    const model = decodeModel(readFileSync(path), { external: externalFiles(folder, {}) })
    expect(model.graph.initializers.get('w')!.load()).toEqual(weights)
  })

  test.each(['../outside', 'sub/../../outside', '/etc/hostname', '/dev/zero', '..', '..\\\\outside'])(
    'row 8: data at %s is refused',
    async location => {
      expect((await failure(readModelFile(pointTo(location)))).code).toBe('model-unsafe')
    },
  )

  test('row 9: a link out of the folder is refused, one inside is followed', async () => {
    const elsewhere = mkdtempSync(join(tmpdir(), 'elsewhere-'))
    writeFileSync(join(elsewhere, 'secret'), dataBytes())
    await writeModelFile(graph, at('model.onnx'), { external: true })
    rmSync(at('model.onnx.data'))
    symlinkSync(join(elsewhere, 'secret'), at('model.onnx.data'))
    const error = await failure(readModelFile(at('model.onnx')))
    expect(error.code).toBe('model-unsafe')
    expect(error.message).not.toContain(basename(elsewhere))
    rmSync(at('model.onnx.data'))
    mkdirSync(at('blobs'))
    writeFileSync(at('blobs/real'), dataBytes())
    symlinkSync('blobs/real', at('model.onnx.data'))
    expect((await readModelFile(at('model.onnx'))).graph.initializers.get('w')!.load()).toEqual(weights)
    rmSync(elsewhere, { recursive: true })
  })

  test('row 9: a folder that is a link out is no way out either', async () => {
    const elsewhere = mkdtempSync(join(tmpdir(), 'elsewhere-'))
    writeFileSync(join(elsewhere, 'secret'), dataBytes())
    symlinkSync(elsewhere, at('folder'))
    expect((await failure(readModelFile(pointTo('folder/secret')))).code).toBe('model-unsafe')
    rmSync(elsewhere, { recursive: true })
  })

  test('external data in a folder below the model', async () => {
    mkdirSync(at('weights'))
    writeFileSync(at('weights/w.bin'), dataBytes())
    expect((await readModelFile(pointTo('weights/w.bin'))).dataFiles).toEqual(['weights/w.bin'])
    expect((await readModelFile(pointTo('./weights//w.bin'))).graph.initializers.get('w')!.load()).toEqual(weights)
  })

  test('row 9: a hard link is refused unless it is allowed', async () => {
    await writeModelFile(graph, at('model.onnx'), { external: true })
    linkSync(at('model.onnx.data'), at('twin'))
    const error = await failure(readModelFile(at('model.onnx')))
    expect(error.code).toBe('model-unsafe')
    expect(error.hint).toContain('--allow-hardlinks')
    const model = await readModelFile(at('model.onnx'), { allowHardlinks: true })
    expect(model.graph.initializers.get('w')!.load()).toEqual(weights)
  })

  test('a file that is swapped for a link after the check is not followed', async () => {
    await writeModelFile(graph, at('model.onnx'), { external: true })
    const model = await readModelFile(at('model.onnx'))
    rmSync(at('model.onnx.data'))
    symlinkSync('/etc/hostname', at('model.onnx.data'))
    expect(() => model.graph.initializers.get('w')!.load()).toThrow(/leads out of the folder/)
  })

  test('row 10: data that is too short, missing, or a directory', async () => {
    await writeModelFile(graph, at('model.onnx'), { external: true })
    truncateSync(at('model.onnx.data'), 7999)
    const short = await failure(readModelFile(at('model.onnx')))
    expect(short.code).toBe('model-invalid')
    expect(short.message).toContain('holds 7999 bytes')
    rmSync(at('model.onnx.data'))
    const missing = await failure(readModelFile(at('model.onnx')))
    expect(missing.code).toBe('model-unreadable')
    expect(missing.message).toContain('model.onnx.data')
    mkdirSync(at('model.onnx.data'))
    expect((await failure(readModelFile(at('model.onnx')))).code).toBe('model-unsafe')
  })
})
