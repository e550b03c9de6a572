/** What `doctor` shows and results record about the engine and the machine. */
import { arch, cpus } from 'node:os'
import type { EngineKind } from './engine.js'
import { thisMachine } from './machine.js'
import type { Engine } from './ort-engine.js'
import { canLimitMemory } from './process.js'

export interface RuntimeDescription {
  readonly engine: {
    readonly kind: EngineKind
    readonly onnxruntime: string
    /** The execution provider that is used. */
    readonly provider: 'cpu'
    readonly providers: readonly string[]
    /** Why WebAssembly runs although it was not asked for. */
    readonly notice: string | undefined
  }
  readonly node: string
  readonly platform: string
  readonly architecture: string
  /** C library, on Linux. */
  readonly libc: string | undefined
  readonly processor: string
  readonly cores: number
  readonly memoryBytes: number
  /** Whether workers can be given a memory limit here. */
  readonly limitsMemory: boolean
}

export function describeRuntime(engine: Engine): RuntimeDescription {
  const machine = thisMachine()
  return {
    engine: {
      kind: engine.kind,
      onnxruntime: engine.version,
      provider: 'cpu',
      providers: engine.providers,
      notice: engine.notice,
    },
    node: process.versions.node,
    platform: process.platform,
    architecture: arch(),
    libc: libc(),
    processor: cpus()[0]?.model.trim() ?? 'unknown',
    cores: machine.cores,
    memoryBytes: machine.memoryBytes,
    limitsMemory: canLimitMemory,
  }
}

/** glibc states its version in Node's own report; other C libraries (musl) do not. */
function libc(): string | undefined {
  if (process.platform !== 'linux') return undefined
  const { header } = process.report.getReport() as { header?: { glibcVersionRuntime?: string } }
  return header?.glibcVersionRuntime === undefined ? 'musl or other' : `glibc ${header.glibcVersionRuntime}`
}
