/**
 * Every command of README and docs/ runs: the blocks marked `sh`, in order, in one folder per document that holds the example models
 * and some data, on few samples. Blocks that cannot run here say why in a comment before them: `<!-- not run: … -->`.
 */
import { spawn } from 'node:child_process'
import { chmodSync, copyFileSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { expect, test } from 'vitest'
import { digitData, mainScript, temporaryFolder } from '../support/digits.js'
import { serveModel } from '../support/model-server.js'

const root = resolve(import.meta.dirname, '../..')
const documents = ['README.md', ...markdownIn('docs')]

interface Block {
  readonly text: string
  /** Why it is not run. */
  readonly reason: string | undefined
}

function markdownIn(folder: string): string[] {
  const names = readdirSync(join(root, folder), { recursive: true }).map(String)
  return names.filter(name => name.endsWith('.md')).map(name => `${folder}/${name}`)
}

function blocksOf(document: string): Block[] {
  const text = readFileSync(join(root, document), 'utf8')
  const pattern = /(?:<!-- not run: ([^>]*) -->\n+)?^```sh\n([\s\S]+?)^```$/gm
  return [...text.matchAll(pattern)].map(([, reason, block]) => ({ text: block!, reason }))
}

/** What the documents speak of. */
async function prepared(): Promise<string> {
  const folder = temporaryFolder()
  symlinkSync(join(root, 'examples'), join(folder, 'examples'))
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
  const copies = {
    'model.onnx': 'examples/models/mnist-mlp.onnx',
    'other.onnx': 'examples/models/mnist-cnn.onnx',
    'table.onnx': 'test/exports/models/breast-cancer-logistic.onnx',
    'forest.onnx': 'test/exports/models/breast-cancer-forest.onnx',
    'table.npz': 'test/exports/models/breast-cancer.npz',
  }
  for (const [to, from] of Object.entries(copies)) copyFileSync(join(root, from), join(folder, to))
  copyFileSync(await digitData(folder, 100, []), join(folder, 'test.npz'))
  writeFileSync(
    join(folder, 'constraints.json'),
    '{ "features": { "0": { "immutable": true }, "1": { "direction": "increase" } } }',
  )
  writeFileSync(join(folder, 'robustly'), `#!/bin/sh\nexec '${process.execPath}' '${mainScript}' "$@"\n`)
  chmodSync(join(folder, 'robustly'), 0o755)
  return folder
}

/** On few samples, and at the address of the server of this test. */
function inSmall(text: string, origin: string): string {
  return text.replaceAll(/--samples 0:\d+/g, '--samples 0:10').replaceAll('http://localhost:8000', origin)
}

function run(script: string, folder: string): Promise<{ code: number | null; output: string }> {
  const env = {
    PATH: `${folder}:${process.env.PATH}`,
    LANG: 'C.UTF-8',
    ROBUSTLY_PROCESSES: '1',
    ROBUSTLY_BATCH: '16',
  }
  const child = spawn('bash', ['-euo', 'pipefail', '-c', script], {
    cwd: folder,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (output += text))
  return new Promise(done => child.on('close', code => done({ code, output })))
}

const withBlocks = documents.filter(document => blocksOf(document).some(({ reason }) => reason === undefined))

test.skipIf(process.platform === 'win32').each(withBlocks)('%s', { timeout: 180_000 }, async document => {
  const folder = await prepared()
  const blocks = blocksOf(document)
  const server = blocks.some(({ text }) => text.includes('localhost:8000'))
    ? await serveModel(join(folder, 'model.onnx'))
    : undefined
  for (const { text, reason } of blocks) {
    if (reason !== undefined) continue
    const { code, output } = await run(inSmall(text, server?.origin ?? ''), folder)
    expect({ code, text, output: code === 0 ? '' : output }).toEqual({ code: 0, text, output: '' })
  }
})

test('what is not run says why, and it is little', () => {
  const left = documents.flatMap(document =>
    blocksOf(document).flatMap(({ reason }) => (reason === undefined ? [] : [`${document}: ${reason}`])),
  )
  console.info(`not run: ${left.join('; ')}`)
  expect(left.length).toBeLessThanOrEqual(4)
  for (const each of left) expect(each).toMatch(/: \S.{5}/)
})

test('every document is linked from README', () => {
  const readme = readFileSync(join(root, 'README.md'), 'utf8')
  for (const document of documents.slice(1)) expect(readme).toContain(`(${document})`)
})
