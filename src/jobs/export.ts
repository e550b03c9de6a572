/** Exports the adversarial examples of a run, in a worker process of its own. */
import { resolve } from 'node:path'
import type { ExportFindings } from './export-run.js'
import { readManifest } from './manifest.js'
import { limitsFor, type Resources } from './plan-run.js'
import { withWorker } from './worker-protocol.js'

export interface ExportOptions extends Pick<Resources, 'engine' | 'memoryLimit' | 'timeout'> {
  /** Where model and data are now. Their hashes must be the run's. */
  readonly model?: string | undefined
  readonly data?: string | undefined
  readonly onProgress?: ((progress: { readonly done: number; readonly total: number }) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

/** Throws what `exportRun` throws, `worker-lost` and `output-unwritable`. `output`: a `.npz` file, or a folder for PNG files. */
export async function exportExamples(
  run: string,
  output: string,
  options: ExportOptions = {},
): Promise<ExportFindings> {
  const folder = resolve(run)
  const { spec } = readManifest(folder)
  const request = {
    folder,
    model: options.model === undefined ? spec.model.path : resolve(options.model),
    data: options.data === undefined ? spec.data.path : resolve(options.data),
    engine: options.engine,
    output: resolve(output),
  }
  const { memoryLimitBytes, silenceSeconds } = limitsFor(1, options)
  const { onProgress, signal } = options
  return withWorker('export', { memoryLimitBytes, signal }, client =>
    client.call('export', request, { silenceSeconds, ...(onProgress !== undefined && { onProgress }) }),
  )
}
