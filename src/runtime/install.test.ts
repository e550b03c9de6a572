/** What holds for an installation: the fallback without the native library, silence on stderr, a Node-free browser entry. */
import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { GraphBuilder } from '../onnx/build.js'
import { encodeModel } from '../onnx/codec/index.js'
import { compiledEntry } from './process.js'

vi.setConfig({ testTimeout: 30_000 })

const node = (script: string, launcher: readonly string[] = []) => {
  const [command, ...args] = [...launcher, process.execPath, script]
  return promisify(execFile)(command!, args)
}

let folder = ''
const engineEntry = compiledEntry(import.meta.url, './engine.ts')
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'robustly-install-test-'))
  const b = new GraphBuilder('square')
  const x = b.input('x', 'float32', [256, 256])
  b.output(b.matMul(x, x), 'y')
  await writeFile(join(folder, 'model.onnx'), encodeModel(b.build()))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

const useOf = (engine: URL) => `
  import { loadEngine } from ${JSON.stringify(engine.href)}
  const engine = await loadEngine()
  const session = await engine.createSession({ path: ${JSON.stringify(join(folder, 'model.onnx'))} }, { threads: 2 })
  const feeds = new Map([['x', { dtype: 'float32', shape: [256, 256], data: new Float32Array(65536).fill(1) }]])
  const y = (await session.run(feeds)).get('y').data[0]
  await session.release()
  await engine.createSession({ bytes: new Uint8Array([1, 2, 3]) }, { threads: 1 }).catch(error => error)
  const required = await loadEngine({ require: 'native' }).then(() => 'native', error => error.code + ': ' + error.hint)
  console.log(JSON.stringify({ kind: engine.kind, notice: engine.notice, y, required }))`

test('without the native library, WebAssembly runs and says why', async () => {
  const modules = join(folder, 'node_modules')
  await mkdir(modules)
  const root = dirname(dirname(dirname(fileURLToPath(engineEntry))))
  for (const name of ['onnxruntime-web', '@bufbuild']) {
    await symlink(join(root, 'node_modules', name), join(modules, name), 'junction')
  }
  await cp(join(root, 'dist'), join(folder, 'dist'), { recursive: true, filter: path => !path.endsWith('.map') })
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }')
  await writeFile(join(folder, 'use.mjs'), useOf(pathToFileURL(join(folder, 'dist', 'runtime', 'engine.js'))))
  const { stdout } = await node(join(folder, 'use.mjs'))
  const { kind, notice, y, required } = JSON.parse(stdout)
  expect([kind, y]).toEqual(['wasm', 256])
  expect(notice).toBe(
    'The native ONNX Runtime cannot be used (it is not installed): running on WebAssembly, some six times slower.',
  )
  expect(required).toMatch(/^config: .*npm install onnxruntime-node/)
})

describe('the native library stays silent', () => {
  const script = () => join(folder, 'silent.mjs')
  beforeAll(() => writeFile(script(), useOf(engineEntry)))

  test('when models are good and bad', async () => {
    expect((await node(script())).stderr).toBe('')
  })

  test.skipIf(process.platform !== 'linux')('when a container pins it to one processor', async () => {
    const pinned = await node(script(), ['taskset', '-c', '0']).catch(error => error)
    if (pinned.code === 'ENOENT') return console.log('skipped: no taskset on this machine')
    expect(pinned.stderr).toBe('')
    expect(JSON.parse(pinned.stdout)).toMatchObject({ y: 256 })
  })
})

test('nothing that the browser entry reaches needs Node or another build of ONNX Runtime', async () => {
  const seen = new Map<string, string[]>()
  const visit = async (file: string): Promise<void> => {
    if (seen.has(file)) return
    const source = await readFile(file, 'utf8')
    const imports = [...source.matchAll(/(?:\bfrom|^import) ['"]([^'"]+)['"];?$/gm)]
    const dynamic = [...source.matchAll(/\bimport\(\s*['"]([^'"]+)['"]/g)]
    const names = [...imports, ...dynamic].map(match => match[1]!)
    seen.set(file, names)
    for (const name of names) if (name.startsWith('.')) await visit(join(dirname(file), name))
  }
  await visit(fileURLToPath(compiledEntry(import.meta.url, './browser.ts')))
  const packages = new Set([...seen.values()].flat().filter(name => !name.startsWith('.')))
  expect([...packages].filter(name => !name.startsWith('@bufbuild/protobuf'))).toEqual(['onnxruntime-web/wasm'])
  expect([...seen.keys()].map(file => file.split(/[\\/]/).at(-1))).toEqual(
    expect.arrayContaining(['browser.js', 'ort-engine.js', 'session.js', 'tensor.js']),
  )
  for (const file of seen.keys()) expect(await readFile(file, 'utf8')).not.toMatch(/\b(process|Buffer)\./)
})
