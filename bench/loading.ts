/**
 * What loading and differentiating a model of 25 million parameters takes: seconds, and memory as a multiple of the file, in a
 * worker process as evaluations start it. This module is that process as well.
 */
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { compile, prepareModel } from '../src/model/compile.js'
import { encodeModel } from '../src/onnx/codec/index.js'
import { randomStream } from '../src/random.js'
import { connect, serve } from '../src/runtime/channel.js'
import { loadEngine } from '../src/runtime/engine.js'
import { readModelFile } from '../src/runtime/files.js'
import { startWorker } from '../src/runtime/process.js'
import type { Result } from './measure.js'
import { resnet18 } from './resnet.js'

interface Loaded {
  readonly seconds: number
  /** Peak of the resident memory above what the process held before. */
  readonly bytes: number
}

interface Loading {
  load: { readonly params: { readonly path: string }; readonly progress: never; readonly result: Loaded }
}

/** ResNet-18 of 96 channels: 25.1 million parameters. */
export async function loadingCost(): Promise<Result[]> {
  const folder = mkdtempSync(join(tmpdir(), 'robustly-bench-'))
  try {
    const path = join(folder, 'model.onnx')
    writeFileSync(path, encodeModel(resnet18({ batch: 1, channels: 96, random: randomStream(0, 0, 'loading') })))
    const { size } = statSync(path)
    const { call, worker } = connect<Loading>(startWorker({ entry: new URL(import.meta.url), label: 'loading' }))
    const { seconds, bytes } = await call('load', { path }).finally(() => worker.kill())
    const detail = `a file of ${(size / 1e6).toFixed(0)} MB`
    return [
      { name: 'seconds to load and differentiate 25 million parameters', value: seconds, atMost: 3, detail },
      { name: 'memory for it / file', value: bytes / size, atMost: 4, detail },
    ]
  } finally {
    rmSync(folder, { recursive: true })
  }
}

async function load(path: string): Promise<Loaded> {
  const engine = await loadEngine()
  // The engine itself, and what the process came with, are not the model's.
  const before = process.memoryUsage.rss()
  const started = performance.now()
  const space = { dataLayout: undefined, modelLayout: undefined, mean: undefined, std: undefined }
  const prepared = prepareModel(await readModelFile(path), { ...space, sampleShape: [3, 32, 32] })
  await using model = await compile(prepared, engine, { batch: 8, threads: 1, losses: ['cross-entropy'] })
  const seconds = (performance.now() - started) / 1000
  await model.gradients([{ loss: 'cross-entropy', label: 0 }])
  return { seconds, bytes: process.resourceUsage().maxRSS * 1024 - before }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) serve<Loading>({ load: ({ path }) => load(path) })
