/** `robustly report`: one HTML file about one run, or several side by side. */
import { InvalidArgumentError } from 'commander'
import { RobustlyError } from '../../errors.js'
import { replaceText } from '../../jobs/files.js'
import { type ReadRunOptions, readRun, usualGallery } from '../../jobs/read-run.js'
import { printable } from '../../printable.js'
import { renderHtml } from '../../report/html/render.js'
import type { Environment } from '../environment.js'
import * as parse from '../parse.js'
import type { CommandEntry } from './command.js'

interface Options {
  output: string
  data?: string
  gallery?: ReadRunOptions['gallery']
  includePaths?: boolean
  quiet?: boolean
}

export const report: CommandEntry = {
  name: 'report',
  summary: 'write one HTML file about a run, or about several side by side',
  examples: [
    'robustly report runs/a -o report.html',
    'robustly report runs/a runs/b -o compared.html',
    'robustly report runs/a -o report.html --gallery all',
  ],
  define(command, act, environment) {
    command
      .argument('<run...>', 'the run folders')
      .requiredOption('-o, --output <file>', 'the .html file to write')
      .option('--data <path>', 'the data, where they have moved; their hash must be the same')
      .option(
        '--gallery <number>',
        `adversarial examples to embed, all or none (default: ${usualGallery.samples}, fewer when they are large)`,
        galleryOption,
      )
      .option('--include-paths', 'tell paths of this machine instead of names only')
      .option('--quiet', 'say nothing')
      .action((folders: string[], options: Options) => act(() => reportCommand(folders, options, environment)))
  },
}

function galleryOption(text: string): ReadRunOptions['gallery'] {
  if (text === 'all' || text === 'none') return text
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('Expected a number, all or none.')
  return parse.whole(0)(text)
}

async function reportCommand(folders: readonly string[], options: Options, environment: Environment): Promise<number> {
  const { output, data, gallery, includePaths } = options
  if (!/\.html?$/i.test(output)) {
    throw new RobustlyError('usage', `the report ${printable(output)} is an HTML file: its name must end in .html`)
  }
  const runs = []
  for (const folder of folders) runs.push(await readRun(folder, { data, gallery, includePaths }))
  const page = renderHtml(runs)
  replaceText(output, page)
  if (!options.quiet) {
    const megabytes = (Buffer.byteLength(page) / 1e6).toFixed(1)
    environment.stderr.write(`${printable(output)}: ${megabytes} MB, opens in any browser, needs no network\n`)
  }
  return 0
}
