/** `robustly export`: the adversarial examples of a run as arrays or pictures. */
import { Option } from 'commander'
import { RobustlyError } from '../../errors.js'
import { exportExamples } from '../../jobs/export.js'
import type { ExportFindings } from '../../jobs/export-run.js'
import { printable } from '../../printable.js'
import { grouped } from '../../report/terminal.js'
import type { Environment } from '../environment.js'
import { checkPlace } from '../outputs.js'
import { startReporter } from '../progress.js'
import type { CommandEntry } from './command.js'

interface Options {
  output: string
  model?: string
  data?: string
  engine?: 'native' | 'wasm'
  quiet?: boolean
}

export const exporting: CommandEntry = {
  name: 'export',
  summary: 'write the adversarial examples of a run as .npz, or as PNG of 8 bits',
  examples: ['robustly export runs/a -o adversarial.npz', 'robustly export runs/a -o examples/'],
  define(command, act, environment) {
    command
      .argument('<run>', 'the run folder')
      .requiredOption('-o, --output <path>', 'a .npz file, or a new folder (its name ends in /) for PNG and index.csv')
      .option('--model <file>', 'the model, where it has moved; its hash must be the same')
      .option('--data <path>', 'the data, where they have moved; their hash must be the same')
      .addOption(new Option('--engine <name>', 'which ONNX Runtime').choices(['native', 'wasm']))
      .option('--quiet', 'no progress')
      .action((run: string, options: Options) => act(() => exportCommand(run, options, environment)))
  },
}

async function exportCommand(run: string, options: Options, environment: Environment): Promise<number> {
  const { output, model, data, engine } = options
  if (/\.npz$/i.test(output)) checkPlace(output)
  else if (!/[/\\]$/.test(output)) {
    throw new RobustlyError('usage', `${printable(output)} is neither a .npz file nor a folder`, {
      hint: 'Write -o NAME.npz, or -o NAME/ for a folder of PNG.',
    })
  }
  const reporter = startReporter(environment, { quiet: options.quiet ?? false })
  const { signal } = environment
  const onProgress = reporter.progress
  const findings = await exportExamples(run, output, { model, data, engine, onProgress, signal }).finally(reporter.end)
  environment.stdout.write(describe(output, findings))
  return 0
}

function describe(output: string, { count, survived, withinEpsilon }: ExportFindings): string {
  const lines = [`${grouped(count)} adversarial examples in ${printable(output)}`]
  if (survived !== null && withinEpsilon !== null) {
    lines.push(
      `${grouped(survived)} fool the model after rounding to 8 bits too, ${grouped(withinEpsilon)} of them within epsilon`,
    )
  }
  return `\n${lines.map(line => `  ${line}\n`).join('')}`
}
