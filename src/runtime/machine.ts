/** What this machine lets the program use: cores and memory, container limits included. */
import { readFileSync } from 'node:fs'
import { availableParallelism, totalmem } from 'node:os'
import type { Machine } from './calibrate.js'

/** Cores and memory that this process may really use. */
export function thisMachine(): Machine {
  const quota = cpuQuota(readText('/sys/fs/cgroup/cpu.max'))
  const constrained = process.constrainedMemory()
  return {
    cores: Math.max(1, Math.min(availableParallelism(), Math.floor(quota ?? Number.POSITIVE_INFINITY))),
    memoryBytes: constrained > 0 ? Math.min(totalmem(), constrained) : totalmem(),
  }
}

/** CPUs that a control group grants, from its `cpu.max` ("max 100000", "150000 100000"). */
export function cpuQuota(text: string | undefined): number | undefined {
  const match = /^(\d+) (\d+)\s*$/.exec(text ?? '')
  return match === null ? undefined : Number(match[1]) / Number(match[2])
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
