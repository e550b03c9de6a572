/** `robustly doctor`: what this machine can run, ready to paste into a report of a problem. */
import { accessSync, constants } from 'node:fs'
import { tmpdir } from 'node:os'
import { RobustlyError } from '../../errors.js'
import { describeMachine } from '../../jobs/inspect.js'
import { version } from '../../jobs/version.js'
import { printable } from '../../printable.js'
import type { RuntimeDescription } from '../../runtime/doctor.js'
import type { CommandEntry } from './command.js'

export const doctor: CommandEntry = {
  name: 'doctor',
  summary: 'what this machine can run, versions, fallbacks',
  examples: ['robustly doctor', 'robustly doctor --json'],
  define(command, act, environment) {
    command.option('--json', 'print JSON').action((options: { json?: boolean }) =>
      act(async () => {
        const engines = { native: await tried('native'), wasm: await tried('wasm') }
        const folders = { working: writable(process.cwd()), temporary: writable(tmpdir()) }
        const report = { robustly: version, node: process.versions.node, engines, folders }
        environment.stdout.write(options.json ? `${JSON.stringify(report, null, 2)}\n` : describe(report))
        if (typeof engines.native !== 'string' || typeof engines.wasm !== 'string') return 0
        throw new RobustlyError('config', 'no ONNX Runtime works on this machine', {
          hint: 'Install robustly again; `npm install onnxruntime-node` adds the native engine.',
        })
      }),
    )
  },
}

/** The engine in a process of its own, or why it does not work. */
async function tried(engine: 'native' | 'wasm'): Promise<RuntimeDescription | string> {
  try {
    return await describeMachine(engine)
  } catch (error) {
    return printable(error instanceof Error ? error.message : String(error))
  }
}

function writable(folder: string): boolean {
  try {
    accessSync(folder, constants.W_OK)
    return true
  } catch {
    return false
  }
}

interface Report {
  readonly robustly: string
  readonly node: string
  readonly engines: { readonly native: RuntimeDescription | string; readonly wasm: RuntimeDescription | string }
  readonly folders: { readonly working: boolean; readonly temporary: boolean }
}

function describe({ robustly, node, engines, folders }: Report): string {
  const works = typeof engines.native === 'string' ? engines.wasm : engines.native
  const engine = (value: RuntimeDescription | string) =>
    typeof value === 'string' ? `does not work: ${value}` : `ONNX Runtime ${value.engine.onnxruntime}`
  const rows: [string, string][] = [
    ['robustly', robustly],
    ['Node', node],
    ['native', engine(engines.native)],
    ['WebAssembly', engine(engines.wasm)],
  ]
  if (typeof works !== 'string') {
    const { platform, architecture, libc, processor, cores, memoryBytes, limitsMemory } = works
    rows.push(
      ['used', typeof engines.native === 'string' ? 'WebAssembly, some six times slower' : 'native'],
      ['system', [platform, architecture, libc].filter(part => part !== undefined).join(', ')],
      ['processor', `${printable(processor)}, ${cores} ${cores === 1 ? 'core' : 'cores'}`],
      ['memory', `${(memoryBytes / 2 ** 30).toFixed(1)} GiB`],
      ['memory limit', limitsMemory ? 'enforced on workers' : 'not enforced on this system'],
    )
  }
  rows.push(
    ['this folder', folders.working ? 'can be written' : 'cannot be written: give --run'],
    ['temporary', folders.temporary ? 'can be written' : 'cannot be written: set TMPDIR'],
  )
  return `\n${rows.map(([name, value]) => `  ${name.padEnd(12)}  ${value}`).join('\n')}\n`
}
