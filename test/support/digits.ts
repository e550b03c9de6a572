/** Small digit classifiers and real command lines for the tests of jobs and cli. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'
import { openDataset } from '../../src/data/dataset.js'
import { writeNpz } from '../../src/data/npz-write.js'
import { GraphBuilder, type Value } from '../../src/onnx/build.js'
import { encodeModel } from '../../src/onnx/codec/index.js'
import { float32, int64 } from '../../src/tensor/tensor.js'
import { mnist } from './assets.js'

const features = 784
const classes = 10

/** A fresh folder that is removed after the test. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'robustly-test-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

let means: Promise<{ weights: Float32Array; bias: Float32Array }> | undefined

/** The class means of 2,000 training images as a linear classifier: nearest mean, some 80 % right. */
async function nearestMean(): Promise<{ weights: Float32Array; bias: Float32Array }> {
  const data = await openDataset(mnist, { split: 'train' })
  const { inputs, labels } = await data.read(0, 2000)
  await data.close()
  const weights = new Float32Array(classes * features)
  const counts = new Float64Array(classes)
  for (const label of labels) counts[label]!++
  labels.forEach((label, at) => {
    for (let i = 0; i < features; i++) weights[label * features + i]! += inputs[at * features + i]! / counts[label]!
  })
  const bias = Float32Array.from({ length: classes }, (_, label) => {
    const own = weights.subarray(label * features, (label + 1) * features)
    return -own.reduce((sum, value) => sum + value * value, 0) / 2
  })
  return { weights, bias }
}

/** Extra steps between the logits and the output, which may look at the flat input. */
export type Twist = (b: GraphBuilder, logits: Value, flat: Value) => Value

/** Writes a digit classifier into the folder; gives its path. */
export async function digitModel(
  folder: string,
  twist: Twist = (_, logits) => logits,
  name = 'digits',
): Promise<string> {
  means ??= nearestMean()
  const { weights, bias } = await means
  const b = new GraphBuilder('digits')
  const flat = b.flatten(b.input('image', 'float32', [1, 1, 28, 28]))
  const logits = b.gemm(flat, b.constant(float32(weights, [classes, features])), b.constant(float32(bias)), {
    transB: true,
  })
  b.output(twist(b, logits, flat), 'logits')
  const path = join(folder, `${name}.onnx`)
  writeFileSync(path, encodeModel(b.build()))
  return path
}

/** NaN for images with more than `limit` of ink: the logarithm of a negative number. */
export const notFinite =
  (limit: number): Twist =>
  (b, logits, flat) => {
    const ink = b.reduceSum(flat, [1], true)
    return b.add(logits, b.mul(b.log(b.sub(b.scalar(limit, 'float32'), ink)), b.scalar(1e-6, 'float32')))
  }

/** Fails inside ONNX Runtime for images with more than `limit` of ink: an index past the end of a table. */
export const failing =
  (limit: number): Twist =>
  (b, logits, flat) => {
    const ink = b.reduceSum(flat, [1], true)
    const excess = b.relu(b.sub(ink, b.scalar(limit, 'float32')))
    const index = b.cast(b.min(excess, b.scalar(5, 'float32')), 'int64')
    return b.add(logits, b.gather(b.constant(float32([0])), index))
  }

/** Real test images, with an image of ones (784 of ink) put at some places; a path that `--data` takes. */
export async function digitData(folder: string, count: number, inked: readonly number[]): Promise<string> {
  const data = await openDataset(mnist)
  const { inputs, labels } = await data.read(0, count)
  await data.close()
  for (const at of inked) inputs.fill(1, at * features, (at + 1) * features)
  const path = join(folder, 'digits.npz')
  const y = int64(BigInt64Array.from(labels, BigInt))
  await writeNpz(path, { x: float32(inputs, [count, 1, 28, 28]), y })
  return path
}

export interface Ended {
  readonly code: number | null
  readonly signal: string | null
  readonly stdout: string
  readonly stderr: string
}

export interface Running {
  readonly child: ChildProcess
  readonly ended: Promise<Ended>
}

export const mainScript = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url))

/** The real command line in a process of its own. */
export function startCli(
  words: readonly string[],
  options: { readonly cwd?: string; readonly env?: Readonly<Record<string, string>>; readonly prefix?: string } = {},
): Running {
  const command = [process.execPath, mainScript, ...words]
  const [file, ...rest] =
    options.prefix === undefined ? command : ['/bin/sh', '-c', `${options.prefix}; exec "$@"`, 'sh', ...command]
  const child = spawn(file!, rest, {
    cwd: options.cwd,
    env: { PATH: process.env.PATH, LANG: 'C.UTF-8', ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let stdout = ''
  let stderr = ''
  child.stdout!.setEncoding('utf8').on('data', (text: string) => (stdout += text))
  child.stderr!.setEncoding('utf8').on('data', (text: string) => (stderr += text))
  onTestFinished(() => void child.kill('SIGKILL'))
  const ended = new Promise<Ended>(resolve => {
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }))
  })
  return { child, ended }
}

export function cli(words: readonly string[], options?: Parameters<typeof startCli>[1]): Promise<Ended> {
  return startCli(words, options).ended
}

/** Processes that a process has started (Linux). */
export function childrenOf(pid: number): number[] {
  try {
    const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
    return text.split(' ').filter(Boolean).map(Number)
  } catch {
    return []
  }
}

/** What of a run folder must not depend on how it was made. */
export function essence(folder: string): { records: string; result: string; files: string[] } {
  const result = readFileSync(join(folder, 'result.json'), 'utf8')
  return {
    records: readFileSync(join(folder, 'records.jsonl'), 'utf8'),
    result: result.replaceAll(/"seconds": [\d.e-]+/g, '"seconds": 0'),
    files: readdirSync(folder).sort(),
  }
}

/** Resolves when `condition` holds; rejects after some seconds. */
export async function until(condition: () => boolean, seconds = 30): Promise<void> {
  const start = Date.now()
  while (!condition()) {
    if (Date.now() - start > seconds * 1000) throw new Error(`did not happen within ${seconds} seconds: ${condition}`)
    await new Promise(resolve => setTimeout(resolve, 5))
  }
}
